/** Arms in worker processes: the same turns as in this process, one protocol, and one clear error for what is not it. */
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { DEFAULT_STRATEGY, type Strategy } from '../service/strategy/strategy.ts';
import { simWorld, startWire } from './arms/against.ts';
import { createArm, type Arm, type TurnTask } from './arms/arm.ts';
import { HERE } from './arms/checkout.ts';
import { runExperiment } from './run/experiment.ts';
import { uploadSessions } from '../testing/sessions.ts';
import { startWorker } from './arms/worker-client.ts';
import { decodeToWorker, encodeMessage, protocolComplaint } from './arms/worker-protocol.ts';

const standIns = { profile: 'seed', seed: '1', draws: 'common' } as const;
const sessions = await uploadSessions({ sessions: 1, turns: 2 });
const [session] = sessions;
assert.ok(session !== undefined);

const task = (turnIndex: number, strategy = DEFAULT_STRATEGY): TurnTask => ({
  planned: { sessionId: session.sessionId, turnIndex, run: 0, lane: 'baseline', variant: 'baseline' },
  strategy,
  arm: 'test baseline',
  runId: 'run',
  pace: 'captured',
  words: 'own',
  last: turnIndex === 1,
});
const bothTurns = async (arm: Arm): Promise<unknown> => {
  try {
    return JSON.parse(JSON.stringify([await arm.turn(session, task(0)), await arm.turn(session, task(1))]));
  } finally {
    await arm.close();
  }
};

test('a worker runs a turn in virtual time exactly as this process does', async () => {
  const here = await bothTurns(createArm(simWorld(standIns)));
  const there = await bothTurns(
    await startWorker({ folder: HERE, commit: 'test', world: simWorld(standIns), strategy: DEFAULT_STRATEGY }),
  );
  assert.deepEqual(there, here);
});

test('audio survives the line protocol', () => {
  const line = encodeMessage({ type: 'session', session });
  assert.equal(line.indexOf('\n'), line.length - 1);
  const decoded = decodeToWorker(line);
  assert.ok(decoded?.type === 'session');
  assert.equal(encodeMessage(decoded), line);
  const audioOf = (turn = decoded.session.turns[0]): Uint8Array | undefined =>
    turn?.events.find(({ kind }) => kind === 'speech.audio')?.content?.audio;
  assert.deepEqual(audioOf(), new Uint8Array(audioOf(session.turns[0]) ?? []));
});

test('anything but a message is none', () => {
  for (const line of ['', '[]', '{"type":"dance"}', 'ready']) assert.equal(decodeToWorker(line), undefined);
});

function fakeCommit(worker: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'retake-worker-'));
  mkdirSync(join(folder, 'replay'));
  writeFileSync(join(folder, 'package.json'), '{"type":"module"}');
  writeFileSync(join(folder, 'replay', 'worker.ts'), worker);
  return folder;
}

for (const [name, worker, complaint] of [
  [
    'another protocol',
    `console.log('{"type":"hello","protocol":99}'); process.stdin.resume();`,
    /abc speaks worker protocol 99, this commit speaks 2: choose a commit/,
  ],
  ['a crash', 'process.exit(3)', /the worker of abc: the process ended with exit code 3/],
  ['chatter', `console.log('warming up'); process.stdin.resume();`, /printed a line that is no message: warming up/],
] as const) {
  test(`a commit whose worker answers with ${name} is refused by name`, async () => {
    const folder = fakeCommit(worker);
    try {
      const options = { folder, commit: 'abc', world: simWorld(standIns), strategy: DEFAULT_STRATEGY };
      await assert.rejects(startWorker(options), complaint);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
}

test('a worker of version 1, whose prompts name the lane to the model, runs against stand-ins, never against providers', () => {
  assert.equal(protocolComplaint(1, 'sim'), undefined);
  assert.equal(protocolComplaint(1, 'wire'), undefined);
  assert.match(protocolComplaint(1, 'live') ?? '', /^speaks worker protocol 1, which writes a key into every prompt/);
  for (const world of ['sim', 'wire', 'live'] as const) assert.equal(protocolComplaint(2, world), undefined);
});

test('a knob that a commit does not know is left out at its default, and else refused by name', async () => {
  const newer = { ...DEFAULT_STRATEGY, tts: { ...DEFAULT_STRATEGY.tts, shine: 1 } };
  const arm = await startWorker({ folder: HERE, commit: 'abc', world: simWorld(standIns), strategy: DEFAULT_STRATEGY });
  try {
    await assert.rejects(arm.turn(session, task(0, newer)), /this commit has no knob tts\.shine/);
    await arm.turn(session, task(0)); // control: the same arm takes the turn without it
  } finally {
    await arm.close();
  }
});

test('a strategy that names a file is refused by the worker, which opens nothing', async () => {
  const { llm } = DEFAULT_STRATEGY;
  const systemPrompt: object = { file: '/proc/self/environ' };
  const named: Strategy = { ...DEFAULT_STRATEGY, llm: { ...llm, ...Object({ systemPrompt }) } };
  const arm = await startWorker({ folder: HERE, commit: 'abc', world: simWorld(standIns), strategy: DEFAULT_STRATEGY });
  try {
    await assert.rejects(arm.turn(session, task(0, named)), /"llm.systemPrompt.file" is for the operator/);
    await arm.turn(session, task(0)); // control: the same arm takes the turn without it
  } finally {
    await arm.close();
  }
});

test('in wire each lane has a process and sockets of its own: every arm pays for its connections', async () => {
  const wire = await startWire({ ...standIns, profile: 'zero' });
  try {
    const experiment = await runExperiment({
      sessions,
      candidates: [{ variant: 'clause-chunking', patches: [{ pipeline: { chunking: 'clause' } }] }],
      baseline: [],
      world: 'wire',
      against: wire.against,
      profile: 'zero',
      seed: '1',
      draws: 'common',
      runs: 1,
      commit: 'test',
    });
    assert.equal(experiment.replayed.length, 6);
    for (const { planned, summary } of experiment.replayed) {
      assert.equal(summary.failure, undefined);
      assert.equal(summary.reusedFirst, planned.turnIndex > 0 ? summary.reusedFirst : false);
    }
    const reused = experiment.replayed.filter(({ summary }) => summary.reusedFirst === true);
    assert.ok(reused.length > 0, 'control: within a session an arm keeps its sockets');
  } finally {
    await wire.close();
  }
});

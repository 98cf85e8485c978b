/** What the simulated world promises: the same bytes again, quiescence that is proven, and a ledger that tells causes. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ledgerOf } from '../service/ledger.ts';
import { zeroUsOf } from '../service/metrics.ts';
import type { TurnLog } from '../service/ports.ts';
import { keyedRandom } from '../service/random.ts';
import { DEFAULT_STRATEGY, resolveStrategy, type Strategy } from '../service/strategy.ts';
import { delayables, type Delayable } from './causality.ts';
import { fixtureAudio, loadInterviews, runFixtureTurn } from './fixtures.ts';
import type { DelayKey } from './plan.ts';
import { loadProfile } from './profile.ts';
import { createSimWorld } from './world.ts';

const interviews = loadInterviews();
const profile = loadProfile('seed');
const files = interviews.flatMap(({ turns }) => turns.map(({ audio }) => audio));
const audios = new Map(files.map((file) => [file, fixtureAudio(file)]));
/** Fewer frames, fewer wakes: the same turn at a fifth of the cost. */
const coarseAudios = new Map(files.map((file) => [file, fixtureAudio(file, 100)]));

async function runOne(options: {
  seed: string;
  pick: number;
  strategy?: Strategy;
  settleImmediates?: number;
  delayed?: DelayKey;
  coarse?: boolean;
}): Promise<TurnLog> {
  const { seed, pick, strategy = DEFAULT_STRATEGY, settleImmediates, delayed, coarse = false } = options;
  const interview = interviews[pick % interviews.length]!;
  const turnIndex = Math.floor(pick / interviews.length) % interview.turns.length;
  const world = createSimWorld({
    profile,
    seed,
    interviews,
    ...(settleImmediates === undefined ? {} : { settleImmediates }),
    ...(delayed === undefined ? {} : { delay: (key: DelayKey) => (sameKey(key, delayed) ? 1000 : 0) }),
  });
  const audio = (coarse ? coarseAudios : audios).get(interview.turns[turnIndex]!.audio)!;
  const turn = await world.clock.run(() =>
    runFixtureTurn(world, interview, turnIndex, { strategy, audio, profile: 'seed' }),
  );
  assert.equal(turn.summary.failure, undefined);
  return turn.log;
}

const sameKey = (a: DelayKey, b: DelayKey): boolean => JSON.stringify(order(a)) === JSON.stringify(order(b));
const order = ({ stage, ordinal, attempt, fetchIndex, item }: DelayKey): unknown[] => [
  stage,
  ordinal,
  attempt,
  fetchIndex,
  item,
];
const TURNS = interviews.reduce((sum, { turns }) => sum + turns.length, 0);

test('every fixture turn gives the same log with 8 and with 64 settling immediates', async () => {
  for (let pick = 0; pick < TURNS; pick++) {
    const eight = await runOne({ seed: 'settle', pick });
    const sixtyFour = await runOne({ seed: 'settle', pick, settleImmediates: 64 });
    assert.equal(JSON.stringify(eight), JSON.stringify(sixtyFour));
  }
});

test('control: with 1 settling immediate the logs differ, so the proof can fail', async () => {
  let differing = 0;
  for (let pick = 0; pick < TURNS; pick++) {
    const eight = JSON.stringify(await runOne({ seed: 'settle', pick }));
    const one = await runOne({ seed: 'settle', pick, settleImmediates: 1 }).then(
      (log) => JSON.stringify(log),
      (error: unknown) => String(error),
    );
    if (one !== eight) differing++;
  }
  assert.ok(differing > 0, 'one immediate settled every turn: the count proves nothing');
});

test('our code takes no virtual time, and parts add up to end-to-end', async () => {
  for (let pick = 0; pick < TURNS; pick++) {
    const log = await runOne({ seed: 'ledger', pick });
    const ledger = ledgerOf(log.events, zeroUsOf(log))!;
    assert.equal(
      ledger.parts.reduce((sum, part) => sum + part.toUs - part.fromUs, 0),
      ledger.e2eUs,
    );
    assert.ok(ledger.parts.every((part) => part.toUs > part.fromUs));
    assert.deepEqual(
      ledger.parts.filter((part) => part.stage === 'our code'),
      [],
    );
  }
});

/** A provider event and its delayed twin; `undefined` when the delay changed the order of events. */
async function growth(
  base: TurnLog,
  run: (delayed: DelayKey) => Promise<TurnLog>,
  { key }: Delayable,
): Promise<number | undefined> {
  const again = await run(key);
  const kinds = (log: TurnLog): string => log.events.map((event) => `${event.kind}/${event.exchange ?? ''}`).join();
  if (kinds(again) !== kinds(base)) return undefined;
  const e2eUs = (log: TurnLog): number => ledgerOf(log.events, zeroUsOf(log))!.e2eUs;
  return e2eUs(again) - e2eUs(base);
}

/** Complaints of the causality check (DESIGN §16) on one turn; `tamper` breaks its log first. */
async function causality(
  seed: string,
  pick: number,
  strategy: Strategy,
  tamper?: (log: TurnLog) => TurnLog,
): Promise<{ complaints: string[]; checked: number; reordered: number }> {
  const genuine = await runOne({ seed, pick, strategy, coarse: true });
  const claimed = delayables(tamper === undefined ? genuine : tamper(genuine));
  const random = keyedRandom('causality', seed, pick);
  const complaints: string[] = [];
  let checked = 0;
  let reordered = 0;
  for (const delayable of claimed.filter(() => random() < 0.2)) {
    const grownUs = await growth(
      genuine,
      (delayed) => runOne({ seed, pick, strategy, delayed, coarse: true }),
      delayable,
    );
    if (grownUs === undefined) {
      reordered++;
      continue;
    }
    checked++;
    const { critical, slackUs } = delayable;
    const right = critical ? grownUs === 1000 : grownUs <= Math.max(0, 1000 - slackUs);
    if (!right) complaints.push(`${seed}/${pick} ${JSON.stringify(delayable)} grew ${grownUs} µs`);
  }
  return { complaints, checked, reordered };
}

function randomStrategy(seed: number): Strategy {
  const random = keyedRandom('strategy', seed);
  const of = <T>(values: readonly T[]): T => values[Math.floor(random() * values.length)]!;
  return resolveStrategy(
    [
      {
        pipeline: { chunking: of(['sentence', 'clause', 'reply']) },
        tts: { method: of(['stream', 'speech']), concurrency: of([1, 2, 3]), speed: of([1, 1.15]) },
        network: { keepAlive: of([false, { idleMs: 4000, drain: false }, { idleMs: 60_000, drain: true }]) },
        stt: {
          vad: { engine: 'energy', silenceMs: of([500, 700]) },
          upload: of(['whole', { atPause: { pauseMs: 200 } }, { growing: { chunkMs: 400 } }]),
        },
      },
    ],
    'random strategy',
  );
}

test('causality: a delay grows end-to-end by all of it on the walk, by at most what slack leaves off it', async () => {
  const complaints: string[] = [];
  let checked = 0;
  let reordered = 0;
  for (let turn = 0; turn < 200; turn++) {
    const result = await causality(`c${turn}`, turn, randomStrategy(turn));
    complaints.push(...result.complaints);
    checked += result.checked;
    reordered += result.reordered;
  }
  assert.deepEqual(complaints, []);
  assert.ok(checked > 500, `only ${checked} delays checked (${reordered} reordered)`);
});

test('control: one wrong cause fails the causality check', async () => {
  let caught = 0;
  for (let turn = 0; turn < 6; turn++) {
    // claims that the first TTS request was released by the transcript: skips the LLM
    const { complaints } = await causality(`w${turn}`, turn, DEFAULT_STRATEGY, (log) => ({
      ...log,
      events: log.events.map((event) =>
        event.kind === 'piece.ready'
          ? { ...event, cause: log.events.find((each) => each.kind === 'llm.content')!.id }
          : event,
      ),
    }));
    const skipped = await causality(`w${turn}`, turn, DEFAULT_STRATEGY, (log) => withoutLlm(log));
    caught += complaints.length + skipped.complaints.length;
  }
  assert.ok(caught > 0);
});

/** The same log with the first piece's content claimed to follow the request's start directly. */
function withoutLlm(log: TurnLog): TurnLog {
  const start = log.events.find((event) => event.kind === 'http.start' && event.exchange === 'llm.0.0.0')!;
  return {
    ...log,
    events: log.events.map((event) =>
      event.kind === 'http.chunk' && event.exchange === start.exchange
        ? {
            ...event,
            cause: log.events.find((each) => each.kind === 'http.headers' && each.exchange === 'stt.0.0.0')!.id,
          }
        : event,
    ),
  };
}

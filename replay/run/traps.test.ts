/** Planted traps: each looks faster and is called otherwise; each control is the same gain without the trick, or with less of it. */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { highest } from '../../service/base/quantile.ts';
import type { TurnSummary } from '../../service/turn-log/metrics.ts';
import { createArm, type ArmTurn } from '../arms/arm.ts';
import { diffLanes } from '../diff/diff.ts';
import type { Verdict } from '../diff/verdict.ts';
import { runExperiment, type Experiment } from './experiment.ts';
import type { ExperimentOptions } from '../plan/plan.ts';
import { keyedRandom } from '../../service/base/random.ts';
import { readJournal, type JournalState } from './journal.ts';
import { runKey } from '../arms/planned.ts';
import { summariesOf } from './schedule.ts';
import { SIM_EXPERIMENT, uploadSessions } from '../../testing/sessions.ts';
import { transcriptChange } from '../arms/work.ts';

const sessions = await uploadSessions({ sessions: 6, turns: 3 });

function experiment(more: Partial<ExperimentOptions> = {}): Promise<Experiment> {
  return runExperiment({
    sessions,
    candidates: [{ variant: 'planted', patches: [] }],
    ...SIM_EXPERIMENT,
    ...more,
  });
}

const { replayed } = await experiment();
const honest = summariesOf(replayed, 'baseline', 'baseline');

/** B as A, 400 ms sooner: in the ledger too, so that rows add up. */
function sooner(turn: TurnSummary, cutUs = 400_000): TurnSummary {
  let leftUs = cutUs;
  const ledger = turn.ledger.map((part) => {
    const takenUs = Math.min(leftUs, part.us - 1);
    leftUs -= takenUs;
    return { ...part, us: part.us - takenUs };
  });
  const shift = (us: number | undefined): number => (us ?? 0) - (cutUs - leftUs);
  return {
    ...turn,
    e2eUs: shift(turn.e2eUs),
    firstContentAudibleUs: shift(turn.firstContentAudibleUs),
    replyEndUs: shift(turn.replyEndUs),
    ledger,
  };
}
const failed = (turn: TurnSummary): TurnSummary => {
  const { e2eUs: _e2e, firstContentAudibleUs: _content, ...rest } = turn;
  return { ...rest, ledger: [], failure: { stage: 'llm', kind: 'timeout', message: 'late' } };
};
const slowestUs = highest(honest.map((turn) => turn.e2eUs ?? 0));
const served =
  (name: string) =>
  (turn: TurnSummary): TurnSummary => ({
    ...turn,
    model: { requested: 'google/gemini-2.5-flash', served: name },
  });

const TRAPS: readonly [
  name: string,
  trick: (turn: TurnSummary) => TurnSummary,
  control: (turn: TurnSummary) => TurnSummary,
][] = [
  [
    'a filler that comes early, and content that does not',
    (turn) => ({ ...sooner(turn), firstContentAudibleUs: (turn.firstContentAudibleUs ?? 0) + 300_000 }),
    (turn) => ({ ...sooner(turn), firstContentAudibleUs: (turn.firstContentAudibleUs ?? 0) + 20_000 }),
  ],
  ['choppy audio', (turn) => ({ ...sooner(turn), stallUs: (turn.stallUs ?? 0) + 80_000 }), sooner],
  [
    'a candidate that fails on all but the easy turns',
    (turn) => (turn.turnIndex > 0 ? failed(turn) : sooner(turn)),
    // shown as an open guard
    (turn) => ((turn.e2eUs ?? 0) >= slowestUs ? failed(turn) : sooner(turn)),
  ],
  [
    'shorter replies',
    (turn) => ({ ...sooner(turn), replyChars: Math.round((turn.replyChars ?? 0) * 0.7) }),
    (turn) => ({ ...sooner(turn), replyChars: Math.round((turn.replyChars ?? 0) * 0.97) }),
  ],
  [
    'replies drawn out by silence',
    (turn) => ({ ...sooner(turn), replyAudioMs: (turn.replyAudioMs ?? 0) * 1.2 }),
    (turn) => ({ ...sooner(turn), replyAudioMs: (turn.replyAudioMs ?? 0) * 1.05 }),
  ],
  ['refusals', (turn) => ({ ...sooner(turn), refused: true }), sooner],
  ['another transcript', (turn) => ({ ...sooner(turn), transcriptErrorShare: 0.4 }), sooner],
  [
    'a transcript that the baseline did not hear',
    (turn) => ({ ...sooner(turn), transcriptChange: 0.4 }),
    (turn) => ({ ...sooner(turn), transcriptChange: 0.02 }),
  ],
  [
    'users cut off',
    (turn) => ({ ...sooner(turn), premature: turn.turnIndex > 0 }),
    (turn) => ({ ...sooner(turn), premature: false }),
  ],
];
const INVALID: typeof TRAPS = [
  [
    'a substituted model',
    (turn) => served('google/gemini-2.5-flash-lite')(sooner(turn)),
    (turn) => served('google/gemini-2.5-flash')(sooner(turn)),
  ],
  [
    'an arm that began on the other’s socket',
    (turn) => ({ ...sooner(turn), reusedFirst: true }),
    (turn) => ({ ...sooner(turn), reusedFirst: false }),
  ],
];

const verdictOf = (a: readonly TurnSummary[], b: readonly TurnSummary[]): Verdict | undefined =>
  diffLanes(a, b)?.verdict;

for (const [verdict, traps] of [
  ['worse', TRAPS],
  ['inconclusive', INVALID],
] as const)
  for (const [name, trick, control] of traps)
    test(`trap: ${name} is ${verdict}`, () => {
      const a = honest.map((turn) => ({
        ...served('google/gemini-2.5-flash')(turn),
        reusedFirst: false,
        refused: false,
        transcriptErrorShare: 0,
      }));
      const of = (change: typeof trick): Verdict | undefined =>
        verdictOf(
          a,
          a.map((turn) => change(turn)),
        );
      assert.equal(of(trick), verdict);
      assert.equal(of(control), 'faster', 'control');
    });

test('trap: sessions picked for being slow are compared with a baseline run now, not with their capture', async () => {
  // the capture of each session had bad luck: what it took then is nothing to compare with
  const unlucky = (await experiment({ draws: 'independent' })).captured.map((turn, index) => ({
    ...turn,
    e2eUs: (turn.e2eUs ?? 0) + 300_000 + Math.round(50_000 * keyedRandom('luck', index)()),
    firstContentAudibleUs: (turn.firstContentAudibleUs ?? 0) + 300_000,
    ledger: [
      ...turn.ledger,
      {
        stage: 'our code',
        phase: 'our code',
        us: 300_000 + Math.round(50_000 * keyedRandom('luck', index)()),
      } as const,
    ],
  }));
  const { reports } = await experiment({ choice: 'by latency' });
  const [first] = reports;
  assert.equal(first?.report.verdict, 'predicted same');
  assert.equal(first.report.validity.drift, undefined);
  assert.match(first.report.validity.notes?.join('\n') ?? '', /chosen by latency: the captured lane is not compared/);
  assert.equal(
    verdictOf(unlucky, honest),
    'faster',
    'control: against its capture, nothing at all would pass for faster',
  );
  const named = (await experiment({ choice: 'named' })).reports[0];
  assert.ok(named?.report.validity.drift !== undefined, 'control: other choices show their drift');
});

/** Arms of which only the candidate's turns are changed, once they have run. */
function candidateTurns(change: (turn: ArmTurn) => ArmTurn): ExperimentOptions['armFor'] {
  return (lane, against) => {
    const arm = createArm(against);
    if (lane.lane !== 'candidate') return arm;
    return { ...arm, turn: async (session, task) => change(await arm.turn(session, task)) };
  };
}

/** The candidate hears what `heard` makes of each turn's transcript; the journal is read back as after a crash. */
async function heardBy(heard: (transcript: string) => string): Promise<{ run: Experiment; state: JournalState }> {
  const folder = await mkdtemp(join(tmpdir(), 'retake-traps-'));
  const path = join(folder, 'journal.jsonl');
  try {
    const run = await experiment({
      journal: { path, resume: false },
      armFor: candidateTurns((turn) => ({ ...turn, transcript: heard(turn.transcript) })),
    });
    const state = readJournal(path);
    assert.ok(state);
    return { run, state };
  } finally {
    await rm(folder, { recursive: true });
  }
}

test('the transcript change is measured between the lanes of a run, whichever came first, and journaled as a share', async () => {
  const changesOf = ({ run }: { run: Experiment }): (number | undefined)[] =>
    summariesOf(run.replayed, 'candidate', 'planted').map(({ transcriptChange: share }) => share);
  const other = await heardBy((transcript) => `${transcript} secretword`);
  const shares = changesOf(other);
  assert.equal(shares.length, 18);
  assert.ok(shares.every((share) => share !== undefined && share > 0 && share < 0.5));
  const guard = other.run.reports[0]?.report.guards.find(({ name }) => name === 'transcript change');
  assert.match(guard?.detail ?? '', /^\+\d+\.\d points of the words, in 18 of 18 turns$/);
  // both orders were run, and a run that goes on from the journal knows the same
  const order = other.run.replayed.map(({ planned }) => planned.lane);
  assert.ok(order.indexOf('candidate') >= 0 && /candidate,(baseline2,)?baseline\b/.test(order.join()));
  for (const { planned, summary } of other.run.replayed)
    assert.deepEqual(other.state.done.get(runKey(planned))?.summary, summary);
  assert.doesNotMatch(JSON.stringify([other.run.replayed, [...other.state.done]]), /secretword/);
  const same = await heardBy((transcript) => `${transcript.toUpperCase()} …!`);
  assert.deepEqual(changesOf(same), Array(18).fill(0), 'control: case and punctuation are no change');
});

test('transcript change: edits per word of the longer one, the same from both sides', () => {
  const cases: readonly [one: string, other: string, share: number | undefined][] = [
    ['İstanbul’da IŞIK vardı.', "istanbul'da ışık, vardı", 0],
    ['one two three four', 'one two tree four', 0.25],
    ['one two three', 'one three', 0.3333],
    ['one', '', 1],
    ['…', '', undefined],
  ];
  for (const [one, other, share] of cases) {
    assert.equal(transcriptChange(one, other), share, one);
    assert.equal(transcriptChange(other, one), share, one);
  }
});

test('a rate limit or a dead runner repeats the whole pair, once', async () => {
  let calls = 0;
  const { repeated, replayed: again } = await experiment({
    cooldownMs: 0,
    sessions: sessions.slice(0, 1),
    armFor: candidateTurns((turn) => {
      if (turn.log.identity.turnIndex !== 1 || calls++ > 0) return turn;
      const last = turn.log.events[turn.log.events.length - 1];
      if (last === undefined) return turn;
      const attrs = { errorStage: 'llm', errorKind: 'rate-limited', message: '429' };
      const event = {
        id: last.id + 1,
        kind: 'turn.failed' as const,
        stage: 'llm' as const,
        atUs: last.atUs,
        cause: last.id,
        attrs,
      };
      return { ...turn, log: { ...turn.log, events: [...turn.log.events, event] } };
    }),
  });
  assert.deepEqual([...repeated.keys()], ['session-0/1/0']);
  assert.equal(calls, 2);
  assert.equal(again.length, 9);
  assert.ok(again.every(({ summary }) => summary.failure === undefined));
});

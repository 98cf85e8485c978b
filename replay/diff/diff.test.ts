import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { InvariantError } from '../../service/base/errors.ts';
import type { LedgerRow, TurnSummary } from '../../service/turn-log/metrics.ts';
import type { LedgerStage, Phase } from '../../service/base/events.ts';
import { BARE_SUMMARY } from '../../testing/bare-summary.ts';
import { diffLanes, verdictExitCode, verdictOfAll, type Diff, type Verdict } from './diff.ts';
import { printedLedger } from '../report/rows.ts';

/** The same cases every time; another seed looks further. */
const RUNS = { seed: 1, numRuns: 300 };

function turn(sessionId: string, turnIndex: number, e2eMs: number, more: Partial<TurnSummary> = {}): TurnSummary {
  const e2eUs = Math.round(e2eMs * 1000);
  return {
    ...BARE_SUMMARY,
    sessionId,
    turnIndex,
    e2eUs,
    firstContentAudibleUs: e2eUs,
    replyEndUs: e2eUs + 2_000_000,
    stallUs: 0,
    ledger: [{ stage: 'stt', phase: 'wait', us: e2eUs }],
    ...more,
  };
}

/** One turn a session. */
const lane = (e2eMs: readonly number[], more: (index: number) => Partial<TurnSummary> = () => ({})): TurnSummary[] =>
  e2eMs.map((ms, index) => turn(`s-${index}`, 0, ms, more(index)));

function compared(...args: Parameters<typeof diffLanes>): Diff {
  const diff = diffLanes(...args);
  assert.ok(diff, 'no turn was measured in both lanes');
  return diff;
}

/** A is 1000 ms everywhere unless told; B differs from it by these, one session each. Margin 30 ms. */
const VERDICTS: readonly [what: string, deltasMs: readonly number[], verdict: Verdict, aMs?: number][] = [
  ['no difference', [0, 0, 0], 'same'],
  ['just inside the margin', [-29.999, -29.999, -29.999], 'same'],
  ['just inside the margin, above', [29.999, 29.999, 29.999], 'same'],
  ['on the margin', [-30, -30, -30], 'inconclusive'],
  ['on the margin, above', [30, 30, 30], 'inconclusive'],
  ['just beyond the margin', [-30.001, -30.001, -30.001], 'faster'],
  ['just beyond the margin, above', [30.001, 30.001, 30.001], 'slower'],
  ['an interval that excludes 0 beyond the margin', [-90, -100, -110], 'faster'],
  ['an interval that excludes 0 beyond the margin, above', [90, 100, 110], 'slower'],
  // s = 8, t(2)·8/√3 = 19.9: [−47.9, −8.1]
  ['an estimate inside the margin, an interval that excludes 0', [-20, -28, -36], 'inconclusive'],
  // s = 60, half width 149: [−249, +49]
  ['a large estimate whose interval holds 0', [-40, -100, -160], 'inconclusive'],
  ['a wide interval around nothing', [-50, 0, 50], 'inconclusive'],
  ['3 % of a slow A: 100 ms are inside 150', [-100, -100, -100], 'same', 5000],
  ['3 % of a slow A: 151 ms are beyond 150', [-151, -151, -151], 'faster', 5000],
];
for (const [what, deltasMs, verdict, aMs = 1000] of VERDICTS) {
  test(`${what}: ${deltasMs.join(', ')} ms on ${aMs} is ${verdict}`, () => {
    const a = deltasMs.map(() => aMs);
    const diff = compared(lane(a), lane(deltasMs.map((delta) => aMs + delta)));
    assert.equal(diff.verdict, verdict, diff.reasons.join('; '));
    assert.equal(diff.marginMs, Math.max(30, 0.03 * aMs));
    assert.equal(diff.reasons.length, 1);
    assert.ok(Math.abs(diff.primary.deltaMs - deltasMs.reduce((sum, each) => sum + each, 0) / 3) < 1e-9);
  });
}

test('exit codes: 0 faster and same, 1 slower, 3 inconclusive', () => {
  assert.deepEqual((['faster', 'same', 'slower', 'inconclusive'] as const).map(verdictExitCode), [0, 0, 1, 3]);
  const all = (...verdicts: Verdict[]): number => verdictExitCode(verdictOfAll(verdicts));
  assert.deepEqual([all('inconclusive', 'slower'), all('faster', 'inconclusive'), all('same', 'faster')], [1, 3, 0]);
});

const A = [1000, 1000, 1000];
const FASTER = [900, 900, 900];
const SLOWER = [1100, 1100, 1100];

test('below the noise floor nothing is claimed', () => {
  // a2 − a: −60, 0, 60: half width 149
  const a2 = lane([940, 1000, 1060]);
  for (const b of [FASTER, SLOWER]) {
    const noisy = compared(lane(A), lane(b), { a2 });
    assert.equal(noisy.verdict, 'inconclusive');
    assert.deepEqual(noisy.reasons, ['two identical arms differ as much: the estimate is below the noise floor']);
    assert.ok(Math.abs((noisy.noiseFloorMs ?? 0) - 149.05) < 0.01);
  }
  // controls: a quiet second baseline, or a difference above the noise
  assert.equal(compared(lane(A), lane(FASTER), { a2: lane(A) }).verdict, 'faster');
  assert.equal(compared(lane(A), lane([800, 800, 800]), { a2 }).verdict, 'faster');
  assert.equal(compared(lane(A), lane(FASTER)).noiseFloorMs, undefined);
});

test('each guard vetoes faster, and says what it saw', () => {
  const VETOES: readonly [reason: string, b: Partial<TurnSummary>][] = [
    ['first content audible: +200.0 ms', { firstContentAudibleUs: 1_200_000 }],
    ['stalls: +40.0 ms a turn', { stallUs: 40_000 }],
    ['transcript length: −50.0 %', { transcriptChars: 20 }],
    ['reply length: −50.0 %', { replyChars: 30 }],
  ];
  const a = lane(A, () => ({ transcriptChars: 40, replyChars: 60 }));
  for (const [reason, b] of VETOES) {
    const vetoed = compared(
      a,
      lane(FASTER, () => ({ transcriptChars: 40, replyChars: 60, ...b })),
    );
    assert.deepEqual([vetoed.verdict, vetoed.reasons], ['inconclusive', [reason]]);
  }
  const faster = compared(
    a,
    lane(FASTER, () => ({ transcriptChars: 40, replyChars: 60 })),
  );
  assert.equal(faster.verdict, 'faster', 'control: with all guards held');
});

test('a broken guard does not soften slower, and does not touch same', () => {
  const stalls = (): Partial<TurnSummary> => ({ stallUs: 40_000 });
  assert.equal(compared(lane(A), lane(SLOWER, stalls)).verdict, 'slower');
  assert.equal(compared(lane(A), lane(A, stalls)).verdict, 'same');
});

test("more failed turns veto faster by McNemar's test where their share alone would pass", () => {
  const many = Array.from({ length: 600 }, (_, index) => index);
  const b = (failed: number): TurnSummary[] =>
    many.map((index) =>
      turn(
        `s-${index % 20}`,
        index,
        900,
        index < failed ? { failure: { stage: 'tts', kind: 'reset', message: '' } } : {},
      ),
    );
  const a = many.map((index) => turn(`s-${index % 20}`, index, 1000));
  const vetoed = compared(a, b(5));
  assert.deepEqual([vetoed.verdict, vetoed.reasons], ['inconclusive', ['failed turns: 5 more, 0 fewer of 600']]);
  assert.deepEqual(vetoed.dropped, [{ lane: 'b', cause: 'failed', turns: 5 }]);
  assert.equal(vetoed.pairs, 595);
  assert.equal(compared(a, b(4)).verdict, 'faster', 'control: four of 600 may be chance');
});

test('one conversation: the interval is over its turns, and it does not generalize', () => {
  const a = [0, 1, 2].map((index) => turn('s', index, 1000));
  const b = [0, 1, 2].map((index) => turn('s', index, 890 + 10 * index));
  const one = compared(a, b);
  assert.deepEqual([one.generalizes, one.sessions, one.pairs, one.verdict], [false, 1, 3, 'faster']);
  assert.ok((one.primary.highMs ?? 0) - (one.primary.lowMs ?? 0) > 40);
  assert.equal(compared(lane(A), lane(FASTER)).generalizes, true, 'control');
  // two sessions, but the metric that decides was measured in one of them only
  const ends = (lanes: TurnSummary[]): TurnSummary[] =>
    lanes.map((each) => {
      const { replyEndUs: _, ...rest } = each;
      return each.sessionId === 's' ? each : rest;
    });
  const other = turn('other', 0, 1000);
  assert.equal(compared(ends([...a, other]), ends([...b, other]), { primary: 'reply-end' }).generalizes, false);
});

test('one turn has no interval, and no verdict', () => {
  const { verdict, reasons, primary } = compared([turn('s', 0, 1000)], [turn('s', 0, 100)]);
  assert.equal(verdict, 'inconclusive');
  assert.deepEqual(reasons, ['one turn has no interval: replay more turns']);
  assert.deepEqual([primary.lowMs, primary.highMs], [undefined, undefined]);
});

test('without a turn that both lanes measured there is no diff', () => {
  assert.equal(diffLanes([turn('x', 0, 1)], [turn('y', 0, 1)]), undefined);
  assert.equal(diffLanes([], []), undefined);
});

test('a p95 needs 72 turns', () => {
  const turns = (count: number): TurnSummary[] =>
    Array.from({ length: count }, (_, index) => turn(`s-${index % 6}`, index, index));
  assert.equal(compared(turns(71), turns(71)).p95, undefined);
  // 0 … 71: position 0.95 · 71 = 67.45
  const { p95 } = compared(
    turns(72),
    turns(72).map((each) => ({ ...each })),
  );
  assert.ok(Math.abs((p95?.aMs ?? 0) - 67.45) < 1e-9);
  assert.equal(p95?.deltaMs, 0);
});

test("a variant's primary metric decides; its margin is of that metric", () => {
  const ends = (replyEndUs: number) => (): Partial<TurnSummary> => ({ replyEndUs });
  const a = lane(A, ends(10_000_000));
  const earlier = compared(a, lane(A, ends(9_000_000)), { primary: 'reply-end' });
  assert.deepEqual([earlier.verdict, earlier.primary.stage, earlier.marginMs], ['faster', 'reply end', 300]);
  assert.equal(earlier.primary.deltaMs, -1000);
  assert.equal(compared(a, lane(A, ends(9_000_000))).verdict, 'same', 'control: first audible did not change');
  const content = compared(a, lane(A), { primary: 'first-content-audible' });
  assert.equal(content.primary.stage, 'first content audible');
});

test('a primary metric that some turns lack is judged on the turns that have it; absent is not 0', () => {
  const few = (index: number): boolean => index % 3 === 0;
  const a = Array.from({ length: 120 }, (_, index) => turn(`s-${index % 6}`, index, 1000));
  const shorter = a.map((each, index) => {
    const { replyEndUs: _, ...rest } = each;
    return few(index) ? { ...rest, replyEndUs: 2_950_000 } : rest;
  });
  const diff = compared(a, shorter, { primary: 'reply-end' });
  assert.equal(diff.primary.n, 40);
  assert.equal(diff.marginMs, 90, '3 % of 3000 ms');
  assert.equal(diff.verdict, 'same', '−50 ms are inside of it');
  assert.equal(diff.p95, undefined, '40 turns are too few');
  const back = compared(shorter, a, { primary: 'reply-end' });
  assert.ok(Math.abs(back.marginMs - 88.5) < 1e-9, '3 % of 2950 ms');
});

test('the shift in % is that of Hodges and Lehmann on ratios, and absent where a part is 0', () => {
  const { primary, stages } = compared(lane([1000, 2000, 4000]), lane([500, 1000, 2000]));
  assert.ok(Math.abs((primary.shiftPct ?? 0) + 50) < 1e-9);
  assert.ok(Math.abs((primary.lowPct ?? 0) + 50) < 1e-9 && Math.abs((primary.highPct ?? 0) + 50) < 1e-9);
  assert.ok(stages.every((row) => row.shiftPct !== undefined));
  const zero = lane(A, () => ({
    ledger: [
      { stage: 'stt', phase: 'wait', us: 1_000_000 },
      { stage: 'tts', phase: 'tls', us: 0 },
    ],
  }));
  const some = lane(A, () => ({
    ledger: [
      { stage: 'stt', phase: 'wait', us: 999_000 },
      { stage: 'tts', phase: 'tls', us: 1000 },
    ],
  }));
  const tls = compared(zero, some).stages.find(({ phase }) => phase === 'tls');
  assert.deepEqual([tls?.deltaMs, tls?.shiftPct, tls?.n], [1, undefined, 3]);
});

test('rows come in the order of the pipeline, a stage before its phases; parts that nobody had are left out', () => {
  const parts: LedgerRow[] = [
    { stage: 'our code', phase: 'our code', us: 1000 },
    { stage: 'tts', phase: 'body', us: 2000 },
    { stage: 'tts', phase: 'dns', us: 0 },
    { stage: 'tts', phase: 'queue', us: 3000 },
    { stage: 'endpointing', phase: 'detect', us: 4000 },
    { stage: 'tts', phase: 'body', us: 990_000 },
  ];
  const rows = compared(
    lane(A, () => ({ ledger: parts })),
    lane(A, () => ({ ledger: parts })),
  ).stages;
  assert.deepEqual(
    rows.map(({ stage, phase, aMs }) => [stage, phase, aMs]),
    [
      ['endpointing', undefined, 4],
      ['endpointing', 'detect', 4],
      ['tts', undefined, 995],
      ['tts', 'queue', 3],
      ['tts', 'body', 992],
      ['our code', undefined, 1],
      ['our code', 'our code', 1],
    ],
  );
});

test('a ledger that does not add up to its end to end is a broken invariant', () => {
  const torn = lane(A, () => ({ ledger: [{ stage: 'stt', phase: 'wait', us: 999_999 }] }));
  assert.throws(() => diffLanes(torn, lane(A)), InvariantError);
  assert.throws(() => diffLanes(lane(A), torn), InvariantError);
});

const STAGES: readonly LedgerStage[] = ['endpointing', 'stt', 'llm', 'chunk', 'tts', 'deliver', 'our code'];
const PHASES: readonly Phase[] = [
  ...(['queue', 'dns', 'connect', 'tls', 'send', 'wait', 'body'] as const),
  ...(['detect', 'hold', 'slot', 'backoff', 'silence', 'our code'] as const),
];
const ledger = fc.array(
  fc.record({
    stage: fc.constantFrom(...STAGES),
    phase: fc.constantFrom(...PHASES),
    us: fc.oneof(fc.nat(3_000_000), fc.nat(999)),
  }),
  { minLength: 1, maxLength: 12 },
);
/** Sessions of turns, each turn with a ledger in A and one in B; a lane may lack an end to end. */
const sessions = fc.array(
  fc.array(fc.record({ a: ledger, b: ledger, lostA: fc.nat(9), lostB: fc.nat(9) }), { minLength: 1, maxLength: 4 }),
  { minLength: 1, maxLength: 5 },
);

function lanesOf(drawn: typeof sessions extends fc.Arbitrary<infer T> ? T : never): [TurnSummary[], TurnSummary[]] {
  const of = (pick: (each: (typeof drawn)[number][number]) => { rows: LedgerRow[]; lost: boolean }): TurnSummary[] =>
    drawn.flatMap((turns, session) =>
      turns.map((each, index) => {
        const { rows, lost } = pick(each);
        const measured = turn(`s-${session}`, index, rows.reduce((sum, { us }) => sum + us, 0) / 1000, {
          ledger: rows,
        });
        const { e2eUs: _, ...unmeasured } = measured;
        return lost ? { ...unmeasured, ledger: [] } : measured;
      }),
    );
  return [
    of(({ a, lostA }) => ({ rows: a, lost: lostA === 0 })),
    of(({ b, lostB }) => ({ rows: b, lost: lostB === 0 })),
  ];
}

test('rows add up to the end-to-end row: A, B and Δ, over stages and over phases, for any turns', () => {
  let seen = 0;
  fc.assert(
    fc.property(sessions, (drawn) => {
      const [a, b] = lanesOf(drawn);
      const diff = diffLanes(a, b);
      if (diff === undefined) return;
      seen++;
      for (const rows of [
        diff.stages.filter(({ phase }) => phase === undefined),
        diff.stages.filter(({ phase }) => phase !== undefined),
      ]) {
        for (const column of ['aMs', 'bMs', 'deltaMs'] as const) {
          const sum = rows.reduce((total, row) => total + row[column], 0);
          assert.ok(Math.abs(sum - diff.primary[column]) < 1e-6, `${column}: ${sum}, not ${diff.primary[column]}`);
        }
      }
    }),
    RUNS,
  );
  assert.ok(seen > 200, `control: ${seen} of the drawn sets had a pair`);
});

test('printed rows add up too, to the tenth', () => {
  const tenths = (text: string): number => Math.round(Number(text.replace('−', '-')) * 10);
  fc.assert(
    fc.property(sessions, (drawn) => {
      const [a, b] = lanesOf(drawn);
      const diff = diffLanes(a, b);
      if (diff === undefined) return;
      const rows = printedLedger(diff.stages, diff.primary);
      const total = rows.at(-1);
      assert.equal(total?.stage, 'end to end');
      for (const [column, exactMs] of [
        ['a', diff.primary.aMs],
        ['b', diff.primary.bMs],
        ['delta', diff.primary.deltaMs],
      ] as const) {
        const sum = rows.slice(0, -1).reduce((all, row) => all + tenths(row[column]), 0);
        assert.equal(sum, tenths(total?.[column] ?? ''), `column ${column}`);
        assert.ok(Math.abs(sum / 10 - exactMs) < 0.1 + 1e-6, `column ${column}: ${sum / 10}, exactly ${exactMs}`);
      }
      for (const row of rows) assert.equal(tenths(row.b) - tenths(row.a), tenths(row.delta));
    }),
    RUNS,
  );
});

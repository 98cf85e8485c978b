import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { LedgerRow, TurnSummary } from '../../service/turn-log/metrics.ts';
import type { LedgerStage, Phase } from '../../service/base/events.ts';
import { BARE_SUMMARY } from '../../testing/bare-summary.ts';
import type { DiffRow } from './diff-rows.ts';
import { diffLanes, type Diff } from './diff.ts';
import type { Verdict } from './verdict.ts';
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

function compared(...args: Parameters<typeof diffLanes>): Diff & { primary: DiffRow } {
  const diff = diffLanes(...args);
  assert.ok(diff?.primary, 'no turn was measured in both lanes');
  return { ...diff, primary: diff.primary };
}

/** A is 1000 ms everywhere unless told; B differs from it by these, one session each. Margin 30 ms. */
const VERDICTS: readonly [what: string, deltasMs: readonly number[], verdict: Verdict, aMs?: number][] = [
  ['no difference', [0, 0, 0, 0], 'same'],
  ['just inside the margin', [-29.999, -29.999, -29.999, -29.999], 'same'],
  ['just inside the margin, above', [29.999, 29.999, 29.999, 29.999], 'same'],
  ['on the margin', [-30, -30, -30, -30], 'inconclusive'],
  ['on the margin, above', [30, 30, 30, 30], 'inconclusive'],
  ['just beyond the margin', [-30.001, -30.001, -30.001, -30.001], 'faster'],
  ['just beyond the margin, above', [30.001, 30.001, 30.001, 30.001], 'slower'],
  // s = 12.2, t(3)·s/√4 = 19.5: [−54.5, −15.5] reaches across the margin, and the estimate decides
  ['an estimate beyond the margin, an interval that excludes 0', [-20, -35, -50, -35], 'faster'],
  ['an estimate beyond the margin, an interval that excludes 0, above', [20, 35, 50, 35], 'slower'],
  // s = 6.5, half width 10.4: [−38.4, −17.6]
  ['an estimate inside the margin, an interval that excludes 0', [-20, -28, -36, -28], 'inconclusive'],
  // s = 81, half width 129
  ['a large estimate whose interval holds 0', [-40, -160, -20, -180], 'inconclusive'],
  ['a wide interval around nothing', [-50, 0, 50, 0], 'inconclusive'],
  ['3 % of a slow A: 100 ms are inside 150', [-100, -100, -100, -100], 'same', 5000],
  ['3 % of a slow A: 151 ms are beyond 150', [-151, -151, -151, -151], 'faster', 5000],
];
for (const [what, deltasMs, verdict, aMs = 1000] of VERDICTS) {
  test(`${what}: ${deltasMs.join(', ')} ms on ${aMs} is ${verdict}`, () => {
    const a = deltasMs.map(() => aMs);
    const diff = compared(lane(a), lane(deltasMs.map((delta) => aMs + delta)));
    assert.equal(diff.verdict, verdict, diff.reasons.join('; '));
    assert.equal(diff.marginMs, Math.max(30, 0.03 * aMs));
    assert.ok(Math.abs(diff.primary.deltaMs - deltasMs.reduce((sum, each) => sum + each, 0) / 4) < 1e-9);
    assert.ok(Math.abs((diff.primary.deltaPct ?? 0) - (100 * diff.primary.deltaMs) / aMs) < 1e-9);
  });
}

const A = [1000, 1000, 1000, 1000];
const FASTER = [900, 900, 900, 900];
const SLOWER = [1100, 1100, 1100, 1100];

test('a baseline that differs from its own repetition forbids a verdict', () => {
  const shifted = lane([1060, 1061, 1060, 1061]);
  for (const b of [FASTER, SLOWER]) {
    const { verdict, reasons, repetition } = compared(lane(A), lane(b), { a2: shifted });
    assert.equal(verdict, 'inconclusive');
    assert.match(reasons.join(), /^the baseline differs from its own repetition by \+60\.5 ms/);
    assert.equal(repetition?.n, 4);
  }
  // controls: noise without a shift, a shift inside half the margin, and no repetition
  for (const a2 of [
    [940, 1000, 1060, 1000],
    [1010, 1011, 1010, 1011],
  ])
    assert.equal(compared(lane(A), lane(FASTER), { a2: lane(a2) }).verdict, 'faster');
  assert.equal(compared(lane(A), lane(FASTER)).repetition, undefined);
  assert.equal(compared(lane(A), lane(FASTER), { a2: lane(A) }).repetition, undefined, 'the same captured times');
});

test('harm is worse, whatever the time; without harm the same time is what it is', () => {
  const talk = { transcriptChars: 40, replyChars: 60, transcriptErrorShare: 0 };
  const HARMS: readonly [reason: RegExp, b: Partial<TurnSummary>][] = [
    [/^first content audible: \+200\.0 ms$/, { firstContentAudibleUs: 1_200_000 }],
    [/^stalls of 50 ms or more: 12 of 12, 12 more and 0 fewer than A$/, { stallUs: 50_000 }],
    [/^reply length: −50\.0 %$/, { replyChars: 30 }],
    [/^transcript errors: \+20\.0 points of the words, in 12 of 12 turns$/, { transcriptErrorShare: 0.2 }],
  ];
  const many = (ms: number) => Array.from({ length: 12 }, () => ms);
  const a = lane(many(1000), () => talk);
  for (const [reason, b] of HARMS)
    for (const ms of [900, 1000]) {
      const harmed = compared(
        a,
        lane(many(ms), () => ({ ...talk, ...b })),
      );
      assert.deepEqual([harmed.verdict, harmed.reasons.length], ['worse', 1]);
      assert.match(harmed.reasons[0] ?? '', reason);
    }
  for (const [ms, verdict] of [
    [900, 'faster'],
    [1000, 'same'],
  ] as const)
    assert.equal(
      compared(
        a,
        lane(many(ms), () => talk),
      ).verdict,
      verdict,
      'control',
    );
});

test('a lane that is late in all things is slower, no worse; with other harm it is worse', () => {
  const late = Array.from({ length: 12 }, () => 1100);
  const a = lane(late.map(() => 1000));
  const slower = compared(a, lane(late));
  assert.equal(slower.verdict, 'slower');
  assert.deepEqual(
    slower.guards.filter(({ state }) => state === 'broken'),
    [],
    'the words are as late as the sound',
  );
  assert.equal(
    compared(
      a,
      lane(late, () => ({ stallUs: 80_000 })),
    ).verdict,
    'worse',
    'control',
  );
});

test('one conversation: its interval is over turns, it does not generalize, and it decides nothing unless asked', () => {
  const a = [0, 1, 2].map((index) => turn('s', index, 1000));
  const b = [0, 1, 2].map((index) => turn('s', index, 890 + 10 * index));
  const one = compared(a, b);
  assert.deepEqual([one.generalizes, one.sessions, one.pairs, one.verdict], [false, 1, 3, 'inconclusive']);
  assert.deepEqual(one.reasons, ['1 session, 4 needed (--min-sessions)']);
  assert.ok((one.primary.highMs ?? 0) - (one.primary.lowMs ?? 0) > 40);
  assert.equal(compared(a, b, { bounds: { minSessions: 1 } }).verdict, 'faster');
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
  const { verdict, reasons, primary } = compared([turn('s', 0, 1000)], [turn('s', 0, 100)], {
    bounds: { minSessions: 1 },
  });
  assert.equal(verdict, 'inconclusive');
  assert.deepEqual(reasons, ['one turn has no interval: replay more turns']);
  assert.deepEqual([primary.lowMs, primary.highMs], [undefined, undefined]);
});

test('without a turn that both lanes ran, or with a lane that measured none, there is no diff', () => {
  assert.equal(diffLanes([turn('x', 0, 1)], [turn('y', 0, 1)]), undefined);
  assert.equal(diffLanes([], []), undefined);
  assert.equal(diffLanes(lane(A), lane([0, 0, 0, 0])), undefined);
});

test('a lane that failed everywhere is worse, with no figure at all', () => {
  const failure = { stage: 'tts', kind: 'timeout', message: 'late' };
  const many = Array.from({ length: 20 }, () => 1000);
  const failed = lane(many).map(({ e2eUs: _, ...rest }) => ({ ...rest, ledger: [], failure }));
  const diff = diffLanes(lane(many), failed) ?? assert.fail('no diff');
  assert.deepEqual([diff.verdict, diff.primary, diff.endToEnd, diff.pairs], ['worse', undefined, undefined, 0]);
  assert.deepEqual(diff.reasons, ['failed turns: 20 of 20, 20 more and 0 fewer than A']);
  const both = diffLanes(failed, failed) ?? assert.fail('no diff');
  assert.deepEqual([both.verdict, both.pairs], ['inconclusive', 0], 'control: A failed everywhere too');
});

test('turns that B lacks could have been slow: no faster and no same while that would be slower', () => {
  const many = Array.from({ length: 20 }, (_, index) => (index === 0 ? 9000 : 1000));
  const a = lane(many);
  // 19 of 20 matched, 35 ms sooner; had the last taken 9 s, B were +366 ms with an interval that holds 0
  const open = compared(a, lane(many.map((ms) => ms - 35)).slice(0, 19));
  assert.equal(open.matched.share, 0.95);
  assert.equal(open.verdict, 'faster', 'one session alone proves nothing slower');
  // ten sessions of ten, one turn of each missing: had each taken 9 s, B were slower for sure
  const tens = Array.from({ length: 100 }, (_, index) => turn(`s-${index % 10}`, index, index < 10 ? 9000 : 1000));
  const lacking = tens
    .filter((_, index) => index < 90)
    .map((each) => turn(each.sessionId, each.turnIndex, (each.e2eUs ?? 0) / 1000 - 35));
  const hidden = compared(tens, lacking);
  assert.deepEqual([hidden.matched.share, hidden.verdict], [0.9, 'inconclusive']);
  assert.match(
    hidden.reasons.join(),
    /^B would be slower if its unmatched turns, the 10 that it lacks, had waited as long/,
  );
  assert.deepEqual(hidden.matched.lost, [{ lane: 'b', cause: 'missing', turns: 10, otherMeanMs: 1000 }]);
  assert.equal(compared(tens.slice(0, 90), lacking).verdict, 'faster', 'control: nothing is missing');
});

test('turns that cannot be are left out and counted, and the others decide', () => {
  const many = Array.from({ length: 20 }, () => 1000);
  const SENSELESS: readonly [cause: string, change: Partial<TurnSummary>][] = [
    ['end to end is no positive time', { e2eUs: -5 }],
    ['end to end is no positive time', { e2eUs: 0 }],
    ['end to end is no positive time', { e2eUs: -0 }],
    ['end to end is no positive time', { e2eUs: Number.NaN }],
    ['end to end is no positive time', { e2eUs: Number.POSITIVE_INFINITY }],
    ['no ledger', { ledger: [] }],
    ['parts do not add up', { ledger: [{ stage: 'stt', phase: 'wait', us: 899_999 }] }],
    ['parts do not add up', { ledger: [{ stage: 'stt', phase: 'wait', us: Number.NaN }] }],
    [
      'parts do not add up',
      {
        ledger: [
          { stage: 'stt', phase: 'wait', us: 900_001 },
          { stage: 'llm', phase: 'wait', us: -1 },
        ],
      },
    ],
    ['no first audible', { e2eUs: undefined }],
  ];
  for (const [cause, change] of SENSELESS) {
    const b = lane(many.map(() => 900)).map((each, index) => (index === 3 ? { ...each, ...change } : each));
    const diff = compared(lane(many), b);
    assert.deepEqual([diff.verdict, diff.pairs, diff.primary.deltaMs], ['faster', 19, -100], cause);
    assert.deepEqual(diff.matched, { share: 0.95, lost: [{ lane: 'b', cause, turns: 1 }] });
    assert.equal(
      diffLanes(
        lane(many),
        b.map((each) => ({ ...each, ...change })),
      ),
      undefined,
      'none is left',
    );
  }
});

test('repetitions of a turn are no further turns', () => {
  const runs = (ms: (run: number) => number) =>
    Array.from({ length: 96 }, (_, index) => turn(`s-${index % 4}`, index % 12, ms(index)));
  const repeated = compared(
    runs(() => 1000),
    runs((index) => 900 + (index % 5)),
  );
  assert.deepEqual([repeated.pairs, repeated.turns, repeated.primary.n], [96, 12, 12]);
  assert.equal(repeated.p95, undefined);
  // the same interval as of the averages, one turn each
  const means = Array.from({ length: 12 }, (_, index) => {
    const of = runs((run) => 900 + (run % 5)).filter(({ turnIndex }) => turnIndex === index);
    return turn(`s-${index % 4}`, index, of.reduce((sum, { e2eUs = 0 }) => sum + e2eUs, 0) / of.length / 1000);
  });
  const averaged = compared(
    means.map((each) => turn(each.sessionId, each.turnIndex, 1000)),
    means,
  );
  for (const key of ['deltaMs', 'lowMs', 'highMs'] as const)
    assert.ok(Math.abs((repeated.primary[key] ?? 0) - (averaged.primary[key] ?? 1)) < 1e-3, key);
});

test('a p95 needs 72 distinct turns', () => {
  const turns = (count: number): TurnSummary[] =>
    Array.from({ length: count }, (_, index) => turn(`s-${index % 6}`, index, index + 1));
  assert.equal(compared(turns(71), turns(71)).p95, undefined);
  // 1 … 72: position 0.95 · 71 = 67.45
  const { p95 } = compared(turns(72), turns(72));
  assert.ok(Math.abs((p95?.aMs ?? 0) - 68.45) < 1e-9);
  assert.deepEqual([p95?.deltaMs, p95?.lowMs, p95?.highMs], [0, 0, 0]);
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
  assert.ok(!content.guards.some(({ name }) => name === 'first content audible'), 'it is the verdict');
});

test('the relative shift is the mean of log ratios, lies inside its own interval, and is absent where a part is 0', () => {
  const { primary, stages } = compared(lane([1000, 2000, 4000]), lane([500, 1000, 2000]));
  assert.ok(Math.abs((primary.shiftPct ?? 0) + 50) < 1e-9);
  assert.ok(Math.abs((primary.lowPct ?? 0) + 50) < 1e-9 && Math.abs((primary.highPct ?? 0) + 50) < 1e-9);
  // ratios 1, 2, 4: the mean of their logs is ln 2, though the mean difference is +70 %
  const mixed = compared(lane([1000, 1000, 1000]), lane([1000, 2000, 4000])).primary;
  assert.ok(Math.abs((mixed.shiftPct ?? 0) - 100) < 1e-9);
  assert.ok(Math.abs((mixed.deltaPct ?? 0) - 400 / 3) < 1e-9, 'control: Δ/A is another figure');
  assert.ok((mixed.lowPct ?? 0) < 100 && (mixed.highPct ?? 0) > 100);
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
  assert.deepEqual([tls?.deltaMs, tls?.shiftPct, tls?.n], [1, undefined, 4]);
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
      if (diff?.primary === undefined) return;
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
      if (diff?.primary === undefined) return;
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

/** Guards by kind, in their three states; what a family of guards costs; what shared sessions cost. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TurnSummary } from '../../service/turn-log/metrics.ts';
import { BARE_SUMMARY } from '../../testing/bare-summary.ts';
import { alignTurns } from './align.ts';
import { guardsOf, type Guard } from './guards.ts';

const MARGIN_MS = 30;

const BASE: TurnSummary = {
  ...BARE_SUMMARY,
  e2eUs: 1_000_000,
  refused: false,
  stallUs: 0,
  ledger: [{ stage: 'stt', phase: 'wait', us: 1_000_000 }],
};

/** `count` turns in sessions of four. */
function lane(count: number, more: (index: number) => Partial<TurnSummary> = () => ({})): TurnSummary[] {
  return Array.from({ length: count }, (_, index) => ({
    ...BASE,
    sessionId: `s-${Math.floor(index / 4)}`,
    turnIndex: index % 4,
    ...more(index),
  }));
}

const guards = (a: readonly TurnSummary[], b: readonly TurnSummary[], isCachedAlike = true): Guard[] =>
  guardsOf(alignTurns(a, b), MARGIN_MS, { isCachedAlike });

function guard(name: string, a: readonly TurnSummary[], b: readonly TurnSummary[]): Guard {
  return guards(a, b).find((each) => each.name === name) ?? assert.fail(`there is no guard "${name}"`);
}

const FAILED = { e2eUs: undefined, ledger: [], failure: { stage: 'stt', kind: 'timeout', message: 'late' } };
/** Sessions differ, and their mean is 0. */
const noise = (index: number): number => (Math.floor(index / 4) % 2 === 0 ? 0.5 : -0.5);

type Change = (index: number) => Partial<TurnSummary>;
/** 160 turns in 40 sessions unless told. A has `base`. */
const STATES: readonly [
  name: string,
  base: Change,
  b: Change,
  state: Guard['state'],
  detail: RegExp,
  turns?: number,
][] = [
  ['failed turns', () => ({}), () => ({}), 'holds', /^0 of 160, 0 more and 0 fewer than A$/],
  ['failed turns', () => ({}), (index) => (index === 5 ? FAILED : {}), 'open', /^1 of 80, 1 more/, 80],
  ['failed turns', () => ({}), (index) => (index % 2 === 0 ? FAILED : {}), 'broken', /^40 of 80, 40 more and 0/, 80],
  ['failed turns', (index) => (index % 8 === 0 ? FAILED : {}), () => ({}), 'holds', /^0 of 160, 0 more and 20 fewer/],
  // as many, in other turns: nothing is shown, and nothing ruled out
  [
    'failed turns',
    (index) => (index < 20 ? FAILED : {}),
    (index) => (index > 139 ? FAILED : {}),
    'open',
    /^20 of 160, 20 more and 20 fewer/,
  ],
  ['premature ends', () => ({}), () => ({}), 'holds', /^0 of 160/],
  ['premature ends', () => ({}), (index) => ({ premature: index % 40 === 0 }), 'open', /^4 of 160, 4 more/],
  ['premature ends', () => ({}), (index) => ({ premature: index % 4 === 0 }), 'broken', /^40 of 160, 40 more/],
  ['refusals', () => ({}), () => ({}), 'holds', /^0 of 160/],
  ['refusals', () => ({}), (index) => ({ refused: index % 40 === 0 }), 'open', /^4 of 160/],
  ['refusals', () => ({}), (index) => ({ refused: index % 4 === 0 }), 'broken', /^40 of 160/],
  ['stalls of 50 ms or more', () => ({}), () => ({ stallUs: 49_999 }), 'holds', /^0 of 160/],
  ['stalls of 50 ms or more', () => ({}), (index) => ({ stallUs: index % 40 === 0 ? 50_000 : 0 }), 'open', /^4 of 160/],
  ['stalls of 50 ms or more', () => ({}), (index) => ({ stallUs: index % 4 === 0 ? 50_000 : 0 }), 'broken', /^40 of/],
  // a turn that stalled in A already is no new harm
  [
    'stalls of 50 ms or more',
    () => ({ stallUs: 60_000 }),
    () => ({ stallUs: 900_000 }),
    'holds',
    /^160 of 160, 0 more/,
  ],
  ...millis('first content audible', 'firstContentAudibleUs', 1_000_000, [
    [1_000_001, 'holds', /^0\.0 ms$/],
    [1_029_000, 'holds', /^\+29\.0 ms$/],
    [1_030_000, 'open', /^\+30\.\d ms$/],
    [1_032_000, 'broken', /^\+32\.0 ms$/],
    [700_000, 'holds', /^−300\.0 ms$/],
  ]),
  ...ratio('reply length', (value) => ({ replyChars: 200 * value })),
  ...ratio('audio a character', (value) => ({ replyAudioMs: 8000 * value, characters: 100 })),
  ...ratio('audio a character', (value) => ({ replyAudioMs: 8000, characters: 100 / value })),
  ...cached(),
  ['transcript change', () => ({}), () => ({ transcriptChange: 0 }), 'holds', /^0\.0 points of the words, in 0 of 160/],
  [
    'transcript change',
    () => ({}),
    (index) => ({ transcriptChange: 0.045 + 0.001 * noise(index) }),
    'holds',
    /^\+4\.5/,
  ],
  ['transcript change', () => ({}), (index) => ({ transcriptChange: 0.05 + 0.01 * noise(index) }), 'open', /^\+5\.0/],
  ['transcript change', () => ({}), (index) => ({ transcriptChange: 0.06 + 0.01 * noise(index) }), 'broken', /^\+6\.0/],
  [
    'transcript errors',
    () => ({ transcriptErrorShare: 0.1 }),
    () => ({ transcriptErrorShare: 0.12 }),
    'holds',
    /^\+2\.0/,
  ],
  [
    'transcript errors',
    () => ({ transcriptErrorShare: 0.1 }),
    () => ({ transcriptErrorShare: 0.2 }),
    'broken',
    /^\+10\.0/,
  ],
  ['transcript errors', () => ({ transcriptErrorShare: 0.2 }), () => ({ transcriptErrorShare: 0 }), 'holds', /^−20\.0/],
];

/** B's mean in µs, a little noise on it. */
function millis(
  name: string,
  key: 'firstContentAudibleUs',
  baseUs: number,
  rows: readonly (readonly [us: number, state: Guard['state'], detail: RegExp])[],
): typeof STATES {
  return rows.map(([us, state, detail]) => [
    name,
    () => ({ [key]: baseUs }),
    (index) => ({ [key]: us + 2000 * noise(index) }),
    state,
    detail,
  ]);
}

/** Work that is more or less by a share: both are harm. */
function ratio(name: string, of: (value: number) => Partial<TurnSummary>): typeof STATES {
  const rows: readonly [value: number, state: Guard['state']][] = [
    [1, 'holds'],
    [1.09, 'holds'],
    [0.91, 'holds'],
    [1.1, 'open'],
    [0.9, 'open'],
    [1.12, 'broken'],
    [0.88, 'broken'],
  ];
  return rows.map(([value, state]) => [
    name,
    () => of(1),
    (index) => of(value * (1 + 0.05 * noise(index))),
    state,
    /^[+−]?\d+\.\d %$/,
  ]);
}

/** A had a fifth of its prompts cached. More and less are both luck. */
function cached(): typeof STATES {
  const rows: readonly [share: number, state: Guard['state'], detail: RegExp][] = [
    [0.2, 'holds', /^0\.0 points of the prompts' tokens$/],
    [0.29, 'holds', /^\+9\.0/],
    [0.11, 'holds', /^−9\.0/],
    [0.3, 'open', /^\+10\.0/],
    [0.1, 'open', /^−10\.0/],
    [0.35, 'broken', /^\+15\.0/],
    [0.05, 'broken', /^−15\.0/],
  ];
  return rows.map(([share, state, detail]) => [
    'cached prompt',
    () => ({ cachedPromptShare: 0.2 }),
    (index) => ({ cachedPromptShare: share + 0.02 * noise(index) }),
    state,
    detail,
  ]);
}

for (const [at, [name, base, b, state, detail, turns = 160]] of STATES.entries())
  test(`${name}, case ${at}: ${state}, ${detail.source}`, () => {
    const found = guard(
      name,
      lane(turns, base),
      lane(turns, (index) => ({ ...base(index), ...CLEAN, ...b(index) })),
    );
    assert.equal(found.state, state, JSON.stringify(found));
    assert.match(found.detail, detail);
    assert.equal(found.limit !== undefined, state === 'open', 'an open guard alone says what is not ruled out');
  });

/** What a failure of A leaves out, B has. */
const CLEAN: Partial<TurnSummary> = { e2eUs: BASE.e2eUs, ledger: BASE.ledger, failure: undefined };

test('one failure of 80 is open, and says how many are not ruled out', () => {
  const one = guard(
    'failed turns',
    lane(80),
    lane(80, (index) => (index === 5 ? FAILED : {})),
  );
  // Clopper–Pearson of 1 of 80: 5.79 %
  assert.deepEqual([one.state, one.limit], ['open', 'up to 6 more in 100']);
  assert.ok(Math.abs((one.high ?? 0) - 0.057928682117781724) < 1e-9);
  assert.deepEqual([one.value, one.margin, one.unit, one.low], [1 / 80, 0.02, 'share', undefined]);
  // nothing seen in so few turns rules little out
  const few = guard('failed turns', lane(16), lane(16));
  assert.deepEqual([few.state, few.limit], ['open', 'up to 18 more in 100']);
});

test('failures and cut-off users count in turns that were not measured; refusals and stalls only in measured ones', () => {
  const b = lane(80, (index) =>
    index % 2 === 0 ? { ...FAILED, premature: true, refused: true, stallUs: 90_000 } : {},
  );
  const states = new Map(guards(lane(80), b).map(({ name, state, detail }) => [name, [state, detail.split(',')[0]]]));
  assert.deepEqual(states.get('failed turns'), ['broken', '40 of 80']);
  assert.deepEqual(states.get('premature ends'), ['broken', '40 of 80']);
  assert.deepEqual(states.get('refusals'), ['open', '0 of 40']);
  assert.deepEqual(states.get('stalls of 50 ms or more'), ['open', '0 of 40']);
});

const YES_NO: readonly [key: 'premature' | 'refused' | 'stallUs', name: string, harm: boolean | number][] = [
  ['premature', 'premature ends', true],
  ['refused', 'refusals', true],
  ['stallUs', 'stalls of 50 ms or more', 60_000],
];
for (const [key, name, harm] of YES_NO)
  test(`${name}: unknown is not "no harm"`, () => {
    const unknown = { [key]: undefined };
    const named = (a: readonly TurnSummary[], b: readonly TurnSummary[]): Guard | undefined =>
      guards(a, b).find((each) => each.name === name);
    assert.equal(named(lane(240), lane(240))?.state, 'holds', 'control: known, and none was harmed');
    const none = lane(240, () => unknown);
    assert.equal(named(none, none), undefined, 'nobody knows: no guard');
    // a quarter unknown in both lanes: they are left out and counted
    const quarter = (more: Partial<TurnSummary> = {}) =>
      lane(240, (index) => (index % 4 === 0 ? unknown : index % 4 === 1 ? more : {}));
    const [held, broken] = [named(quarter(), quarter()), named(quarter(), quarter({ [key]: harm }))];
    assert.deepEqual([held?.state, held?.detail], ['holds', '0 of 180, 0 more and 0 fewer than A; unknown in 60 more']);
    assert.deepEqual(
      [broken?.state, broken?.detail, broken?.value],
      ['broken', '60 of 180, 60 more and 0 fewer than A; unknown in 60 more', 1 / 3],
    );
    // known in one lane alone: harm in the other would not show
    for (const [a, b] of [
      [lane(240), quarter()],
      [quarter(), lane(240)],
    ] as const)
      assert.deepEqual([named(a, b)?.state, named(a, b)?.limit], ['open', 'known in both lanes in 180 of 240 turns']);
    assert.deepEqual(
      [named(lane(240), none)?.state, named(lane(240), none)?.detail],
      ['open', 'not measured in both lanes'],
    );
  });

test('a stall that is no time is unknown', () => {
  for (const stallUs of [Number.NaN, Number.POSITIVE_INFINITY, -60_000]) {
    const odd = lane(160, (index) => (index % 4 === 0 ? { stallUs } : {}));
    assert.match(guard('stalls of 50 ms or more', odd, odd).detail, /^0 of 120, .*; unknown in 40 more$/);
  }
});

test('repetitions of a turn are one turn in yes/no guards too: n is distinct turns', () => {
  const runs = 8;
  const repeated = (more: (turn: number, run: number) => Partial<TurnSummary> = () => ({})): TurnSummary[] =>
    Array.from({ length: runs }, (_, run) => lane(12, (index) => more(index, run))).flat();
  for (const { name, harm, base } of [
    { name: 'failed turns', harm: FAILED, base: CLEAN },
    { name: 'premature ends', harm: { premature: true }, base: {} },
    { name: 'refusals', harm: { refused: true }, base: {} },
    { name: 'stalls of 50 ms or more', harm: { stallUs: 60_000 }, base: {} },
  ]) {
    // nothing seen in 12 turns rules out 22 in 100, however often they ran
    const none = guard(name, repeated(), repeated());
    assert.deepEqual([none.detail, none.limit], ['0 of 12, 0 more and 0 fewer than A', 'up to 23 more in 100'], name);
    // all runs of two turns: as the two turns once
    const always = guard(
      name,
      repeated(() => base),
      repeated((index) => (index < 2 ? harm : base)),
    );
    const once = guard(
      name,
      lane(12, () => base),
      lane(12, (index) => (index < 2 ? harm : base)),
    );
    assert.deepEqual([always.state, always.value, always.high], [once.state, once.value, once.high], name);
  }
  // half of one turn's runs, each way: averaged first
  const half = (even: boolean): TurnSummary[] =>
    repeated((index, run) => ({ premature: index === 0 && (run % 2 === 0) === even }));
  const swapped = guard('premature ends', half(true), half(false));
  assert.deepEqual([swapped.value, swapped.detail], [0, '0.5 of 12, 0.5 more and 0.5 fewer than A']);
  const words = guard(
    'transcript change',
    repeated(),
    repeated((index) => ({ transcriptChange: index === 0 ? 0.01 : 0 })),
  );
  assert.match(words.detail, /in 1 of 12 turns$/);
});

test('turns of one session that fail together are less evidence than as many spread over sessions', () => {
  // 8 of 80: all turns of two sessions, or one turn of eight
  const gathered = guard(
    'failed turns',
    lane(80),
    lane(80, (index) => (index < 8 ? FAILED : {})),
  );
  const spread = guard(
    'failed turns',
    lane(80),
    lane(80, (index) => (index % 10 === 0 ? FAILED : {})),
  );
  assert.deepEqual([gathered.value, spread.value], [0.1, 0.1]);
  assert.deepEqual([gathered.state, spread.state], ['open', 'broken']);
  assert.ok((gathered.high ?? 0) > (spread.high ?? 1));
});

test('guards are tested as a family: harm that one guard would show may be open among nine', () => {
  // 7 of 80 against two points: score 2.30, one-sided p 0.0107; times four it is below 0.05, times nine it is not
  const b = lane(80, (index) => (index % 12 === 0 ? { premature: true } : {}));
  assert.equal(guards(lane(80), b).length, 4);
  assert.equal(guard('premature ends', lane(80), b).state, 'broken');
  const talk = { replyChars: 100, replyAudioMs: 1, characters: 1, transcriptErrorShare: 0, firstContentAudibleUs: 1 };
  const more = (turns: TurnSummary[]): TurnSummary[] =>
    turns.map((turn) => ({ ...turn, ...talk, transcriptChange: 0 }));
  assert.equal(guards(more(lane(80)), more(b)).length, 9);
  assert.equal(guard('premature ends', more(lane(80)), more(b)).state, 'open');
});

const FIGURES: readonly [key: keyof TurnSummary, name: string, value: number][] = [
  ['firstContentAudibleUs', 'first content audible', 900_000],
  ['replyChars', 'reply length', 100],
  ['replyAudioMs', 'audio a character', 8000],
  ['characters', 'audio a character', 100],
  ['cachedPromptShare', 'cached prompt', 0.2],
];
const all = Object.fromEntries(FIGURES.map(([key, , value]) => [key, value]));

for (const [key, name] of FIGURES)
  test(`${name} without ${key} in one lane is open: absent is not 0, and harm there would not show`, () => {
    const a = lane(80, () => all);
    const lacking = (turns: number): TurnSummary[] =>
      a.map((turn, index) => (index % 10 < turns / 8 ? { ...turn, [key]: undefined } : turn));
    for (const turns of [80, 40, 16]) {
      for (const [left, right] of [
        [a, lacking(turns)],
        [lacking(turns), a],
      ] as const) {
        const { state, limit, value } = guard(name, left, right);
        assert.deepEqual([state, limit], ['open', `known in both lanes in ${80 - turns} of 80 turns`]);
        assert.ok(Math.abs(value) < 1e-12);
      }
    }
    assert.equal(guard(name, a, lacking(8)).state, 'holds', 'control: one in ten is no matter');
    assert.ok(!guards(lacking(80), lacking(80)).some((each) => each.name === name), 'nobody measured it');
    // what is known may still be harm
    const late = lacking(40).map((turn) => ({ ...turn, [key]: (turn[key] as number | undefined) && 9e6 }));
    assert.equal(guard(name, a, late).state, 'broken');
    // figures that are no quantity are absent
    for (const odd of [Number.NaN, Number.POSITIVE_INFINITY, -1])
      assert.equal(
        guard(
          name,
          a,
          a.map((turn) => ({ ...turn, [key]: odd })),
        ).state,
        'open',
      );
  });

test('a lane that says nothing does other work', () => {
  const a = lane(80, () => all);
  const silent = (share: number): Guard =>
    guard(
      'reply length',
      a,
      a.map((turn, index) => (index % 4 < share * 4 ? { ...turn, replyChars: 0 } : turn)),
    );
  assert.deepEqual([silent(1).state, silent(1).detail], ['broken', '−100.0 %']);
  assert.equal(silent(0.5).state, 'broken');
  assert.equal(silent(0).state, 'holds', 'control');
  // where both lanes say nothing there is nothing to compare
  const mute = a.map((turn) => ({ ...turn, replyChars: 0, characters: 0 }));
  assert.ok(!guards(mute, mute).some(({ name }) => name === 'reply length' || name === 'audio a character'));
});

test('what was cached is no guard where B changes what can be cached; control: else it is', () => {
  const [a, b] = [lane(80, () => ({ cachedPromptShare: 0 })), lane(80, () => ({ cachedPromptShare: 0.9 }))];
  const named = (isCachedAlike: boolean): Guard[] =>
    guards(a, b, isCachedAlike).filter(({ name }) => name === 'cached prompt');
  assert.deepEqual(named(false), []);
  assert.deepEqual(
    named(true).map(({ state }) => state),
    ['broken'],
  );
});

test('transcript errors are compared where both lanes know them', () => {
  const a = lane(80, () => ({ transcriptErrorShare: 0.1 }));
  assert.ok(!guards(a, lane(80)).some(({ name }) => name === 'transcript errors'));
  const odd = a.map((turn, index) => ({ ...turn, transcriptErrorShare: index === 0 ? Number.NaN : 0.1 }));
  assert.equal(guard('transcript errors', a, odd).state, 'holds');
});

test('a ratio counts each turn once, however often it was repeated', () => {
  const once = lane(40, (index) => ({ replyChars: index === 0 ? 900 : 100 }));
  const [first = assert.fail()] = once;
  const often = [...once, ...Array.from({ length: 60 }, () => first)];
  const half = (turns: TurnSummary[]): TurnSummary[] =>
    turns.map((turn) => ({ ...turn, replyChars: turn === first ? 1800 : 100 }));
  const [plain, repeated] = [guard('reply length', once, half(once)), guard('reply length', often, half(often))];
  assert.deepEqual([repeated.value, repeated.low, repeated.high], [plain.value, plain.low, plain.high]);
  assert.ok((repeated.low ?? 1) < repeated.value && repeated.value < (repeated.high ?? 0), 'control');
});

test('one turn shows nothing: its guards are open', () => {
  const one = guards(
    lane(1, () => ({ replyChars: 10, firstContentAudibleUs: 1 })),
    lane(1, () => ({ replyChars: 100, firstContentAudibleUs: 9e6, premature: true })),
  );
  assert.ok(
    one.every(({ state, limit }) => state === 'open' && limit !== undefined),
    JSON.stringify(one),
  );
});

test('a guard on figures of a model is marked as predicted; control: cut-off users and measured figures are not', () => {
  const [a, b] = [
    lane(80, () => ({ replyAudioMs: 6000, characters: 100 })),
    lane(80, () => ({ replyAudioMs: 7200, characters: 100, premature: true })),
  ];
  const marks = (isModelled: boolean): [string, true | undefined][] =>
    guardsOf(alignTurns(a, b), MARGIN_MS, { isModelled }).flatMap(({ name, state, predicted }) =>
      state === 'broken' ? [[name, predicted]] : [],
    );
  assert.deepEqual(marks(true), [
    ['premature ends', undefined],
    ['audio a character', true],
  ]);
  assert.deepEqual(marks(false), [
    ['premature ends', undefined],
    ['audio a character', undefined],
  ]);
});

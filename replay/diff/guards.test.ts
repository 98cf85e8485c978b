import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TurnSummary } from '../../service/turn-log/metrics.ts';
import { BARE_SUMMARY } from '../../testing/bare-summary.ts';
import { alignTurns } from './align.ts';
import { guardsOf, type Guard } from './guards.ts';

const BASE: TurnSummary = {
  ...BARE_SUMMARY,
  e2eUs: 1_000_000,
  firstContentAudibleUs: 1_000_000,
  stallUs: 0,
  transcriptChars: 100,
  replyChars: 200,
};

/** `count` turns in sessions of five. */
function lane(count: number, more: (index: number) => Partial<TurnSummary> = () => ({})): TurnSummary[] {
  return Array.from({ length: count }, (_, index) => ({
    ...BASE,
    sessionId: `s-${Math.floor(index / 5)}`,
    turnIndex: index % 5,
    ...more(index),
  }));
}

const without = (turns: readonly TurnSummary[], key: keyof TurnSummary): TurnSummary[] =>
  turns.map(({ [key]: _, ...rest }) => rest as TurnSummary);

function guard(name: string, a: readonly TurnSummary[], b: readonly TurnSummary[]): Guard {
  const found = guardsOf(alignTurns(a, b)).find((each) => each.name === name);
  assert.ok(found, `there is no guard "${name}"`);
  return found;
}

const fails = (count: number) => (index: number) =>
  index < count ? { failure: { stage: 'tts', kind: 'timeout', message: 'late' } } : {};

/** Each guard by name, B against ten turns that are alike: what holds it, what breaks it, and what it says then. */
const EDGES: readonly [name: string, b: Partial<TurnSummary>, holds: boolean, detail: string][] = [
  ['first content audible', {}, true, '0.0 ms'],
  ['first content audible', { firstContentAudibleUs: 900_000 }, true, '−100.0 ms'],
  ['first content audible', { firstContentAudibleUs: 1_000_100 }, false, '+0.1 ms'],
  ['stalls', { stallUs: 1000 }, true, '+1.0 ms a turn'],
  ['stalls', { stallUs: 1100 }, false, '+1.1 ms a turn'],
  ['transcript length', { transcriptChars: 110 }, true, '+10.0 %'],
  ['transcript length', { transcriptChars: 111 }, false, '+11.0 %'],
  ['transcript length', { transcriptChars: 90 }, true, '−10.0 %'],
  ['transcript length', { transcriptChars: 89 }, false, '−11.0 %'],
  ['reply length', { replyChars: 220 }, true, '+10.0 %'],
  ['reply length', { replyChars: 179 }, false, '−10.5 %'],
  ['premature ends', {}, true, '0 more, 0 fewer of 10'],
  ['premature ends', { premature: true }, false, '10 more, 0 fewer of 10'],
  ['transcript change', { transcriptChange: 0 }, true, '0.0 % of words, in 0 of 10 turns'],
  ['transcript change', { transcriptChange: 0.05 }, true, '5.0 % of words, in 10 of 10 turns'],
  ['transcript change', { transcriptChange: 0.051 }, false, '5.1 % of words, in 10 of 10 turns'],
];
for (const [name, b, holds, detail] of EDGES) {
  test(`${name}: ${detail} ${holds ? 'holds' : 'breaks it'}`, () => {
    assert.deepEqual(
      guard(
        name,
        lane(10),
        lane(10, () => b),
      ),
      { name, holds, detail },
    );
  });
}

test('the same turns on both sides hold every guard', () => {
  const guards = guardsOf(alignTurns(lane(10), lane(10)));
  assert.deepEqual(
    guards.map(({ name, holds }) => [name, holds]),
    [
      ['first content audible', true],
      ['stalls', true],
      ['failed turns', true],
      ['premature ends', true],
      ['transcript length', true],
      ['reply length', true],
    ],
  );
});

/** A share is refused beyond one point of all turns; fewer are refused where McNemar's test tells them from chance. */
const FAILURES: readonly [turns: number, aFails: number, bFails: number, holds: boolean, why: string][] = [
  [10, 0, 0, true, 'nothing failed'],
  [10, 0, 1, false, 'one of ten is ten points'],
  [200, 0, 2, true, 'two of two hundred are one point, and chance could do it (¼)'],
  [200, 0, 3, false, 'three of two hundred are more than one point'],
  [600, 0, 4, true, 'four of six hundred are less than a point, and chance could do it (1/16)'],
  [600, 0, 5, false, 'five of six hundred are less than a point, but not chance (1/32)'],
  [10, 3, 1, true, 'fewer failed'],
  [10, 2, 2, true, 'the same turns failed'],
];
for (const [turns, aFails, bFails, holds, why] of FAILURES) {
  test(`failed turns, ${aFails} → ${bFails} of ${turns}: ${why}`, () => {
    const { holds: held, detail } = guard('failed turns', lane(turns, fails(aFails)), lane(turns, fails(bFails)));
    assert.equal(held, holds);
    assert.equal(detail, `${Math.max(0, bFails - aFails)} more, ${Math.max(0, aFails - bFails)} fewer of ${turns}`);
  });
}

/** One premature end more is one too many; turns that were measured in neither lane count too. */
const PREMATURE: readonly [a: readonly number[], b: readonly number[], holds: boolean, detail: string][] = [
  [[], [3], false, '1 more, 0 fewer of 200'],
  [[3], [3], true, '0 more, 0 fewer of 200'],
  [[3], [], true, '0 more, 1 fewer of 200'],
  [[3], [4], true, '1 more, 1 fewer of 200'],
  [[3], [4, 5], false, '2 more, 1 fewer of 200'],
];
for (const [a, b, holds, detail] of PREMATURE) {
  test(`premature ends in turns ${a.join()} → ${b.join()}: ${detail}`, () => {
    const early = (which: readonly number[]) => (index: number) =>
      which.includes(index) ? { premature: true, ...fails(200)(index) } : {};
    const name = 'premature ends';
    assert.deepEqual(guard(name, lane(200, early(a)), lane(200, early(b))), { name, holds, detail });
  });
}

test('as many failures on each side, in other turns, are no more failures', () => {
  const late = (index: number): Partial<TurnSummary> => fails(2)(9 - index);
  assert.deepEqual(guard('failed turns', lane(10, fails(2)), lane(10, late)), {
    name: 'failed turns',
    holds: true,
    detail: '2 more, 2 fewer of 10',
  });
});

for (const [name, key] of [
  ['first content audible', 'firstContentAudibleUs'],
  ['stalls', 'stallUs'],
  ['transcript length', 'transcriptChars'],
  ['reply length', 'replyChars'],
] as const) {
  test(`${name}: a figure that a lane did not measure is not compared, and never taken for 0`, () => {
    const twice = lane(10, () => ({ [key]: 2_000_000 }));
    for (const [a, b] of [
      [twice, without(twice, key)],
      [without(twice, key), twice],
    ] as const) {
      assert.deepEqual(guard(name, a, b), { name, holds: true, detail: 'not measured' });
    }
    // the turns that were measured decide
    const [first = BASE, ...rest] = twice;
    const more = { ...first, [key]: 4_000_000 };
    assert.equal(guard(name, twice, [more, ...without(rest, key)]).holds, false);
  });
}

/** 100 characters spoken in 8 s, and B otherwise; the guard shows only when it is broken. */
const SILENCE: readonly [b: Partial<TurnSummary>, detail: string | undefined][] = [
  [{}, undefined],
  [{ replyAudioMs: 8800 }, undefined],
  [{ replyAudioMs: 8900 }, '+11.3 % of audio a character'],
  [{ replyAudioMs: 16_000 }, '+100.0 % of audio a character'],
  [{ replyAudioMs: 4000 }, undefined],
  [{ replyAudioMs: 16_000, characters: 200 }, undefined],
  [{ replyAudioMs: 4450, characters: 50 }, '+11.3 % of audio a character'],
];
for (const [b, detail] of SILENCE) {
  test(`reply silence: ${JSON.stringify(b)} ${detail === undefined ? 'holds' : 'breaks it'}`, () => {
    const a = lane(10, () => ({ replyAudioMs: 8000, characters: 100 }));
    const other = a.map((turn) => ({ ...turn, ...b }));
    const found = guardsOf(alignTurns(a, other)).filter(({ name }) => name === 'reply silence');
    assert.deepEqual(found, detail === undefined ? [] : [{ name: 'reply silence', holds: false, detail }]);
  });
}

test('reply silence: turns of which one lane measured no audio, or sent no text, are not compared', () => {
  const a = lane(10, () => ({ replyAudioMs: 8000, characters: 100 }));
  const long = a.map((turn) => ({ ...turn, replyAudioMs: 16_000 }));
  const broken = (b: readonly TurnSummary[]): number =>
    guardsOf(alignTurns(a, b)).filter(({ name }) => name === 'reply silence').length;
  assert.equal(broken(long), 1, 'control');
  assert.equal(broken(without(long, 'replyAudioMs')), 0);
  assert.equal(broken(without(long, 'characters')), 0);
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { keyedRandom } from '../../service/base/random.ts';
import type { TurnSummary } from '../../service/turn-log/metrics.ts';
import { alignTurns } from './align.ts';
import { trendOf } from './trend.ts';

const MARGIN_MS = 60;
const SESSIONS = 12;
const TURNS = 4;

/** How one lane ran: latency and time of the `place`-th turn of all. */
interface Course {
  ms(place: number): number;
  at(place: number): number;
}

function found({ a, b }: { a: Course; b: Course }): ReturnType<typeof trendOf> {
  const random = keyedRandom('trend');
  const times = new Map<TurnSummary, number>();
  const lane = ({ ms, at }: Course): TurnSummary[] =>
    Array.from({ length: SESSIONS * TURNS }, (_, place) => {
      const us = Math.round((ms(place) + 20 * (random() - 0.5)) * 1000);
      const turn: TurnSummary = {
        ...{ sessionId: `s${Math.floor(place / TURNS)}`, turnIndex: place % TURNS, traceId: '0'.repeat(32) },
        ...{ lane: 'captured', variant: 'captured', world: 'live', zero: 'audio', serviceUs: {}, premature: false },
        e2eUs: us,
        ledger: [{ stage: 'llm', phase: 'wait', us }],
      };
      times.set(turn, at(place));
      return turn;
    });
  const { pairs } = alignTurns(lane(a), lane(b));
  return trendOf(
    pairs,
    ({ e2eUs }) => e2eUs,
    (turn) => times.get(turn),
    MARGIN_MS,
  );
}

const ALL = SESSIONS * TURNS;
const flat = (ms: number) => (): number => ms;
/** 500 ms more at the end than at the start. */
const rising = (ms: number) => (place: number) => ms + (500 * place) / ALL;
const sideBySide = (place: number): number => 2 * place;

test('a trend common to both lanes is a line, and forbids nothing where the lanes ran side by side', () => {
  const { trend, doubts } = found({
    a: { ms: rising(2000), at: sideBySide },
    b: { ms: rising(1700), at: (place) => sideBySide(place) + 1 },
  });
  assert.deepEqual(doubts, []);
  assert.ok(trend !== undefined && Math.abs(trend.deltaMs - 500) < 30, String(trend?.deltaMs));
  assert.ok(trend.lowMs > 0 && trend.lowMs < 500 && trend.highMs > 470);
  const none = found({ a: { ms: flat(2000), at: sideBySide }, b: { ms: flat(1700), at: sideBySide } });
  assert.ok((none.trend?.lowMs ?? 1) < 0 && (none.trend?.highMs ?? -1) > 0, 'control: no trend');
});

test('lanes that ran one after the other, while latency drifted: the drift is in the difference', () => {
  // B is no slower than A; it ran later
  const a = { ms: rising(2000), at: (place: number) => place };
  const b = { ms: (place: number) => rising(2000)(place) + 500, at: (place: number) => ALL + place };
  const { doubts } = found({ a, b });
  assert.match(doubts.join('; '), /not interleaved, and a trend common to both makes \+(49|50)\d\.\d ms between them/);
  assert.match(doubts.join('; '), /adjusted for when the turns ran/);
  const steady = found({ a: { ...a, ms: flat(2000) }, b: { ...b, ms: flat(2500) } });
  assert.deepEqual(steady.doubts, [], 'control: without a trend the order of lanes does no harm');
});

test('a difference that changed half way through is no verdict; one that stays is', () => {
  const late = (place: number): number => (place < ALL / 2 ? 1500 : 2000);
  const { doubts } = found({ a: { ms: flat(2000), at: sideBySide }, b: { ms: late, at: sideBySide } });
  assert.match(
    doubts.join('; '),
    /changed while it was measured: −(49|50)\d\.\d ms in the first half .* [+−]\d\.\d ms in/,
  );
  const stays = found({ a: { ms: flat(2000), at: sideBySide }, b: { ms: flat(1500), at: sideBySide } });
  assert.deepEqual(stays.doubts, []);
  const weaker = (place: number): number => (place < ALL / 2 ? 1500 : 1600);
  const both = found({ a: { ms: flat(2000), at: sideBySide }, b: { ms: weaker, at: sideBySide } });
  assert.deepEqual(both.doubts, [], 'both halves say faster');
});

test('without times, or with times that are all equal, there is no trend', () => {
  const none = { ms: rising(2000), at: () => Number.NaN };
  const atOnce = { ...none, at: flat(5) };
  assert.equal(found({ a: atOnce, b: atOnce }).trend, undefined);
  // half of the turns are faster, but not the later half: there is none
  const changed = { ms: (place: number): number => (place < ALL / 2 ? 1500 : 2000), at: flat(5) };
  assert.deepEqual(found({ a: { ms: flat(2000), at: flat(5) }, b: changed }).doubts, []);
});

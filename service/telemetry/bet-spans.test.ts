import assert from 'node:assert/strict';
import { test } from 'node:test';
import { settleBet, type Bet } from '../turn-log/bets.ts';
import type { NewEvent } from '../base/events.ts';
import { MAX_SPANS } from './names.ts';
import { wholeTurn } from '../../testing/sample-turn.ts';
import { spansOf, type SpanRecord } from './spans.ts';

const NOTHING: Omit<Bet, 'kind'> = {
  outcome: 'hit',
  attempts: 1,
  fromUs: 1_000_000,
  wastedTokens: 0,
  wastedChars: 0,
  estimated: false,
};

/** The sample turn's spans with these bets settled at 1.9 s. */
function spansWith(bets: readonly Bet[]): { spans: SpanRecord[]; anchorUs: number } {
  const { log, measured } = wholeTurn({}, (at) => {
    const record = ({ kind, stage, cause, attrs }: NewEvent): number => at(kind, stage, 1_900_000, cause, { attrs });
    for (const bet of bets) settleBet({ record }, bet);
  });
  return { spans: spansOf(log, measured), anchorUs: log.anchorUs };
}

const ROWS: readonly Bet[] = [
  { ...NOTHING, kind: 'partial', savedUs: 300_000, wastedTokens: 40, wastedUsd: 0.0002, estimated: true },
  { ...NOTHING, kind: 'predict', outcome: 'miss', attempts: 3, wastedChars: 27 },
  { ...NOTHING, kind: 'prefill' },
  { ...NOTHING, kind: 'prompt', outcome: 'refused', attempts: 0, wastedUsd: 0, reason: 'too short' },
  { ...NOTHING, kind: 'hedge', outcome: 'miss', wastedTokens: 12, estimated: true },
  { ...NOTHING, kind: 'cache.greeting', savedUs: 400_000 },
  { ...NOTHING, kind: 'cache.responses', outcome: 'miss' },
];

test('every bet of a turn is a span of its kind below the turn, with its outcome; unknown figures are absent', () => {
  const { spans, anchorUs } = spansWith(ROWS);
  const [turn] = spans;
  const own = spans.filter(({ attributes }) => attributes['retake.bet.kind'] !== undefined);
  const shown = own.map(({ name, attributes }) =>
    [
      name,
      ...Object.entries(attributes).flatMap(([key, value]) =>
        key.startsWith('retake.bet.') ? [`${key.slice(11)}=${String(value)}`] : [],
      ),
    ].join(' '),
  );
  assert.deepEqual(shown, [
    'prefetch kind=partial outcome=hit attempts=1 saved_us=300000 wasted_tokens=40 wasted_chars=0 wasted_usd=0.0002 estimated=true',
    'speculation kind=predict outcome=miss attempts=3 wasted_tokens=0 wasted_chars=27 estimated=false',
    'speculation kind=prefill outcome=hit attempts=1 wasted_tokens=0 wasted_chars=0 estimated=false',
    'prefetch kind=prompt outcome=refused attempts=0 wasted_tokens=0 wasted_chars=0 wasted_usd=0 estimated=false reason=too short',
    'hedge kind=hedge outcome=miss attempts=1 wasted_tokens=12 wasted_chars=0 estimated=true',
    'cache kind=cache.greeting outcome=hit attempts=1 saved_us=400000 wasted_tokens=0 wasted_chars=0 estimated=false',
    'cache kind=cache.responses outcome=miss attempts=1 wasted_tokens=0 wasted_chars=0 estimated=false',
  ]);
  for (const span of own) {
    assert.equal(span.parentSpanId, turn?.spanId);
    assert.deepEqual([span.startUs - anchorUs, span.endUs - anchorUs], [1_000_000, 1_900_000]);
  }
  // control: a turn without bets has none, and its spans are what they are in a turn with them
  const { log, measured } = wholeTurn();
  const names = spansOf(log, measured).map(({ name, spanId }) => `${name} ${spanId}`);
  assert.deepEqual(
    spans.filter((span) => !own.includes(span)).map(({ name, spanId }) => `${name} ${spanId}`),
    names,
  );
});

test('a turn of many look-ups stays below the limit: they go first, every call stays', () => {
  const lookUps = Array.from({ length: 400 }, (): Bet => ({ ...NOTHING, kind: 'cache.responses' }));
  const { spans } = spansWith([...ROWS, ...lookUps]);
  const { log, measured } = wholeTurn();
  assert.equal(spans.length, MAX_SPANS);
  assert.equal(spans[0]?.attributes['retake.spans_omitted'], spansOf(log, measured).length + 407 - MAX_SPANS);
  const kept = new Set(spans.map(({ name }) => name));
  for (const name of ['hedge', 'prefetch', 'speculation', 'http.body'] as const) assert.ok(kept.has(name), name);
});

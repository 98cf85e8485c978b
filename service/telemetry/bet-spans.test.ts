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

/** The sample turn's `llm.start`, by id. */
const FIRST_REQUEST = 14;

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
  const { spans } = spansWith(ROWS);
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
  for (const span of own) assert.equal(span.parentSpanId, turn?.spanId);
  // control: a turn without bets has none, and its spans are what they are in a turn with them
  const { log, measured } = wholeTurn();
  assert.deepEqual(
    spans.filter((span) => !own.includes(span)).map(({ name }) => name),
    spansOf(log, measured).map(({ name }) => name),
  );
});

test('a bet lasts until it is known what came of it, not until it is counted; a refused one takes no time', () => {
  const { spans, anchorUs } = spansWith(ROWS);
  const ends = spans.flatMap(({ attributes, startUs, endUs }) => {
    const kind = attributes['retake.bet.kind'];
    return kind === undefined ? [] : [[kind, startUs - anchorUs, endUs - anchorUs]];
  });
  assert.deepEqual(ends, [
    ['partial', 1_000_000, 1_528_300], // the transcript
    ['predict', 1_000_000, 1_556_600], // the first piece
    ['prefill', 1_000_000, 1_500_000], // the end of turn
    ['prompt', 1_000_000, 1_000_000], // refused
    ['hedge', 1_000_000, 1_556_600], // the first content of either
    ['cache.greeting', 1_000_000, 1_900_000],
    ['cache.responses', 1_000_000, 1_900_000],
  ]);
});

test('what is made for a bet hangs below it: a synthesis ahead, the second request, the warmed prompt', () => {
  const { log, measured } = wholeTurn({}, (at) => {
    const call = (kind: 'tts.start' | 'llm.start' | 'prefetch.start', exchange: string): void => {
      const stage = kind === 'tts.start' ? 'tts' : 'llm';
      const start = at(kind, stage, 1_600_000, kind === 'llm.start' ? FIRST_REQUEST : 0, {
        exchange,
        attrs: { index: 10_000 },
      });
      const http = `${exchange}.0.0`;
      const sent = at('http.start', stage, 1_600_000, start, { exchange: http, attrs: { method: 'POST' } });
      at('http.failed', stage, 1_700_000, sent, { exchange: http, attrs: { errorKind: 'StageError', message: 'x' } });
    };
    const bets: readonly Bet[] = [
      { ...NOTHING, kind: 'predict', outcome: 'miss' },
      { ...NOTHING, kind: 'hedge', outcome: 'miss' },
      { ...NOTHING, kind: 'prompt' },
    ];
    call('tts.start', 'tts.10000');
    call('llm.start', 'llm.1');
    call('prefetch.start', 'llm.2');
    const record = ({ kind, stage, cause, attrs }: NewEvent): number => at(kind, stage, 1_900_000, cause, { attrs });
    for (const bet of bets) settleBet({ record }, bet);
  });
  const spans = spansOf(log, measured);
  const nameOf = (id: string | undefined): string => spans.find(({ spanId }) => spanId === id)?.name ?? 'none';
  const below = spans.filter(({ parentSpanId }) => /speculation|hedge|prefetch/.test(nameOf(parentSpanId)));
  assert.deepEqual(
    below.map(({ name, parentSpanId, attributes }) => [nameOf(parentSpanId), name, attributes['retake.cancelled']]),
    [
      ['speculation', 'tts', 'unused'],
      ['hedge', 'llm', 'hedge-lost'],
      ['prefetch', 'http POST', 'unused'],
    ],
  );
  assert.ok(
    spans.some(({ name, parentSpanId }) => name === 'llm' && parentSpanId === spans[0]?.spanId),
    'the reply',
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

/** 10,000 random traces: means, percentile rows and printed rows add up, of our own ledgers and of foreign critical paths. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { LedgerRow, TurnSummary } from '../../service/turn-log/metrics.ts';
import type { Random } from '../../service/base/ports.ts';
import { keyedRandom } from '../../service/base/random.ts';
import { diffLanes, type Diff } from '../diff/diff.ts';
import type { DiffRow } from '../diff/diff-rows.ts';
import type { Percentile } from '../diff/percentiles.ts';
import { sum } from '../statistics/estimates.ts';
import { foreignTurns } from '../traces/foreign.ts';
import { PHASES, LEDGER_STAGES } from '../../service/base/events.ts';
import type { TraceSpan } from '../traces/otlp.ts';
import { BARE_SUMMARY } from '../../testing/bare-summary.ts';
import { printedLedger, printedQuantile, type AddingRow } from './rows.ts';
import { treesOf } from '../traces/trace-tree.ts';

const TRACES = 10_000;
/** Sets of turns that are compared; some are large enough for a p95. */
const SIZES = [1, 2, 3, 7, 20, 80] as const;

function pick<T>(random: Random, items: readonly T[]): T {
  return items[Math.floor(random() * items.length)] ?? assert.fail('nothing to pick from');
}

function ledgerTurn(random: Random, index: number, traceId: string): TurnSummary {
  const ledger = Array.from({ length: 1 + Math.floor(random() * 12) }, (): LedgerRow => ({
    stage: pick(random, LEDGER_STAGES),
    phase: pick(random, PHASES),
    us: Math.floor(random() < 0.3 ? random() * 1000 : random() * 3_000_000),
  }));
  return {
    ...BARE_SUMMARY,
    sessionId: `s-${index % 7}`,
    turnIndex: index,
    traceId,
    lane: 'captured',
    variant: 'captured',
    e2eUs: ledger.reduce((sum, { us }) => sum + us, 0),
    ledger,
  };
}

const NAMES = ['stt', 'llm', 'tts', 'chat gpt', 'http POST', 'dns', 'tls', 'work'] as const;

/** A random tree of spans, overlapping, overflowing and empty ones included. */
function foreignTurn(random: Random, index: number, traceId: string): TurnSummary {
  const span = (id: number, parent: string, name: string, startUs: number, endUs: number): TraceSpan => ({
    ...{ traceId, spanId: String(id), parentSpanId: parent, name, startUs, endUs, failed: false },
    attributes: { 'session.id': `s-${index % 7}`, 'turn.number': index },
  });
  const spans = [span(0, '', 'reply', 0, 1 + Math.floor(random() * 5_000_000))];
  for (let id = 1; id < 2 + random() * 15; id++) {
    const startUs = Math.floor(random() * 5_000_000) - 100_000;
    const lengthUs = random() < 0.2 ? 0 : Math.floor(random() * 2_000_000);
    spans.push(span(id, String(Math.floor(random() * id)), pick(random, NAMES), startUs, startUs + lengthUs));
  }
  const [root] = treesOf(spans).roots;
  const [turn] = (root && foreignTurns(root)) ?? [];
  return turn?.summary ?? assert.fail('no turn');
}

const tenths = (text: string): number => Math.round(Number(text.replace('−', '-')) * 10);

function checkRows(
  what: string,
  rows: readonly AddingRow[],
  total: Pick<DiffRow, 'aMs' | 'bMs' | 'deltaMs'> | undefined,
): void {
  assert.ok(total, `${what}: no total`);
  for (const kept of [
    rows.filter(({ phase }) => phase === undefined),
    rows.filter(({ phase }) => phase !== undefined),
  ]) {
    assert.ok(Math.abs(sum(kept.map(({ aMs }) => aMs)) - total.aMs) < 1e-6, `${what}: A`);
    assert.ok(Math.abs(sum(kept.map(({ deltaMs }) => deltaMs)) - total.deltaMs) < 1e-6, `${what}: Δ`);
  }
  const printed = printedLedger(rows, total);
  const last = printed.at(-1) ?? assert.fail('no total');
  for (const column of ['a', 'b', 'delta'] as const) {
    const parts = printed.slice(0, -1).map((row) => tenths(row[column]));
    assert.equal(sum(parts), tenths(last[column]), `${what}: printed ${column}`);
  }
  for (const row of printed) assert.equal(tenths(row.b) - tenths(row.a), tenths(row.delta), `${what}: Δ is B − A`);
  if (rows.every(({ aMs, deltaMs }) => aMs >= 0 && aMs + deltaMs > -1e-6))
    for (const { stage, phase, a, b } of printed)
      assert.ok(tenths(a) >= 0 && tenths(b) >= 0, `${what}: ${stage} ${phase} prints ${a} and ${b}`);
  assert.ok(Math.abs(tenths(last.a) / 10 - total.aMs) < 0.1 + 1e-6, `${what}: printed total`);
}

/** Each column adds up to its own quantile; the columns are of different turns. */
function checkQuantile({ q, aMs, bMs, rows }: Percentile): void {
  for (const kept of [
    rows.filter(({ phase }) => phase === undefined),
    rows.filter(({ phase }) => phase !== undefined),
  ]) {
    assert.ok(Math.abs(sum(kept.map((row) => row.aMs)) - aMs) < 1e-6, `p${q * 100}: A`);
    assert.ok(Math.abs(sum(kept.map((row) => row.bMs)) - bMs) < 1e-6, `p${q * 100}: B`);
  }
  const printed = printedQuantile(rows);
  const last = printed.at(-1) ?? assert.fail('no total');
  for (const [column, exactMs] of [
    ['a', aMs],
    ['b', bMs],
  ] as const) {
    assert.equal(
      sum(printed.slice(0, -1).map((row) => tenths(row[column]))),
      tenths(last[column]),
      `printed ${column}`,
    );
    assert.ok(Math.abs(tenths(last[column]) / 10 - exactMs) < 0.1 + 1e-6, `printed ${column}`);
  }
}

test(`rows add up on ${TRACES} random traces`, () => {
  const random = keyedRandom('rows add up', 1);
  let traces = 0;
  let tails = 0;
  for (let round = 0; traces < TRACES; round++) {
    const make = round % 2 === 0 ? ledgerTurn : foreignTurn;
    const size = pick(random, SIZES);
    const lane = (side: string): TurnSummary[] =>
      Array.from({ length: size }, (_, index) => make(random, index, `${side}-${round}-${index}`));
    const diff: Diff = diffLanes(lane('a'), lane('b')) ?? assert.fail('no pair');
    checkRows('means', diff.stages, diff.endToEnd);
    for (const each of diff.percentiles) checkQuantile(each);
    tails += diff.percentiles.length - 1;
    traces += 2 * size;
  }
  assert.ok(tails > 10, `control: ${tails} sets had a p95`);
});

test('a phase that B does not have prints 0.0, though its Δ is rounded further than its A', () => {
  const row = (stage: AddingRow['stage'], aMs: number, deltaMs: number): AddingRow => ({
    ...{ stage, phase: 'wait', aMs, deltaMs },
  });
  const rows = [row('tts', 22.44, -22.44), row('stt', 10.01, 3.07), row('llm', 5.05, 0), row('chunk', 1.04, -0.51)];
  const total = { aMs: 38.54, deltaMs: -19.88 };
  const printed = printedLedger(rows, { ...total, lowMs: undefined, highMs: undefined });
  assert.ok(
    printed.every(({ b }) => !b.startsWith('-')),
    JSON.stringify(printed.map(({ a, b, delta }) => [a, b, delta])),
  );
});

test('control: a row that is one tenth off is caught', () => {
  const turns = (side: string): TurnSummary[] => [ledgerTurn(keyedRandom(side), 0, side)];
  const { stages, endToEnd } = diffLanes(turns('a'), turns('b')) ?? assert.fail('no pair');
  checkRows('whole', stages, endToEnd);
  const [first = assert.fail('no row'), ...rest] = stages;
  assert.throws(() => checkRows('off', [{ ...first, aMs: first.aMs + 0.1 }, ...rest], endToEnd));
});

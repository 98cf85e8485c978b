import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseBets, totalBets, type Bet } from './bets.ts';

const hit: Bet = {
  kind: 'partial',
  outcome: 'hit',
  attempts: 2,
  fromUs: 0,
  savedUs: 300_000,
  wastedTokens: 100,
  wastedChars: 0,
  wastedUsd: 0.0002,
  estimated: true,
};
const { savedUs: _saved, ...rest } = hit;
const miss: Bet = { ...rest, outcome: 'miss', attempts: 1, wastedUsd: 0.0006 };

test('totals by hand: break-even hit rate and money per 100 ms', () => {
  const [row] = totalBets([[hit], [miss], []], 0.0004);
  // a hit saves 300 ms, worth 3 × 0.0004; a miss loses 0.0006: h = 6 / (6 + 12)
  assert.ok(Math.abs((row?.breakEvenHitRate ?? 0) - 1 / 3) < 1e-12);
  // 0.0008 for 300 ms
  assert.ok(Math.abs((row?.usdPer100Ms ?? 0) - 0.0008 / 3) < 1e-12);
  assert.deepEqual(
    [row?.kind, row?.turns, row?.attempts, row?.hits, row?.misses, row?.savedMs, row?.wastedTokens],
    ['partial', 2, 3, 1, 1, 300, 200],
  );
});

test('unknown figures stay unknown: no price, no saving, no row', () => {
  const { wastedUsd: _usd, ...unpriced } = hit;
  const [row] = totalBets([[unpriced], [{ ...rest, outcome: 'hit' }]], 0.001);
  assert.equal(row?.wastedUsd, undefined);
  assert.equal(row?.savedMs, undefined);
  assert.equal(row?.breakEvenHitRate, undefined);
  assert.equal(row?.usdPer100Ms, undefined);
  assert.deepEqual(totalBets([[], []], 0.001), []);
});

test('bets come back from a span as they were; other texts are refused', () => {
  assert.deepEqual(parseBets(JSON.stringify([hit, miss])), [hit, miss]);
  for (const text of ['{}', 'no', '[1]', '[{"kind":"luck","outcome":"hit"}]']) assert.equal(parseBets(text), undefined);
});

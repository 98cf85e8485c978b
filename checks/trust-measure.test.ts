import assert from 'node:assert/strict';
import { test } from 'node:test';
import { errorPct } from '../replay/run/trust.ts';
import { COMMITTED, measureTrust, replacesCommitted } from './trust-measure.ts';

test('strategies predicted from a capture in virtual time are within 2 % of their later measurement', async () => {
  const { identity, rows, left } = await measureTrust({
    sessions: 2,
    turns: 2,
    captured: 9,
    variants: ['clause-chunking', 'model-mistral-small', 'prefetch-connect'],
    seed: 'test',
    world: 'sim',
    at: '2026-01-01',
    progress: () => undefined,
  });
  assert.deepEqual([identity.turns, identity.medianPct, identity.p95Pct], [4, 0, 0]);
  const names = rows.map(({ name }) => name);
  assert.deepEqual(names, ['clause-chunking', 'model-mistral-small', 'prefetch-connect']);
  for (const row of rows) assert.ok(Math.abs(errorPct(row)) < 2, `${row.name}: ${errorPct(row)}`);
  // control: they do differ from the baseline, and do not all have the same basis
  const [clause, mistral, connect] = rows;
  assert.ok((connect?.predictedPct ?? 0) < -1 && (mistral?.predictedPct ?? 0) < -5);
  assert.ok(
    (clause?.basis.fitted ?? 0) > 0 && connect?.basis.fitted === undefined && (mistral?.basis.profile ?? 0) > 0,
  );
  assert.ok(left.some(({ name, why }) => name === 'llm-sse-parser' && why.includes('CPU')));
});

test('only a whole measurement replaces the committed one', () => {
  const whole = { ...COMMITTED, at: '2026-01-01', progress: () => undefined };
  assert.equal(replacesCommitted(whole), true);
  const others = [
    { sessions: 2 },
    { turns: 1 },
    { seed: 'other' },
    { world: 'sim' as const },
    { variants: ['stt-trim'] },
  ];
  for (const other of others) assert.equal(replacesCommitted({ ...whole, ...other }), false, JSON.stringify(other));
});

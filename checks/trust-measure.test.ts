import assert from 'node:assert/strict';
import { test } from 'node:test';
import { errorPct } from '../replay/run/trust.ts';
import { wrongClaims } from '../replay/run/trust-table.ts';
import { measureTrust } from './trust-measure.ts';

test('strategies predicted from a capture in virtual time are within 2 % of their later measurement', async () => {
  const { table, strayErrors } = await measureTrust({
    profile: 'seed',
    sessions: 2,
    turns: 2,
    captured: 9,
    variants: ['clause-chunking', 'model-mistral-small', 'prefetch-connect'],
    seed: 'test',
    world: 'sim',
    at: '2026-01-01',
    progress: () => undefined,
  });
  const { identity, rows, left } = table;
  assert.deepEqual(strayErrors, []);
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

const UNKIND = [
  { profile: 'slower-models', variants: ['model-gpt-4o-mini', 'preconnect'] },
  { profile: 'by-hour', variants: ['preconnect', 'reply-chunking'], hours: { captured: 8, measured: 20 } },
] as const;

test('predictions know nothing of unkind worlds: what asks for more than was captured is off, and claims nothing', async () => {
  for (const world of UNKIND) {
    const { table, strayErrors } = await measureTrust({
      ...world,
      ...{
        sessions: 2,
        turns: 1,
        captured: 9,
        seed: 'test',
        world: 'sim',
        at: '2026-01-01',
        progress: () => undefined,
      },
    });
    const preconnect = table.rows.find(({ name }) => name === 'preconnect');
    const asking = table.rows.find(({ name }) => name !== 'preconnect');
    assert.ok(asking !== undefined && preconnect !== undefined);
    assert.ok(Math.abs(errorPct(asking)) > 5, `${asking.name}: ${errorPct(asking)}`);
    assert.match(asking.says ?? '', /^(predicted|inconclusive)/);
    assert.ok(Math.abs(errorPct(preconnect)) < 1, 'control: what only orders anew is right');
    assert.deepEqual([strayErrors, wrongClaims(table)], [[], []]);
  }
});

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { format, resolveConfig } from 'prettier';
import { loadTrust, type Trust, type TrustRow } from './trust.ts';
import { trustPage, trustTable, wrongClaims } from './trust-table.ts';

const row = (name: string, predictedPct: number, more: Partial<TrustRow> = {}): TrustRow => ({
  name,
  turns: 30,
  predictedPct,
  measuredPct: -10,
  lowPct: -12,
  highPct: -8,
  basis: { captured: 1 },
  ...more,
});
const trust: Trust = {
  at: '2026-01-02',
  profile: 'crowded',
  predictedWith: 'seed',
  seed: 'x',
  world: 'wire',
  sessions: 10,
  identity: { turns: 30, medianPct: 0.1, p95Pct: 0.5 },
  rows: [
    row('good', -9, { says: 'faster' }),
    row('wide', -9, { lowPct: -20, highPct: 0, says: 'predicted lower' }),
    row('near', -7),
    row('far', -4.9),
    row('tts-concurrency-4', -4, { measuredPct: 22, lowPct: 15, highPct: 29, says: 'predicted lower', failed: 2 }),
  ],
  left: [{ name: 'cpu', why: 'takes no virtual time' }],
};

test('the table names the rows that missed their bar, are wrong in sign, are not shown, or were left out', () => {
  const table = trustTable(trust);
  const barOf = (name: string) => new RegExp(`\\| ${name} .*\\| (\\S[^|]*) \\| [^|]* \\| [^|]* \\|`).exec(table)?.[1];
  assert.deepEqual(
    trust.rows.map(({ name }) => barOf(name)),
    ['holds', 'wide', 'missed', '**not shown**', '**sign wrong**'],
  );
  assert.match(table, /tts-concurrency-4 \| 30 \(2 failed\) \| more calls at once \|/);
  assert.match(table, /1 of 5 rows hold the bar/);
  assert.match(table, /profile `seed`, which does not know this world/);
  assert.match(table, /Left out: cpu \(takes no virtual time\)/);
});

test('the first table counts the failures of each world; claims are those with a sign', () => {
  assert.match(trustPage([trust]), /\| crowded \| 10 \| 5 \| 3 \| 1 \| 2 \| 1 \| 0 \|/);
  const claimed: Trust = { ...trust, rows: [row('x', -4, { measuredPct: 1, lowPct: -1, highPct: 3, says: 'faster' })] };
  assert.deepEqual(wrongClaims(claimed).map(({ name }) => name), ['x']); // prettier-ignore
  assert.deepEqual(wrongClaims(trust), [], 'control: a prediction is no claim');
});

test('no claim in trust.json is wrong in sign', () => {
  for (const table of loadTrust()) assert.deepEqual(wrongClaims(table), [], table.profile);
});

test('docs/virtual-time.md shows the figures of trust.json', async () => {
  const page = new URL('../../docs/virtual-time.md', import.meta.url);
  const tables = await format(trustPage(loadTrust()), { ...(await resolveConfig(page)), parser: 'markdown' });
  assert.ok(readFileSync(page, 'utf8').includes(tables.trim()), 'run: npm run docs -- trust-page');
});

/** docs/strategies.md says what the code says; `npm run docs:strategies -- --check` compares every figure. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { gains, rowOf, sectionOf } from './strategies-doc.ts';
import { namedVariants } from './variants.ts';

const HINT = 'out of date: run "npm run docs:strategies" and commit it';
const squeezed = (text: string): string => text.replace(/[\s\\*_]+/g, '').replace(/-{2,}/g, '');
const committed = squeezed(readFileSync(new URL('../docs/strategies.md', import.meta.url), 'utf8'));
const variants = namedVariants();

test('every named variant has its section, word for word', () => {
  for (const variant of variants) {
    assert.ok(committed.includes(squeezed(sectionOf(variant))), `docs/strategies.md on ${variant.name} is ${HINT}`);
  }
});

test('figures computed again are the committed ones; control: another draw of them is not there', async () => {
  const names = ['clause-chunking', 'keep-alive-drain'];
  const found = await gains(names);
  for (const variant of variants.filter(({ name }) => names.includes(name))) {
    const gain = found.get(variant.name) ?? assert.fail(variant.name);
    assert.ok(committed.includes(squeezed(rowOf(variant, gain))), `docs/strategies.md is ${HINT}`);
    const other = { ...gain, firstAudibleMs: (gain.firstAudibleMs ?? 0) + 1 };
    assert.ok(!committed.includes(squeezed(rowOf(variant, other))));
  }
});

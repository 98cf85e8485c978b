import assert from 'node:assert/strict';
import { test } from 'node:test';
import { namedVariants } from '../../replay/variants/variants.ts';
import { contextFor } from '../../testing/command-context.ts';
import { variantsCommand } from './variants.ts';

function listed(columns: number): string[] {
  const lines: string[] = [];
  variantsCommand(contextFor({ columns, out: (text: string) => void lines.push(...text.split('\n')) }), {});
  return lines;
}

test('the list of variants fits its terminal; control: a wider one is used', () => {
  const longest = (columns: number): number => Math.max(...listed(columns).map((line) => line.length));
  assert.ok(longest(80) <= 80 && longest(60) <= 60);
  assert.ok(longest(120) > 80);
});

test('every variant is in the list whole, with the patch as JSON', () => {
  const text = listed(80).join(' ').replaceAll(/\s+/g, ' ');
  for (const { name, title, effect, risk } of namedVariants())
    for (const part of [name, title, effect, risk]) assert.ok(text.includes(part.replaceAll(/\s+/g, ' ')), part);
  assert.ok(text.includes('patch { "cache": { "greeting": true } }'));
});

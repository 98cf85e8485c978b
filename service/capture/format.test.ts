/** The released format: its page names every field, and its committed bundles can be read for ever. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { test } from 'node:test';
import { measureTurn } from '../turn-log/metrics.ts';
import { EVENT_KINDS } from '../base/events.ts';
import { readBundle, type Bundle } from './bundle-reader.ts';
import { LineSchema, SessionSchema } from './format.ts';
import { filesIn } from './store.ts';

const FIXTURES = fileURLToPath(new URL('../../fixtures/sessions/format-1/', import.meta.url));
const PAGE = readFileSync(new URL('../../docs/capture-format.md', import.meta.url), 'utf8');

const bundles: Bundle[] = [];
for (const name of readdirSync(FIXTURES)) bundles.push(await readBundle(filesIn(`${FIXTURES}${name}`)));

/** Names of all properties anywhere in a JSON Schema. */
function fieldsOf(schema: unknown): string[] {
  if (typeof schema !== 'object' || schema === null) return [];
  const own =
    'properties' in schema && typeof schema.properties === 'object' ? Object.keys(schema.properties ?? {}) : [];
  return [...own, ...Object.values(schema).flatMap(fieldsOf)];
}

const missingFrom = (page: string, names: Iterable<string>): string[] =>
  [...new Set(names)].filter((name) => !page.includes(`\`${name}\``));

test('docs/capture-format.md names every field of the schemas', () => {
  assert.deepEqual(missingFrom(PAGE, [...fieldsOf(SessionSchema), ...fieldsOf(LineSchema)]), []);
});

test('docs/capture-format.md names every kind and attribute that the bundles hold, and no other kind is in them', () => {
  const events = bundles.flatMap(({ turns }) => turns.flatMap((turn) => turn.events));
  const names = events.flatMap(({ kind, attrs }) => [kind, ...Object.keys(attrs ?? {})]);
  assert.ok(new Set(names).size > 60);
  assert.deepEqual(missingFrom(PAGE, names), []);
});

test('docs/capture-format.md names every kind of event that there is', () => {
  assert.ok(EVENT_KINDS.length > 45);
  assert.deepEqual(missingFrom(PAGE, EVENT_KINDS), []);
});

test('control: a field that the page does not name is found', () => {
  assert.deepEqual(missingFrom(PAGE, ['sessionId', 'no.such.field']), ['no.such.field']);
});

test('bundles of format 1, full and timing, are read whole, and their ledgers add up', () => {
  assert.deepEqual(bundles.map(({ session }) => session.level).sort(), ['full', 'timing']);
  for (const { turns, problems } of bundles) {
    assert.deepEqual(problems, []);
    assert.equal(turns.length, 1);
    const { e2eUs, ledger } = measureTurn(turns[0]!).summary;
    assert.equal(
      ledger.reduce((sum, { us }) => sum + us, 0),
      e2eUs,
    );
    const texts = turns[0]!.events.filter(({ content }) => content?.text !== undefined || content?.audio !== undefined);
    assert.equal(texts.length > 0, bundles.find((each) => each.turns === turns)?.session.level === 'full');
  }
});

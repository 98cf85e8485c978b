/** Runs the fault matrix and compares docs/operating.md with it; `npm run docs -- fault-matrix` writes that page's tables. */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { matrixTable, runCell, type Cell } from './fault-matrix.ts';
import { FAULT_KINDS, WIRE_ONLY } from '../sim/faults/kinds.ts';
import { ROUTE_NAMES } from '../sim/faults/routes.ts';
import { FAULTS, MEANINGS, PROVIDERS } from './fault-rows.ts';

const PAGE = new URL('../docs/operating.md', import.meta.url);

/** Compares the page's block of that name with `table`, or writes the block. */
function holdOnPage(name: string, table: string): void {
  const [begin, end] = [`<!-- ${name}:begin -->`, `<!-- ${name}:end -->`];
  const text = `${begin}\n<!-- prettier-ignore-start -->\n\n${table}\n\n<!-- prettier-ignore-end -->\n${end}`;
  const page = readFileSync(PAGE, 'utf8');
  const [from, to] = [page.indexOf(begin), page.indexOf(end)];
  assert.ok(from >= 0 && to > from, `docs/operating.md has no ${begin} … ${end}`);
  if (process.argv.includes('--update')) writeFileSync(PAGE, page.slice(0, from) + text + page.slice(to + end.length));
  else
    assert.equal(
      page.slice(from, to + end.length),
      text,
      'if the change is meant: npm run docs -- fault-matrix, then read the difference',
    );
}

const cells: Cell[] = [];
for (const provider of PROVIDERS) {
  test(`${provider.name} × ${FAULTS.length} faults: everything is let go of, and the next turn works`, async () => {
    for (const fault of FAULTS) {
      const cell = await runCell(provider, fault);
      cells.push(cell);
      const where = `${provider.name}, ${fault.name}`;
      assert.ok(cell.released, `${where}: a timer or a connection was left behind`);
      assert.ok(cell.nextTurnWorks, `${where}: the next turn failed`);
    }
  });
}

test('docs/operating.md says what each fault comes to', () => {
  const tables = PROVIDERS.map((provider) => {
    const own = cells.filter((cell) => cell.provider === provider);
    return `### ${provider.name}\n\n${matrixTable(own)}`;
  });
  holdOnPage('fault-matrix', tables.join('\n\n'));
});

test('docs/operating.md says what each fault is', () => {
  const rows = FAULT_KINDS.map((kind) => `| \`${kind}\` | ${MEANINGS[kind]} |`);
  holdOnPage('fault-kinds', ['| fault `kind` | what the client meets |', '| --- | --- |', ...rows].join('\n'));
});

test('docs/operating.md names every route that a scenario may name; control: another word is missed', () => {
  const page = readFileSync(PAGE, 'utf8');
  const missing = (names: readonly string[]): string[] => names.filter((name) => !page.includes(`\`${name}\``));
  assert.deepEqual(missing(ROUTE_NAMES), []);
  assert.deepEqual(missing(['llm.generations']), ['llm.generations']);
});

test('the matrix has every kind of fault that sim has; control: a kind without a row is seen', () => {
  const missing = (rows: typeof FAULTS): string[] =>
    FAULT_KINDS.filter((kind) => !WIRE_ONLY.has(kind) && !rows.some(({ fault }) => fault.kind === kind));
  assert.deepEqual(missing(FAULTS), []);
  assert.deepEqual(missing(FAULTS.filter(({ fault }) => fault.kind !== 'html')), ['html']);
});

test('control: without a fault the turn is whole; a fault that stays fails the turn', async () => {
  const [stt] = PROVIDERS;
  const none = await runCell(stt!, { name: 'none', strikes: 'first', fault: { kind: 'trickle', byteEveryMs: 0 } });
  assert.deepEqual([none.client, none.error, none.attempts, none.once], ['the reply', 'none', 1, 'recovers']);
  const some = await runCell(
    stt!,
    FAULTS.find(({ name }) => name === '503')!,
  );
  assert.deepEqual([some.client, some.error, some.attempts, some.once], ['error', 'stt provider', 2, 'recovers']);
});

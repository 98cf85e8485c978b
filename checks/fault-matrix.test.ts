/** Runs the fault matrix and compares it with docs/operating.md; `npm run docs -- fault-matrix` writes it there. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { matrixTable, runCell, type Cell } from './fault-matrix.ts';
import { FAULTS, PROVIDERS } from './fault-rows.ts';

const PAGE = new URL('../docs/operating.md', import.meta.url);
const [BEGIN, END] = ['<!-- fault-matrix:begin -->', '<!-- fault-matrix:end -->'];

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

test('what each fault comes to is what docs/operating.md says', () => {
  const tables = PROVIDERS.map((provider) => {
    const own = cells.filter((cell) => cell.provider === provider);
    return `### ${provider.name}\n\n${matrixTable(own)}`;
  });
  const text = `${BEGIN}\n<!-- prettier-ignore-start -->\n\n${tables.join('\n\n')}\n\n<!-- prettier-ignore-end -->\n${END}`;
  const page = existsSync(PAGE) ? readFileSync(PAGE, 'utf8') : `# Operating Retake\n\n${BEGIN}\n${END}\n`;
  const [from, to] = [page.indexOf(BEGIN), page.indexOf(END)];
  assert.ok(from >= 0 && to > from, `docs/operating.md has no ${BEGIN} … ${END}`);
  if (process.argv.includes('--update')) writeFileSync(PAGE, page.slice(0, from) + text + page.slice(to + END.length));
  else
    assert.equal(
      page.slice(from, to + END.length),
      text,
      'if the change is meant: npm run docs -- fault-matrix, then read the difference',
    );
});

test('control: without a fault the turn is whole, with one that stays it is not', async () => {
  const [stt] = PROVIDERS;
  const none = await runCell(stt!, { name: 'none', strikes: 'first', fault: { kind: 'trickle', byteEveryMs: 0 } });
  assert.deepEqual([none.client, none.error, none.attempts, none.once], ['the reply', 'none', 1, 'recovers']);
  const some = await runCell(
    stt!,
    FAULTS.find(({ name }) => name === '503')!,
  );
  assert.deepEqual([some.client, some.error, some.attempts, some.once], ['error', 'stt provider', 2, 'recovers']);
});

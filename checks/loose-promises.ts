/**
 * `npm run verify -- loose-promises`, or `node checks/loose-promises.ts 'tts stream sdk, HTML'` for the cells with these words: every way to a provider × every odd answer × every moment of an abort, over real sockets, in
 * one process that must live to the end. Exits 1 when anything reached the process, or a cell's request was never made.
 */
import { commandOf } from '../scripts/programs/options.ts';
import { CELLS } from './loose-promise-rows.ts';
import { runLooseCells } from './loose-promise-cells.ts';

/** Turns side by side: each waits most of its time, for a backoff or a deadline. */
const AT_ONCE = 64;
const SHOWN = 20;

const [only = ''] = commandOf('npm run verify -- loose-promises')
  .argument('[text]', 'only cells with these words in their name')
  .parse().args;
const cells = CELLS.filter(({ name }) => name.includes(only));
// cells that wait for a deadline first, so that they do not all wait at the end
const silent = cells.filter(({ answer, abort }) => abort === 'never' && answer.fault?.kind === 'stall-mid-stream');
const { reached, unreached, complaints } = await runLooseCells(
  [...silent, ...cells.filter((cell) => !silent.includes(cell))],
  AT_ONCE,
);
console.log(`${reached} of ${cells.length} cells made their request; the process is alive`);
for (const name of unreached.slice(0, SHOWN)) console.log(`  never made: ${name}`);
for (const complaint of complaints.slice(0, SHOWN)) console.log(`  ${complaint}`);
if (complaints.length > SHOWN) console.log(`  and ${complaints.length - SHOWN} more`);
console.log(`${complaints.length === 0 ? 'ok' : 'FAILED'}: ${complaints.length} complaints`);
if (complaints.length + unreached.length > 0) process.exitCode = 1;

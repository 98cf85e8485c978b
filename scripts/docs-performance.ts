/**
 * `npm run docs -- performance [block…]`: runs the benches and writes what they print into docs/performance.md, block by block.
 * Figures there come from nowhere else. Run this on a quiet machine.
 */
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { Argument } from 'commander';
import { commandOf } from './programs/options.ts';

const PAGE = new URL('../docs/performance.md', import.meta.url);

/** Blocks of the page and the command whose output each holds. */
const BLOCKS: Readonly<Record<string, readonly string[]>> = {
  overhead: ['bench/programs/overhead.ts'],
  load: ['bench/load/main.ts', '--seconds', '30', '-o', 'out/docs-load'],
  'load-long': ['bench/load/main.ts', '--steps', '200', '--seconds', '600', '-o', 'out/docs-load-long'],
  parsers: ['bench/programs/parsers.ts'],
  benches: ['cli/main.ts', 'bench', 'all', '--quick', '--seed', '1', '-o', 'out/docs-bench'],
};

const { args: wanted } = commandOf('npm run docs -- performance')
  .addArgument(new Argument('[blocks...]', 'only these blocks').choices(Object.keys(BLOCKS)))
  .parse();
for (const [name, command] of Object.entries(BLOCKS)) {
  if (wanted.length > 0 && !wanted.includes(name)) continue;
  console.error(`${name}: node ${command.join(' ')}`);
  const { status, stdout } = spawnSync(process.execPath, command, {
    stdio: ['ignore', 'pipe', 'inherit'],
    encoding: 'utf8',
    maxBuffer: 2 ** 26,
  });
  if (status !== 0) {
    console.error(`${name}: ended with ${status}; the page keeps what it had`);
    process.exitCode = 1;
    continue;
  }
  const begin = `<!-- ${name}:begin -->`;
  const end = `<!-- ${name}:end -->`;
  const page = readFileSync(PAGE, 'utf8');
  const [head, rest] = page.split(begin);
  const tail = rest?.split(end)[1];
  if (head === undefined || tail === undefined) {
    console.error(`docs/performance.md has no block ${begin} … ${end}`);
    process.exitCode = 2;
    continue;
  }
  writeFileSync(PAGE, `${head}${begin}\n\n\`\`\`text\n${stdout.trim()}\n\`\`\`\n\n${end}${tail}`);
}

// `npm test [-- flags and files]`: all tests, or those of the files named. Flags are those of node's test runner, and
// `--no-skips`, by which a test that was skipped fails the run.
import { fileURLToPath } from 'node:url';
import { root, runInPlace } from './own-node.mjs';

const ALL = '**/*.test.ts'; // node's own pattern also takes test-*.ts for tests; neither looks into node_modules

const words = process.argv.slice(2).filter((word) => word !== '--no-skips');
const files = words.filter((word) => word.endsWith('.ts'));
const flags = words.filter((word) => !word.endsWith('.ts'));
if (process.argv.includes('--no-skips'))
  flags.push(
    '--test-reporter=spec',
    '--test-reporter-destination=stdout',
    `--test-reporter=${fileURLToPath(new URL('no-skips.ts', import.meta.url))}`,
    '--test-reporter-destination=stderr',
  );
const WATCHDOG = `--import=${new URL('test-watchdog.mjs', import.meta.url).href}`;
// each file has a process of its own: compiled code is kept for the next one, which halves the time of a short file
const NODE_COMPILE_CACHE = `${root}node_modules/.cache/retake-tests`;
// node reads no flag behind the first file
runInPlace(
  'npm test',
  process.execPath,
  ['--test', '--test-concurrency=2', WATCHDOG, ...flags, ...(files.length > 0 ? files : [ALL])],
  { ...process.env, NODE_COMPILE_CACHE },
);

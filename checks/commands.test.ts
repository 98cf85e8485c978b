/** Every command of this repository that a page, a help text or a comment names can be typed. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { BENCH } from '../bench/programs/list.ts';
import { DOCS } from '../scripts/docs.ts';
import type { Named } from '../scripts/programs/named.ts';
import { fieldOf } from '../service/base/json.ts';
import { TIERS, VERIFY } from './list.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8');
const TABLES: readonly Named[] = [VERIFY, BENCH, DOCS];
const SCRIPTS = new Set(Object.keys(Object(fieldOf(JSON.parse(read('package.json')), 'scripts'))));
/** What was once typed stays in the history. */
const HISTORY = 'CHANGELOG.md';
const NOT_OURS = ['node_modules', 'out', 'data', 'fixtures', '.git'];

/** Commands that a text names and that do not exist. */
function strays(text: string): string[] {
  return [...text.matchAll(/npm run (?:--silent )?([a-z][a-z:-]*)(?: -- ([a-z][a-z0-9-]*))?/g)].flatMap(
    ([whole, script = '', name]) => {
      const table = TABLES.find(({ command }) => command === `npm run ${script}`);
      const named = table === undefined || name === undefined || namesOf(table).includes(name);
      return SCRIPTS.has(script) && named ? [] : [whole];
    },
  );
}

const namesOf = ({ programs, groups }: Named): string[] => [
  ...programs.map(({ name }) => name),
  ...Object.keys(groups),
];

test('every npm script, check, bench and document that a text names exists', () => {
  const exclude = (name: string): boolean => NOT_OURS.includes(name);
  const pattern = ['**/*.{ts,mjs,js,json,md,yml,yaml,sh}', '**/Dockerfile'];
  const paths = [...globSync(pattern, { cwd: ROOT, exclude }), '.ci/run'].filter((path) => path !== HISTORY);
  assert.ok(paths.includes('README.md') && paths.length > 300, `${paths.length} files`);
  assert.deepEqual(
    paths.flatMap((path) => strays(read(path)).map((stray) => `${path}: ${stray}`)),
    [],
  );
});

test('control: a script, a check and a bench that do not exist are found', () => {
  const run = 'npm run';
  const wrong = [`${run} check:trust`, `${run} verify -- truth`, `${run} --silent bench -- simulation`];
  assert.deepEqual(strays(wrong.join('; ')), wrong);
  assert.deepEqual(strays(`${run} verify -- trust --sessions 2, ${run} bench -- all, ${run} bench:all -- --quick`), []);
});

test('names are said once, and every program of a table is there', () => {
  for (const table of TABLES) {
    const names = namesOf(table);
    assert.equal(new Set(names).size, names.length, table.command);
    const files = table.programs.flatMap(({ run, first }) => [run, ...(first === undefined ? [] : [first])]);
    const missing = files
      .flatMap(([file, ...args]) => [file, ...args.filter((arg) => arg.endsWith('.ts'))])
      .filter((path) => globSync(path, { cwd: ROOT }).length === 0);
    assert.deepEqual(missing, [], table.command);
  }
});

test('the checks of .ci/run take 35 minutes at most, and 20 more where Jaeger and the Collector are to be built', () => {
  const ofTiers = TIERS.flatMap((tier) => VERIFY.groups[tier] ?? []);
  assert.equal(ofTiers.length, VERIFY.programs.length);
  const minutes = (VERIFY.groups['ci'] ?? []).reduce((sum, each) => sum + each.minutes, 0);
  // beside them: modules, npm run check, npm test, npm run demo and a bench, 7 minutes
  assert.ok(minutes + 7 <= 35, `${minutes} minutes of checks`);
});

test('the files that .ci/run, the Action and the image start are there', () => {
  const started = ['.ci/run', 'action.yml', 'Dockerfile', 'cli/action/replay.sh'].flatMap((path) =>
    [...read(path).matchAll(/(?:\$\w+\/)?([\w/.-]+\.(?:ts|mjs|sh))\b/g)].map(([, file = '']) => file),
  );
  assert.ok(started.length >= 5, started.join());
  assert.deepEqual(
    started.filter((path) => !existsSync(join(ROOT, path))),
    [],
  );
});

test('every program of a table reads its options by the one owner of --help and of words that nobody knows', () => {
  const bare = TABLES.flatMap(({ programs }) => programs)
    .map(({ run: [file] }) => file)
    .filter((file) => /^(checks|bench)\//.test(file) && !/\.test\.ts$/.test(file))
    .filter((file) => !read(file).includes('commandOf('));
  assert.deepEqual(bare, ['checks/openapi.ts'], 'whose options are those of schemathesis');
});

test('a soak is told what it does not understand in one line', () => {
  const soak = (...args: string[]): { status: number | null; stdout: string; stderr: string } =>
    spawnSync(process.execPath, [join(ROOT, 'checks/random-turns/soak.ts'), ...args], { encoding: 'utf8' });
  const help = soak('--help');
  assert.deepEqual([help.status, help.stderr], [0, '']);
  assert.match(help.stdout, /^Usage: npm run verify -- soak \[options\]/);
  const wrong = soak('--json', '{"turns":3}');
  assert.equal(wrong.status, 2);
  assert.match(wrong.stderr, /^npm run verify -- soak: .*\/turns: must be array; --help lists what there is\n$/);
});

/** Programs with an unheld promise: each ends with one line and exit code 4. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';

const hrefOf = (path: string): string => JSON.stringify(new URL(path, import.meta.url).href);
const STRAY = "void Promise.reject(new TypeError('planted'));";
const WAIT = 'setTimeout(() => undefined, 10000);';

/** Runs a module until it ends. */
function end(...code: readonly string[]): { status: number | null; stderr: string } {
  const module = [`import { exitOnStray } from ${hrefOf('./stray-exit.ts')};`, ...code, WAIT].join('\n');
  const args = ['--input-type=module', '-e', module];
  return spawnSync(process.execPath, args, { encoding: 'utf8', timeout: 20_000 });
}

test('a program ends with one line and exit code 4; control: Node alone ends with a stack and 1', () => {
  const { status, stderr } = end("exitOnStray('retake worker');", STRAY);
  assert.equal(status, 4);
  assert.match(stderr, /^retake worker: internal error in code that nothing awaits: .*planted \(.*\)\n$/);
  const bare = end(STRAY);
  assert.equal(bare.status, 1);
  assert.ok(bare.stderr.split('\n').length > 3);
});

test('stand-ins that end take the process that started them along: its turns would all fail', () => {
  const preload = `data:text/javascript,${encodeURIComponent(`setTimeout(() => { ${STRAY} }, 700);`)}`;
  const { status, stderr } = end(
    `import { startStandIns } from ${hrefOf('../../sim/wire/launch.ts')};`,
    `import { loadProfile } from ${hrefOf('../../sim/times/profile.ts')};`,
    "exitOnStray('the parent');",
    `process.env.NODE_OPTIONS = ${JSON.stringify(`--import ${preload}`)};`,
    "await startStandIns({ profile: loadProfile('zero'), seed: 1 });",
  );
  assert.equal(status, 4, stderr);
  assert.match(stderr, /^retake stand-ins: internal error .*planted/m);
  assert.match(stderr, /^the parent: internal error .*the stand-in servers ended with exit code 4/m);
});

/** `npm run verify -- planted`: three bugs that the soak must find, each a patch of one source file. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const SOAK = fileURLToPath(new URL('./soak.ts', import.meta.url));
const ROOT = new URL('../../', import.meta.url);

/** A change of one source file that the soak must find. */
interface Planted {
  bug: string;
  file: string;
  from: string;
  to: string;
  rule: string;
}

const PLANTED: readonly Planted[] = [
  {
    bug: 'a synthesis that broke off after its first audio is repeated: the user hears its beginning twice',
    file: 'service/turn/speak.ts',
    from: 'attempt.mayRepeat = false;',
    to: '',
    rule: 'said once',
  },
  {
    bug: 'the timer of a drained body is not taken back',
    file: 'service/net/body.ts',
    from: '  timer.abort();\n',
    to: '',
    rule: 'every resource released',
  },
  {
    bug: 'a backoff goes on when the user has hung up',
    file: 'service/calls/retry.ts',
    from: 'clock.sleep(waitMs, signal)',
    to: 'clock.sleep(waitMs)',
    rule: 'every resource released',
  },
];

/** Runs the soak in a process of its own that patches one source as it loads. */
async function soakWith(planted: Planted | undefined, turns: number): Promise<{ code: number; output: string }> {
  const hook =
    planted === undefined
      ? ''
      : `import { registerHooks } from 'node:module';
         const { file, from, to } = ${JSON.stringify(planted)};
         registerHooks({ load(url, context, next) {
           const loaded = next(url, context);
           return url.endsWith(file) ? { ...loaded, source: String(loaded.source).replace(from, to) } : loaded;
         } });`;
  const child = spawn(
    process.execPath,
    [
      '--import',
      `data:text/javascript,${encodeURIComponent(hook)}`,
      SOAK,
      '--turns',
      String(turns),
      '--seed',
      'ci',
      '--shrink-runs',
      '15',
    ],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  const output = await text(child.stdout);
  return {
    code: child.exitCode ?? (await new Promise<number>((done) => child.once('exit', (code) => done(code ?? 1)))),
    output,
  };
}

for (const planted of PLANTED) {
  void test(`planted bug is found within 10,000 turns: ${planted.bug}`, async () => {
    const source = readFileSync(new URL(planted.file, ROOT), 'utf8');
    assert.equal(source.split(planted.from).length, 2, `${planted.file} must hold the patched text once`);
    const { code, output } = await soakWith(planted, 10_000);
    assert.equal(code, 1, output);
    assert.match(output, new RegExp(`^ {2}${planted.rule}: `, 'm'));
    assert.match(output, /^repeat: npm run verify -- soak --seed ci --case \d+$/m);
    assert.match(output, /^shrunk: npm run verify -- soak --json '\{.*\}'$/m);
  });
}

void test('control: without a planted bug the same soak finds nothing', async () => {
  const { code, output } = await soakWith(undefined, 100);
  assert.equal(code, 0, output);
  assert.match(output, /: no violation$/m);
});

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { strategyFromFile } from './file.ts';
import { DEFAULT_STRATEGY } from './strategy.ts';

const MAIN = fileURLToPath(new URL('../../cli/main.ts', import.meta.url));

test('RETAKE_STRATEGY: a good file patches the defaults; a bad one is named, and ends production with 2', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'retake-strategy-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const file = (name: string, text: string): string => {
    writeFileSync(join(folder, name), text);
    return join(folder, name);
  };
  assert.deepEqual(strategyFromFile(undefined), DEFAULT_STRATEGY);
  const good = strategyFromFile(file('good.json', '{"tts":{"concurrency":3}}'));
  assert.deepEqual(good, { ...DEFAULT_STRATEGY, tts: { ...DEFAULT_STRATEGY.tts, concurrency: 3 } });
  const broken = file('broken.json', '{"tts":');
  const cases: readonly [path: string, says: RegExp][] = [
    [broken, /broken\.json: not JSON \(Unexpected end/],
    [join(folder, 'missing.json'), /missing\.json: cannot be read \(ENOENT: does not exist\)$/],
    [file('number.json', '7'), /number\.json: not a JSON object/],
    [file('list.json', '[]'), /list\.json: not a JSON object/],
    [file('unknown.json', '{"tts":{"speeed":1}}'), /unknown\.json: .*no knob "tts\.speeed"/],
  ];
  for (const [path, says] of cases) assert.throws(() => strategyFromFile(path), { name: 'InputError', message: says });

  const { status, stderr } = spawnSync(process.execPath, [MAIN, 'serve'], {
    cwd: folder,
    env: { RETAKE_WORLD: 'live', FAL_KEY: 'x', OPENROUTER_API_KEY: 'x', RETAKE_PORT: '0', RETAKE_STRATEGY: broken },
    encoding: 'utf8',
  });
  assert.match(stderr, /^retake: RETAKE_STRATEGY=.*broken\.json: not JSON .*\n$/);
  assert.equal(status, 2);
});

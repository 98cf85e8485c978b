/** A data folder that was mistyped is an error of every command that reads one, never an empty list. */
import assert from 'node:assert/strict';
import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { createProgram } from '../program.ts';
import { describeError, InputError, isDiskError } from '../../service/base/errors.ts';
import { contextFor } from '../../testing/command-context.ts';
import { configFrom } from '../../service/config.ts';
import { serve } from '../../sim/wire/serve.ts';
import { existingDataFolder } from './data-folder.ts';

const FOLDER = mkdtempSync(join(tmpdir(), 'retake-data-'));
after(() => rmSync(FOLDER, { recursive: true, force: true }));
const NONE = join(FOLDER, 'none');

async function run(words: string, env = {}): Promise<string> {
  const lines: string[] = [];
  const context = contextFor({ env, out: (text) => void lines.push(text) });
  await createProgram(context).parseAsync(words.split(' '), { from: 'user' });
  return lines.join('\n');
}
const says = (message: RegExp) => (error: unknown) => error instanceof InputError && message.test(error.message);

const READERS = [
  'sessions list',
  'sessions show call-1',
  'sessions rm call-1',
  'cache purge',
  'spool resend --since 1h --endpoint http://127.0.0.1:9',
  'replay --variant clause-chunking',
  'replay --rank',
  'profile',
];
for (const words of READERS)
  test(`retake ${words} refuses a folder that there is not`, async () => {
    await assert.rejects(run(`${words} --data ${NONE}`), says(/^--data .*none: there is no such folder; name /));
    await assert.rejects(run(words, { RETAKE_DATA: NONE }), says(/^RETAKE_DATA=.*none: there is no such folder/));
    assert.equal(existsSync(NONE), false);
  });

test('an import makes its data folder', async () => {
  const data = join(FOLDER, 'imported');
  const recordings = join(FOLDER, 'recordings');
  cpSync('fixtures/audio/en-frontend-1.wav', join(recordings, 'one.wav'));
  const turns = [{ audio: 'one.wav', startedMs: 0, transcript: 'a', reply: 'b', turnEndedMs: 9000 }];
  const session = { sessionId: 'call-1', startedAt: '2026-11-24T08:00:00Z', language: 'en', turns };
  const file = { sessions: [{ ...session, systemPrompt: 'Be kind.', history: [] }] };
  writeFileSync(join(recordings, 'sessions.json'), JSON.stringify(file));
  assert.match(await run(`sessions import ${recordings} --data ${data}`), /^imported call-1: 1 turns/);
  assert.match(await run(`sessions list --data ${data}`), /^call-1 /);
});

test('a file is no data folder; the default one need not be there before the first capture', () => {
  const file = join(FOLDER, 'file');
  writeFileSync(file, '');
  assert.throws(() => existingDataFolder({ env: {} }, file), says(/this is a file, not a data folder/));
  assert.throws(() => existingDataFolder({ env: {} }, join(file, 'x')), says(/cannot be read \(ENOTDIR: /));
  assert.equal(existingDataFolder({ env: {} }, FOLDER), FOLDER);
  const here = process.cwd();
  process.chdir(FOLDER);
  try {
    assert.equal(existingDataFolder({ env: {} }), './data');
  } finally {
    process.chdir(here);
  }
});

test('a folder that cannot be made ends every command that would make it, with one line and at once', async () => {
  const recordings = join(FOLDER, 'no-turns');
  mkdirSync(recordings);
  cpSync('fixtures/audio/en-frontend-1.wav', join(recordings, 'one.wav'));
  const turns = [{ audio: 'one.wav', startedMs: 0, transcript: 'a', reply: 'b', turnEndedMs: 9000 }];
  const session = { sessionId: 'call-2', startedAt: '2026-11-24T08:00:00Z', language: 'en', turns };
  const file = { sessions: [{ ...session, systemPrompt: 'Be kind.', history: [] }] };
  writeFileSync(join(recordings, 'sessions.json'), JSON.stringify(file));
  const occupied = join(FOLDER, 'occupied');
  writeFileSync(occupied, '');
  const loop = join(FOLDER, 'loop');
  symlinkSync(loop, loop);
  for (const folder of ['/proc/1/x', '/dev/null/x', occupied, join(loop, 'x')]) {
    const commands: Readonly<Record<string, () => Promise<unknown>>> = {
      demo: () => run(`demo -o ${folder}`),
      import: () => run(`sessions import ${recordings} --data ${folder}`),
      pull: () => run(`sessions pull jaeger:http://127.0.0.1:9?service=x&from=1h -o ${folder}`),
      replay: () => run(`replay --data ${join(FOLDER, 'imported')} --variant clause-chunking -o ${folder}`),
      serve: () =>
        serve({
          config: configFrom({ RETAKE_DATA: folder, RETAKE_PORT: '0' }),
          standIns: { profile: 'zero', seed: '1' },
          commit: 'test',
          logLevel: 'silent',
        }),
    };
    for (const [name, command] of Object.entries(commands))
      await assert.rejects(command(), (error: unknown) => {
        assert.ok(error instanceof InputError || isDiskError(error), `${name} ${folder}: ${String(error)}`);
        assert.doesNotMatch(describeError(error), /\n/);
        return true;
      });
  }
});

/** No real timer fires and nothing of the outside is touched while virtual time runs: traps are laid, and a turn is run over them. */
import assert from 'node:assert/strict';
import { createHook } from 'node:async_hooks';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { connect } from 'node:net';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { Worker } from 'node:worker_threads';
import { deflate } from 'node:zlib';
import { loadInterviews, fixtureAudio } from './fixtures.ts';
import { loadProfile } from '../times/profile.ts';
import { createSimSession } from './session.ts';
import { resolveStrategy } from '../../service/strategy/patch.ts';
import { createSimWorld } from './world.ts';

/** Without random bytes: a form's boundary draws them at once, nothing waits for them and no log holds them. */
const OUTSIDE =
  /^(TCP\w*WRAP|TLSWRAP|UDPWRAP|PIPE\w*WRAP|GETADDRINFOREQWRAP|FSREQ|FILEHANDLE|WORKER|ZLIB|PROCESSWRAP|(?!RANDOMBYTES)\w+REQUEST$)/;
const SYNC_CALLS = ['openSync', 'readFileSync', 'writeFileSync', 'statSync', 'mkdirSync'] as const;

/** What `work` touched: resources of the outside, timers that fired, files opened synchronously. */
async function touchedBy(work: () => Promise<unknown>): Promise<string[]> {
  const touched: string[] = [];
  const timers = new Set<number>();
  const hook = createHook({
    init(asyncId, type) {
      if (OUTSIDE.test(type)) touched.push(type);
      if (type === 'Timeout') timers.add(asyncId);
    },
    before(asyncId) {
      if (timers.has(asyncId)) touched.push('a real timer fired');
    },
  });
  const genuine = SYNC_CALLS.map((name) => [name, fs[name]] as const);
  for (const [name, call] of genuine) {
    Object.assign(fs, {
      [name]: (...args: unknown[]): unknown => {
        touched.push(name);
        return Reflect.apply(call, fs, args);
      },
    });
  }
  syncBuiltinESMExports();
  hook.enable();
  try {
    await work();
  } finally {
    hook.disable();
    for (const [name, call] of genuine) Object.assign(fs, { [name]: call });
    syncBuiltinESMExports();
  }
  return touched;
}

for (const [name, patch] of [
  ['the default strategy', {}],
  [
    'parsers, the queue, and connections made ahead',
    {
      llm: { sse: 'parser' },
      tts: { sse: 'parser', method: 'generate' },
      network: { preconnect: true, preResolve: true },
    },
  ],
] as const) {
  test(`simulated turns touch nothing outside: ${name}`, async () => {
    const interviews = loadInterviews();
    const interview = interviews[0]!;
    const world = createSimWorld({ profile: loadProfile('seed'), seed: 'traps', interviews });
    const session = createSimSession({
      world,
      sessionId: interview.name,
      strategy: resolveStrategy([patch], 'traps'),
      language: interview.language,
      systemPrompt: interview.systemPrompt,
      profile: 'seed',
      interview: interview.name,
    });
    const audios = interview.turns.slice(0, 2).map(({ audio }) => fixtureAudio(audio, 100));
    const turn = (audio: (typeof audios)[number]) => session.turn({ audio, reply: { audio: () => Promise.resolve() } });
    await turn(audios[0]!); // what is loaded on first use is loaded
    const touched = await touchedBy(async () => {
      const { summary } = await turn(audios[1]!);
      assert.equal(summary.failure, undefined);
    });
    assert.deepEqual(touched, []);
  });
}

test('control: each trap catches a touch', async () => {
  const timer = await touchedBy(() => new Promise((resolve) => setTimeout(resolve, 1)));
  assert.ok(timer.includes('a real timer fired'));
  const socket = await touchedBy(
    () => new Promise<void>((resolve) => connect(1, '127.0.0.1').on('error', () => resolve())),
  );
  assert.ok(socket.some((each) => each.startsWith('TCP')));
  const file = await touchedBy(async () => {
    fs.readFileSync(import.meta.filename);
    await fs.promises.readFile(import.meta.filename);
  });
  assert.ok(file.includes('readFileSync') && file.some((each) => /^(FSREQ|FILEHANDLE)/.test(each)));
  const thread = await touchedBy(() => once(new Worker('', { eval: true }), 'exit'));
  assert.ok(thread.includes('WORKER'));
  const pool = await touchedBy(async () => {
    await crypto.subtle.digest('SHA-256', new Uint8Array(1));
    await promisify(deflate)(new Uint8Array(1));
  });
  assert.ok(pool.includes('HASHREQUEST') && pool.includes('ZLIB'), pool.join());
  const child = await touchedBy(() => promisify(execFile)(process.execPath, ['--version']));
  assert.ok(child.includes('PROCESSWRAP'));
});

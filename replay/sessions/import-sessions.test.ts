/** Another pipeline's recordings become bundles that replay: what was told is there, and nothing is made up. */
import assert from 'node:assert/strict';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { test } from 'node:test';
import { readBundle } from '../../service/capture/bundle-reader.ts';
import { createRealClock } from '../../service/base/clock.ts';
import { InputError } from '../../service/base/errors.ts';
import { measureTurn } from '../../service/turn-log/metrics.ts';
import { parseWav, pcmBytesToSamples } from '../../service/audio/pcm.ts';
import { makeOddFiles } from '../../testing/odd-files.ts';
import { captureStoreIn, loadSessions } from './load.ts';
import { capturedAudio } from '../arms/captured-audio.ts';
import { importSessions } from './import-sessions.ts';

const clock = createRealClock();
const WAV = 'fixtures/audio/en-frontend-1.wav';
const TURN = {
  audio: 'one.wav',
  startedMs: 1500,
  transcript: 'Hello there.',
  reply: 'Welcome. How are you?',
  turnEndedMs: 9000,
  transcriptMs: 9800,
  firstTokenMs: 11_000,
  firstAudioByteMs: 12_000,
  replyEndMs: 15_000,
};
const SESSION = {
  sessionId: 'call-17',
  startedAt: '2026-11-25T12:00:00Z',
  language: 'en',
  systemPrompt: 'Be kind.',
  history: [{ role: 'assistant', content: 'Hi!' }],
  turns: [TURN, { audio: 'two.wav' }],
};

function folderWith(json: unknown): string {
  const folder = mkdtempSync(join(tmpdir(), 'retake-import-'));
  for (const name of ['one.wav', 'two.wav']) cpSync(WAV, join(folder, name));
  makeOddFiles(folder);
  symlinkSync(resolve(WAV), join(folder, 'outside.wav'));
  symlinkSync(resolve(dirname(WAV)), join(folder, 'away'));
  writeFileSync(join(folder, 'sessions.json'), typeof json === 'string' ? json : JSON.stringify(json));
  return folder;
}
const newStore = (): ReturnType<typeof captureStoreIn> => captureStoreIn(mkdtempSync(join(tmpdir(), 'retake-data-')));

test('a recording becomes a bundle: audio, speech end, texts, the times that were told; the rest is absent', async () => {
  const store = newStore();
  assert.deepEqual(await importSessions(folderWith({ sessions: [SESSION] }), store, clock), [
    { sessionId: 'call-17', turns: 2 },
  ]);
  const { session, turns, problems } = await readBundle(await store.find('call-17'));
  assert.deepEqual(problems, []);
  assert.deepEqual(
    [session.level, session.language, session.systemPrompt, session.startedEpochUs],
    ['full', 'en', 'Be kind.', Date.parse(SESSION.startedAt) * 1000],
  );
  const [first, second] = turns.map((log) => measureTurn(log).summary);
  assert.equal(turns[0]!.anchorUs - session.startedEpochUs, 1_500_000);
  assert.equal(first!.firstAudioByteUs, 3_000_000, 'end of turn → first audio byte');
  assert.equal(first!.transcriptChars, 12);
  assert.ok(first!.replyEndUs! > 0 && first!.serviceUs.endpointing! > 0);
  for (const absent of [first!.e2eUs, first!.serviceUs.stt, first!.serviceUs.llm, second!.firstAudioByteUs])
    assert.equal(absent, undefined, 'not told, so absent');
  assert.deepEqual(first!.ledger, []);
  const heard = capturedAudio(turns[0]!, { shaped: false });
  const { samples } = parseWav(readFileSync(WAV));
  const said = heard.frames.flatMap((frame) => [...frame.samples]);
  assert.deepEqual(said.slice(0, samples.length), [...samples]);
  assert.equal(heard.frames[1]!.atUs - heard.frames[0]!.atUs, 20_000, 'in real time');
  assert.ok(
    pcmBytesToSamples(turns[0]!.events.at(-1)!.content!.audio!).length > samples.length,
    'and silence after it',
  );
});

test('an imported session is found as any other capture', async () => {
  const store = newStore();
  await importSessions(folderWith({ sessions: [SESSION] }), store, clock);
  const sessions = await loadSessions(store, { sample: 5, seed: '1' }, assert.fail);
  assert.deepEqual(
    sessions.map(({ sessionId, turns, history }) => [sessionId, turns.length, history.length]),
    [['call-17', 2, 1]],
  );
});

test('a session that cannot be read is told and left out of a sample; one that was named is an error', async () => {
  const data = mkdtempSync(join(tmpdir(), 'retake-data-'));
  const store = captureStoreIn(data);
  const sessions = ['call-17', 'call-18', 'call-19'].map((sessionId) => ({ ...SESSION, sessionId }));
  await importSessions(folderWith({ sessions }), store, clock);
  const { where } = await store.find('call-18');
  writeFileSync(join(where, 'session.json'), '{"format":');
  const told: string[] = [];
  const read = await loadSessions(store, { sample: 5, seed: '1' }, (problem) => told.push(problem));
  assert.deepEqual(
    read.map(({ sessionId }) => sessionId),
    ['call-17', 'call-19'],
  );
  assert.equal(told.length, 1);
  assert.match(told[0] ?? '', /^session call-18 cannot be read and is left out: .*session\.json: not JSON/);
  const named = loadSessions(store, { ids: ['call-17', 'call-18'], sample: 5, seed: '1' }, assert.fail);
  await assert.rejects(named, /session\.json: not JSON/);
});

const turn = (more: object): unknown => ({ sessions: [{ ...SESSION, turns: [{ ...TURN, ...more }] }] });
const BROKEN: readonly [what: string, json: unknown, message: RegExp][] = [
  ['not JSON', '{', /sessions\.json: not JSON/],
  ['a field that there is not', turn({ ttft: 5 }), /field sessions\.0\.turns\.0 has no field "ttft"/],
  ['a negative time', turn({ transcriptMs: -1 }), /field sessions\.0\.turns\.0\.transcriptMs must be >= 0/],
  ['an id that is a path', { sessions: [{ ...SESSION, sessionId: '../x' }] }, /sessionId must match/],
  ['no turns', { sessions: [{ ...SESSION, turns: [] }] }, /turns must NOT have fewer than 1/],
  ['a file that is not there', turn({ audio: 'three.wav' }), /three\.wav: cannot be read \(ENOENT: does not exist\)$/],
  ['a file outside', turn({ audio: '../../etc/x.wav' }), /audio must lie below the imported folder/],
  [
    'an absolute path',
    turn({ audio: '/proc/self/environ' }),
    /environ: audio must lie below the imported folder; copy the file there$/,
  ],
  [
    'a link that leads outside',
    turn({ audio: 'outside.wav' }),
    /^outside\.wav: audio must lie below the imported folder; copy the file there$/,
  ],
  [
    'a folder that leads outside',
    turn({ audio: 'away/en-frontend-1.wav' }),
    /audio must lie below the imported folder; copy the file there$/,
  ],
  ['a pipe', turn({ audio: 'pipe' }), /pipe: cannot be read \(is a pipe; only regular files are read\)$/],
  [
    'a recording that is too large',
    turn({ audio: 'sparse' }),
    /5,368,709,120 bytes; a recording has at most 64,000,000\)$/,
  ],
  [
    'a prompt file',
    { sessions: [{ ...SESSION, strategy: { llm: { systemPrompt: { file: '/proc/self/environ' } } } }] },
    /session call-17: knob "llm.systemPrompt.file" is for the operator/,
  ],
  ['no WAV', turn({ audio: 'sessions.json' }), /sessions\.json: .*WAV/],
  ['a time that is none', { sessions: [{ ...SESSION, startedAt: 'noon' }] }, /startedAt is not a time/],
  ['a knob that there is not', { sessions: [{ ...SESSION, strategy: { llm: { modell: 'x' } } }] }, /modell/],
];
for (const [what, json, message] of BROKEN) {
  test(`${what} is one line, and nothing is written`, async () => {
    const store = newStore();
    await assert.rejects(importSessions(folderWith(json), store, clock), (error) => {
      assert.ok(error instanceof InputError, String(error));
      assert.match(error.message, message);
      return true;
    });
    assert.deepEqual(await store.list(), []);
  });
}

test('a session is imported once', async () => {
  const store = newStore();
  const folder = folderWith({ sessions: [SESSION] });
  await importSessions(folder, store, clock);
  await assert.rejects(importSessions(folder, store, clock), /session call-17 is captured already; erase it/);
});

test('a folder without sessions.json is refused with the missing file', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'retake-import-'));
  mkdirSync(join(folder, 'x'));
  await assert.rejects(
    importSessions(folder, newStore(), clock),
    /sessions\.json: cannot be read \(ENOENT: does not exist\); docs\//,
  );
});

import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, renameSync, rmSync, statSync, truncateSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { makeOddFiles } from '../../testing/odd-files.ts';
import { tones } from '../../testing/turn-by-hand.ts';
import { flatProfile } from '../../testing/flat-profile.ts';
import { runFixtureTurn } from '../../sim/world/fixtures.ts';
import { createSimWorld } from '../../sim/world/world.ts';
import { createMemoryCache, openDiskCache, purgeCache, speechKey, type SpeechCache } from './speech-cache.ts';
import type { FinishedTurn } from '../turn/observe.ts';
import { resolveStrategy } from '../strategy/patch.ts';

const folder = mkdtempSync(join(tmpdir(), 'retake-cache-'));
after(() => rmSync(folder, { recursive: true }));
const speech = (bytes: number) => ({ pcm: new Uint8Array(bytes).fill(7), sampleRateHz: 16_000, ttfbUs: 300_000 });
const FACTS = {
  endpoint: 'https://fal.run',
  method: 'stream',
  voice: 'alloy',
  speed: 1,
  format: 'pcm',
  rateHz: 16_000,
  language: 'tr',
};

test('a key holds for another spacing of the text, and for nothing else', () => {
  const key = speechKey({ ...FACTS, text: 'Merhaba  dünya. ' });
  assert.equal(speechKey({ ...FACTS, text: 'Merhaba dünya.' }), key);
  const others = [
    { voice: 'ali' },
    { speed: 1.15 },
    { method: 'speech' },
    { language: 'en' },
    { endpoint: 'https://x' },
  ];
  const keys = others.map((other) => speechKey({ ...FACTS, ...other, text: 'Merhaba dünya.' }));
  assert.equal(new Set([key, ...keys, speechKey({ ...FACTS, text: 'merhaba dünya.' })]).size, 7);
});

test('bounded by bytes and entries, least recently used first, and by time', async () => {
  let nowUs = 0;
  const cache = createMemoryCache(() => nowUs, { limits: { maxBytes: 100, maxEntries: 3, ttlMs: 1000 } });
  await cache.put('a', speech(40), 's');
  await cache.put('b', speech(40), 's');
  assert.ok(await cache.get('a', 's'));
  await cache.put('c', speech(40), 's');
  assert.equal(await cache.get('b', 's'), undefined, 'b was used longest ago');
  assert.ok((await cache.get('a', 's')) && (await cache.get('c', 's')));
  await cache.put('big', speech(101), 's');
  assert.equal(await cache.get('big', 's'), undefined);
  nowUs = 1_000_001;
  assert.equal(await cache.get('a', 's'), undefined);
});

test('two sessions that miss the same text at once leave one entry that is found; control: another text is another entry', async () => {
  const where = join(folder, 'twice');
  const cache = openDiskCache(where, () => 0, { maxBytes: 100, maxEntries: 9, ttlMs: 1000 });
  for (const [key, sessionId] of [
    ['a', 'one'],
    ['a', 'two'],
    ['b', 'two'],
  ] as const)
    await cache.put(key, speech(50), sessionId);
  assert.ok((await cache.get('a', 's')) && (await cache.get('b', 's')), 'together they are within the limit');
  assert.equal(readdirSync(where).length, 2);
});

test('an arm of a replay finds only speech of earlier sessions', async () => {
  const cache = createMemoryCache(() => 0, { earlierSessionsOnly: true });
  await cache.put('a', speech(4), 'one');
  assert.equal(await cache.get('a', 'one'), undefined);
  assert.ok(await cache.get('a', 'two'));
});

test('on disk: kept over a restart, private, erased with its session, purged', async () => {
  const where = join(folder, 'kept');
  const cache = openDiskCache(where, () => 0);
  await cache.put('a', speech(1000), 'one');
  await cache.put('b', speech(1000), 'two');
  const again = openDiskCache(where, () => 0);
  assert.deepEqual(await again.get('a', 'x'), speech(1000));
  assert.equal(statSync(join(where, 'a.speech')).mode & 0o777, 0o600);
  assert.equal(again.erase('one'), 1);
  assert.equal(await again.get('a', 'x'), undefined);
  assert.equal(purgeCache(where), 1);
  assert.equal(await again.get('b', 'x'), undefined, 'a running service takes a purged entry for a miss');
  assert.equal(purgeCache(join(folder, 'never was')), 0);
});

/** Nothing in virtual time may wait for the disk: what is put is written when the turn is over. */
function writingLater(cache: SpeechCache): { cache: SpeechCache; written: () => Promise<unknown> } {
  const writes: (() => Promise<void>)[] = [];
  const put: SpeechCache['put'] = async (...entry) => void writes.push(() => cache.put(...entry));
  return { cache: { ...cache, put }, written: () => Promise.all(writes.map((write) => write())) };
}

async function turn(speechCache: SpeechCache, sessionId: string, responses = true): Promise<FinishedTurn> {
  const { speech: said, audio } = tones(2500, [[200, 1200]]);
  const turns = [
    {
      audio: '',
      transcript: 'aaaa bbbb',
      reply: 'Bir cümle söylendi, ve bitti. İkincisi de geldi.',
      speechStartMs: said.fromMs,
      speechEndMs: said.toMs,
    },
  ];
  const interview = { name: 'by-hand', language: 'tr', systemPrompt: 'Sor.', greeting: 'Merhaba.', turns };
  const later = writingLater(speechCache);
  const world = createSimWorld({
    profile: flatProfile({ llm: 300, tts: 400 }),
    seed: 'cache',
    interviews: [interview],
    speechCache: later.cache,
  });
  const strategy = resolveStrategy([{ cache: { responses } }], 'test');
  const finished = await world.clock.run(() =>
    runFixtureTurn(world, interview, 0, { strategy, audio, profile: 'by hand', sessionId }),
  );
  await later.written();
  return finished;
}
const looked = ({ log }: FinishedTurn): unknown[] =>
  log.events.filter(({ kind }) => kind === 'cache.looked').map(({ attrs }) => attrs?.['outcome']);

test('a hit takes the TTFB off the wait, and records the saving; without the knob nothing is looked up', async () => {
  const cache = createMemoryCache(() => 0);
  const first = await turn(cache, 'one');
  const second = await turn(cache, 'two');
  const without = await turn(cache, 'three', false);
  assert.deepEqual([looked(first), looked(second), looked(without)], [['miss', 'miss'], ['hit', 'hit'], []]);
  assert.equal((first.summary.e2eUs ?? 0) - (second.summary.e2eUs ?? 0), 400_000);
  assert.equal(without.summary.e2eUs, first.summary.e2eUs);
  assert.deepEqual(
    second.summary.bets?.map(({ kind, outcome, savedUs }) => [kind, outcome, savedUs]),
    [
      ['cache.responses', 'hit', 400_000],
      ['cache.responses', 'hit', 400_000],
    ],
  );
  assert.equal(second.summary.firstContentAudibleUs, undefined, 'speech from the cache is not content');
  assert.equal(second.summary.characters, undefined, 'nothing was synthesized');
});

test('a cache file cut in half: said to be broken, taken away, and the turn is answered by a synthesis', async () => {
  const where = join(folder, 'broken');
  const whole = await turn(
    openDiskCache(where, () => 0),
    'one',
  );
  const files = readdirSync(where);
  assert.equal(files.length, 2);
  const cache = openDiskCache(where, () => 0);
  for (const file of files) truncateSync(join(where, file), Math.floor(statSync(join(where, file)).size / 2));
  const halved = await turn(cache, 'two');
  assert.equal(halved.summary.failure, undefined);
  assert.deepEqual(looked(halved), ['broken', 'broken']);
  assert.match(halved.summary.bets?.[0]?.reason ?? '', /cache file was broken/);
  assert.equal(halved.summary.e2eUs, whole.summary.e2eUs);
  assert.deepEqual(looked(await turn(cache, 'three')), ['hit', 'hit'], 'it was synthesized and kept again');
});

test('a pipe, a link to a device and a folder in the place of an entry are no entries; control: a file is', async (t) => {
  const where = mkdtempSync(join(tmpdir(), 'retake-speech-odd-'));
  t.after(() => rmSync(where, { recursive: true, force: true }));
  const odd = makeOddFiles(join(where, 'odd'));
  const keys = ['pipe', 'zero', 'folder', 'file'];
  const cache = openDiskCache(where, () => 0);
  for (const key of keys) await cache.put(key, speech(6), 's');
  const paths = { pipe: odd.pipe, zero: odd.link, folder: odd.folder };
  for (const [key, path] of Object.entries(paths)) {
    rmSync(join(where, `${key}.speech`));
    renameSync(path, join(where, `${key}.speech`));
  }
  for (const opened of [cache, openDiskCache(where, () => 0)]) {
    const found = await Promise.all(keys.map((key) => opened.get(key, 's')));
    assert.deepEqual(
      found.map((each) => (typeof each === 'object' ? each.sampleRateHz : each)),
      [undefined, undefined, undefined, 16_000],
    );
  }
});

test('a session is erased from what another process put there too', async (t) => {
  const where = mkdtempSync(join(tmpdir(), 'retake-speech-two-'));
  t.after(() => rmSync(where, { recursive: true, force: true }));
  const [own, others] = [openDiskCache(where, () => 0), openDiskCache(where, () => 0)];
  await own.put('a', speech(6), 'mine');
  await others.put('b', speech(6), 'mine');
  await others.put('c', speech(6), 'theirs');
  assert.equal(own.erase('mine'), 2);
  assert.deepEqual(readdirSync(where), ['c.speech']);
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createFalClient } from '@fal-ai/client';
import type { Heard } from './heard.ts';
import { createVirtualClock } from '../world/clock.ts';
import { FREYA_STT_APP, FREYA_TTS_APP } from './fal.ts';
import { isObject } from '../../service/base/json.ts';
import { createTestWorld } from '../../testing/exchange.ts';
import { speechPcm, wavOf } from '../times/speech-audio.ts';

const TEXT = 'Merhaba, hoş geldiniz. Bugün nasılsınız?';
const KEY = { authorization: 'Key k' };

function setUp(options: Parameters<typeof createTestWorld>[1] = {}) {
  const clock = createVirtualClock();
  const world = createTestWorld(clock, options);
  world.context.stage = 'tts';
  return { clock, world };
}
const postJson = (world: ReturnType<typeof setUp>['world'], path: string, body: unknown, headers = KEY) =>
  world.fetch(`https://fal.run/${path}`, { method: 'POST', headers, body: JSON.stringify(body) });

test('a multipart upload is heard at its length, with the same immediates for 8 and 64', async () => {
  for (const settleImmediates of [8, 64]) {
    const clock = createVirtualClock({ settleImmediates });
    const heardMs: number[] = [];
    const script = {
      transcript: (_context: unknown, { audioMs }: Heard) => `${heardMs.push(audioMs)}`,
      reply: () => '',
    };
    const world = createTestWorld(clock, { script });
    const form = new FormData();
    form.append('file', new File([new Uint8Array(wavOf(new Uint8Array(64_000)))], 'a.wav', { type: 'audio/wav' }));
    form.append('model', 'freya-stt-v1');
    const body = await clock.run(async () => {
      const rival = clock.sleep(0.001); // time must not move before the upload has been read
      const url = `https://fal.run/${FREYA_STT_APP}/audio/transcriptions`;
      const response = await world.fetch(url, { method: 'POST', headers: KEY, body: form });
      await rival;
      return response.json();
    });
    assert.deepEqual([body, heardMs], [{ text: '1' }, [2000]]);
    const [mark] = world.marks;
    assert.ok(mark !== undefined && mark.startUs === 0 && (mark.sentUs ?? 0) > 30_000 && mark.sentKnown === true);
  }
});

test('fal.stream delivers the audio by `data` events, each when it was due', async () => {
  const { clock, world } = setUp();
  const fal = createFalClient({ credentials: 'k', fetch: world.fetch });
  const bytes: number[] = [];
  const atUs = new Set<number>();
  let last: unknown;
  await clock.run(async () => {
    const stream = await fal.stream(FREYA_TTS_APP, { input: { input: TEXT, voice: 'zeynep', speed: 1 } });
    stream.on('data', (event: unknown) => {
      atUs.add(clock.nowUs());
      if (isObject(event) && typeof event['audio'] === 'string')
        bytes.push(Buffer.from(event['audio'], 'base64').length);
      last = event;
    });
    await stream.done();
  });
  const total = bytes.reduce((sum, each) => sum + each, 0);
  assert.ok(bytes.length > 5 && atUs.size === bytes.length);
  assert.ok(isObject(last) && last['done'] === true && last['audio_duration_sec'] === total / 32_000);
  const spokenMs = (1000 * TEXT.length) / 15;
  assert.ok(total / 32 > spokenMs + 39 && total / 32 < spokenMs + 201, `${total / 32} ms of audio`);
  assert.equal(clock.sleeping(), 0);
});

test('speech answers bare PCM or WAV with its headers; speed shortens it', async () => {
  const { clock, world } = setUp();
  await clock.run(async () => {
    const bytesAt = async (speed: number, response_format: string): Promise<Uint8Array> => {
      const response = await postJson(world, `${FREYA_TTS_APP}/audio/speech`, { input: TEXT, speed, response_format });
      const bytes = new Uint8Array(await response.arrayBuffer());
      const audioBytes = bytes.length - (response_format === 'wav' ? 44 : 0);
      assert.equal(Number(response.headers.get('x-audio-duration-sec')), audioBytes / 32_000);
      assert.ok(Number(response.headers.get('x-inference-time-ms')) > 0);
      return bytes;
    };
    const pcm = await bytesAt(1, 'pcm');
    const wav = await bytesAt(1, 'wav');
    assert.equal(Buffer.from(wav.subarray(0, 4)).toString(), 'RIFF');
    assert.deepEqual(wav.subarray(44), pcm);
    assert.ok((await bytesAt(2, 'pcm')).length < pcm.length * 0.65);
  });
});

test('generate: submit, states, result and a download; fal.queue agrees', async () => {
  const { clock, world } = setUp();
  const fal = createFalClient({ credentials: 'k', fetch: world.fetch });
  await clock.run(async () => {
    const { request_id: requestId } = await fal.queue.submit(`${FREYA_TTS_APP}/generate`, { input: { input: TEXT } });
    world.context.fetchIndex = 1;
    const early = await fal.queue.status(FREYA_TTS_APP, { requestId });
    assert.equal(early.status, 'IN_PROGRESS');
    world.context.fetchIndex = 2;
    const url = `https://queue.fal.run/${FREYA_TTS_APP}/requests/${requestId}`;
    const states = await (await world.fetch(`${url}/status/stream`, { headers: KEY })).text();
    assert.deepEqual(
      [...states.matchAll(/"status":"(\w+)"/g)].map(([, status]) => status),
      ['IN_PROGRESS', 'COMPLETED'],
    );
    const { data } = await fal.queue.result(FREYA_TTS_APP, { requestId });
    assert.ok(isObject(data.audio) && typeof data.audio['url'] === 'string');
    const file = await world.fetch(data.audio['url']);
    assert.equal((await file.arrayBuffer()).byteLength, data.audio['file_size']);
    const late = await world.fetch(`${url}/cancel`, { method: 'PUT', headers: KEY });
    assert.equal(late.status, 400);
    const unknown = await world.fetch(`${url}x/status`, { headers: KEY });
    assert.deepEqual([unknown.status, await unknown.json()], [404, { status: 'NOT_FOUND' }]);
  });
});

test('storage: an upload is initiated, put without a key, and can be transcribed by its URL', async () => {
  const { clock, world } = setUp();
  const fal = createFalClient({ credentials: 'k', fetch: world.fetch });
  await clock.run(async () => {
    const blob = new Blob([new Uint8Array(wavOf(speechPcm('ses', 32_000, 0)))], { type: 'audio/wav' });
    const url = await fal.storage.upload(blob);
    const response = await postJson(world, `${FREYA_STT_APP}/generate`, { audio_url: url });
    assert.match(await response.text(), /^{"text":"\S+ \S+\."}$/); // 1 s: two words
  });
});

test('fal errors: no key, no input, no such path, a fault of the scenario', async () => {
  const { clock, world } = setUp({
    scenario: {
      title: 'busy',
      rules: [{ route: 'tts.stream', turns: [1], fault: { kind: 'status', status: 503, message: 'busy' } }],
    },
  });
  await clock.run(async () => {
    const path = `${FREYA_TTS_APP}/stream`;
    assert.equal((await postJson(world, path, { input: TEXT }, { authorization: 'Bearer k' })).status, 401);
    const missing = await postJson(world, path, {});
    assert.equal(missing.status, 422);
    assert.match(await missing.text(), /^{"detail":\[{"loc":\["body","input"\]/);
    assert.equal((await postJson(world, 'freya/other', {})).status, 404);
    world.context.turnIndex = 1;
    const busy = await postJson(world, path, { input: TEXT });
    assert.deepEqual([busy.status, await busy.json()], [503, { detail: 'busy', error_type: 'runner_error' }]);
  });
});

test('speech-shaped audio: silence first, then above −45 dBFS; the same for the same text', () => {
  const pcm = speechPcm(TEXT, 32_000, 120);
  const samples = new Int16Array(pcm.buffer);
  const dbfs = (fromMs: number): number => {
    const frame = samples.subarray(fromMs * 16, fromMs * 16 + 160);
    return 10 * Math.log10(frame.reduce((sum, sample) => sum + (sample / 32_768) ** 2, 1e-12) / frame.length);
  };
  assert.ok(dbfs(100) < -90);
  assert.ok(
    [130, 140, 150, 160].every((ms) => dbfs(ms) > -45),
    [130, 140, 150].map(dbfs).join(),
  );
  assert.deepEqual(speechPcm(TEXT, 32_000, 120), pcm);
  assert.notDeepEqual(speechPcm('Başka bir cümle.', 32_000, 120), pcm);
});

/** What each way of calling a provider costs, in virtual time: every figure can be added up on paper. */
import { callBy } from '../../bench/programs/stream-bodies.ts';
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createFalClient } from '@fal-ai/client';
import { tones, turnByHand } from '../../testing/turn-by-hand.ts';
import { flatProfile } from '../../testing/flat-profile.ts';
import { ledgerOf } from '../turn-log/ledger.ts';
import { zeroUsOf } from '../turn-log/metrics.ts';
import { wavOf } from '../../sim/times/speech-audio.ts';
import type { EventKind, TurnLog } from '../base/events.ts';
import { DEFAULT_STRATEGY } from '../strategy/strategy.ts';
import type { StrategyPatch } from '../strategy/patch.ts';
import { LIVE_ENDPOINTS } from '../world.ts';
import { createAudioHosts } from './audio-hosts.ts';
import { createFreyaTts } from './freya-tts.ts';

const said = tones(6000, [[200, 1200]]);
const OTHER = { queueSubmitMs: 20, queueStatusMs: 10, cdnMs: 30, storageMs: 15 };
const profile = flatProfile({ stt: 100, llm: 100, tts: 400, other: OTHER });
const run = (patch: StrategyPatch) => turnByHand({ profile, tones: said, patch });
/** `tts.start` → first audio of the first piece, in ms. */
const ttfbMs = (log: TurnLog): number => (first(log, 'tts.audio') - first(log, 'tts.start')) / 1000;
const first = (log: TurnLog, kind: EventKind): number => log.events.find((event) => event.kind === kind)!.atUs;
const stepsOf = (log: TurnLog, exchange: string): string[] =>
  log.events.flatMap(({ kind, exchange: id, attrs }) =>
    kind === 'http.start' && id?.startsWith(`${exchange}.`) ? [String(attrs?.['step'] ?? 'call')] : [],
  );

test('generate: submit, polls until done, result, download; the pause between polls is the wait `poll`', async () => {
  const stream = await run({ tts: { method: 'stream' } });
  assert.equal(ttfbMs(stream.log), 400);
  // submitted at 20; asked at 20 (answered 30), 530 (answered 540: done at 420); result 550; download 580
  const slow = await run({ tts: { method: 'generate' } });
  assert.equal(slow.summary.failure, undefined);
  assert.equal(ttfbMs(slow.log), 20 + 10 + 500 + 10 + 10 + 30);
  assert.deepEqual(stepsOf(slow.log, 'tts.0.0'), [
    'queue.submit',
    'queue.poll',
    'queue.poll',
    'queue.result',
    'cdn.get',
  ]);
  // asked at 20, 130, 240, 350, 460
  const quick = await run({ tts: { method: 'generate', queue: { pollMs: 100 } } });
  assert.equal(ttfbMs(quick.log), 20 + 4 * 110 + 10 + 10 + 30);
  assert.equal(slow.summary.e2eUs! - quick.summary.e2eUs!, 70_000);
  const { parts } = ledgerOf(quick.log.events, zeroUsOf(quick.log))!;
  const polled = parts.filter(({ phase }) => phase === 'poll').map(({ fromUs, toUs }) => toUs - fromUs);
  assert.deepEqual(polled, [100_000, 100_000, 100_000, 100_000]);
  assert.deepEqual(
    stream.log.events.find((event) => event.kind === 'tts.done')?.attrs?.['bytes'],
    quick.log.events.find((event) => event.kind === 'tts.done')?.attrs?.['bytes'],
  );
});

test('generate: the stream of states tells at once that the audio is there, polls find out late', async () => {
  const followed = await run({ tts: { method: 'generate', queue: { status: 'stream' } } });
  // done at 420, told at 420; result 430; download 460
  assert.equal(ttfbMs(followed.log), 20 + 400 + 10 + 30);
  assert.deepEqual(stepsOf(followed.log, 'tts.0.0'), ['queue.submit', 'queue.poll', 'queue.result', 'cdn.get']);
});

test("tts.format: the same audio at the same time with and without a WAV header; the default is each endpoint's own", async () => {
  const audioOf = async (patch: StrategyPatch): Promise<{ bytes: string; atMs: number }> => {
    const parts: Uint8Array[] = [];
    const turn = await turnByHand({
      profile,
      tones: said,
      patch: { tts: patch },
      client: { audio: (pcm) => Promise.resolve(void parts.push(pcm)) },
    });
    assert.equal(turn.summary.failure, undefined);
    return { bytes: Buffer.concat(parts).toString('base64'), atMs: ttfbMs(turn.log) };
  };
  for (const method of ['speech', 'generate']) {
    const own = await audioOf({ method });
    assert.ok(own.bytes.length > 10_000);
    for (const format of ['pcm', 'wav'])
      assert.deepEqual(await audioOf({ method, format }), own, `${method} ${format}`);
  }
  const stream = await audioOf({ method: 'stream' });
  assert.deepEqual(await audioOf({ method: 'stream', format: 'pcm' }), stream);
  await assert.rejects(
    audioOf({ method: 'stream', format: 'wav' }),
    /"tts.format" cannot be wav with "tts.method" stream/,
  );
});

test('control: the endpoint is asked for each format, and its answer is read as that format only', async () => {
  for (const [format, answer, failure] of [
    ['wav', wavOf(new Uint8Array(3200)), undefined],
    ['wav', new Uint8Array(3200), /not a WAV/],
    ['wav', wavOf(new Uint8Array(3200)).subarray(0, 1000), /shorter than its header says/],
    ['pcm', new Uint8Array(3200), undefined],
    ['default', new Uint8Array(3200), undefined],
  ] as const) {
    let asked: unknown;
    let bytes = 0;
    const tts = createFreyaTts({ ...LIVE_ENDPOINTS, falKey: 'none', keys: [], audioHosts: createAudioHosts([]) });
    const fetch = (_input: unknown, init?: RequestInit): Promise<Response> => {
      asked = typeof init?.body === 'string' ? JSON.parse(init.body)['response_format'] : undefined;
      return Promise.resolve(new Response(Uint8Array.from(answer), { headers: { 'content-type': 'audio/wav' } }));
    };
    const call = callBy(fetch);
    const { sse, queue, voice, speed } = DEFAULT_STRATEGY.tts;
    const request = { text: 'Merhaba.', method: 'speech', sse, queue, voice, speed, format, language: 'tr' } as const;
    const spoken = tts.synthesize(request, call, (pcm) => (bytes += pcm.byteLength));
    if (failure === undefined) {
      await spoken;
      assert.equal(bytes, 3200);
    } else await assert.rejects(spoken, failure);
    assert.equal(asked, format === 'wav' ? 'wav' : 'pcm');
  }
});

test('stt.method generate: two storage requests more', async () => {
  const direct = await run({});
  const stored = await run({ stt: { method: 'generate' } });
  assert.deepEqual(stepsOf(stored.log, 'stt.0.0'), ['storage.initiate', 'storage.put', 'call']);
  assert.equal(stored.summary.e2eUs! - direct.summary.e2eUs!, 2 * 15_000);
  assert.equal(stored.transcript, direct.transcript);
});

test('stt.prompt goes to /audio/transcriptions as its field; control: without the knob there is none', async () => {
  const bytesSent = async (patch: StrategyPatch): Promise<number> => {
    const { log } = await run(patch);
    const sent = log.events.find(({ kind, exchange }) => kind === 'http.sent' && exchange === 'stt.0.0.0');
    return Number(sent?.attrs?.['requestBytes']);
  };
  const field = (await bytesSent({ stt: { prompt: 'Retake, OpenRouter' } })) - (await bytesSent({}));
  assert.ok(field > 'Retake, OpenRouter'.length && field < 300, `${field} bytes more`);
  await assert.rejects(bytesSent({ stt: { method: 'generate', prompt: 'x' } }), /"stt.prompt" cannot go with/);
});

test('sse parser: the same events as the SDKs, at the same times, and the same words and audio', async () => {
  const shape = (log: TurnLog): unknown[] =>
    log.events.map(({ kind, atUs, exchange, content }) => [kind, atUs, exchange, content]);
  const sdk = await run({});
  const parser = await run({ llm: { sse: 'parser' }, tts: { sse: 'parser' } });
  assert.deepEqual(shape(parser.log), shape(sdk.log));
  const done = (log: TurnLog): unknown => log.events.find((event) => event.kind === 'llm.done')?.attrs?.['comments'];
  assert.deepEqual([done(sdk.log), typeof done(parser.log)], [undefined, 'number']);
});

test('the fal client keeps every event of a stream that is listened to, in the field that is emptied for it', async () => {
  const events = Array.from({ length: 200 }, (_, n) => `data: ${JSON.stringify({ audio: '', n })}\n\n`).join('');
  const fetch = (): Promise<Response> =>
    Promise.resolve(new Response(events, { headers: { 'content-type': 'text/event-stream' } }));
  const keptAfter = async (empty: boolean): Promise<unknown> => {
    const stream = await createFalClient({ credentials: 'k', fetch }).stream('a/b', { input: {} });
    let heard = 0;
    stream.on('data', () => {
      heard++;
      const kept: unknown = Reflect.get(stream, 'buffer');
      if (empty && Array.isArray(kept)) kept.length = 0; // as freya-tts.ts does
    });
    await stream.done();
    assert.equal(heard, 200);
    return Object(Reflect.get(stream, 'buffer')).length;
  };
  assert.deepEqual([await keptAfter(true), await keptAfter(false)], [0, 200]);
});

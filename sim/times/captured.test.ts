import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { EventKind, TurnEvent } from '../../service/base/events.ts';
import { capturedPlans } from './captured.ts';
import { capturedScript } from '../stand-ins/captured-script.ts';
import { type CapturedTurn } from './captured-turn.ts';
import { createVirtualClock } from '../world/clock.ts';
import { FREYA_TTS_APP } from '../stand-ins/fal.ts';
import { createScript } from '../stand-ins/script.ts';
import { createTestWorld } from '../../testing/exchange.ts';

const REPLY = 'Merhaba. Hoş geldiniz.';
const MESSAGES = [{ role: 'user', content: 'Selam' }];
const AUDIO = Uint8Array.from({ length: 9600 }, (_, index) => index % 251);

/** A captured turn: LLM over a new connection (no DNS phase), TTS of piece 0 over an open one. */
function capturedTurn(level: 'full' | 'timing', complete = true): CapturedTurn {
  const full = level === 'full';
  const at = (
    kind: EventKind,
    atUs: number,
    exchange: string,
    more: Partial<TurnEvent> = {},
  ): Omit<TurnEvent, 'id'> => ({
    kind,
    stage: exchange.startsWith('llm') ? 'llm' : 'tts',
    atUs,
    exchange,
    ...more,
  });
  const facts: Omit<TurnEvent, 'id'>[] = [
    at('llm.start', 1000, 'llm.0', { attrs: { model: 'google/b', maxTokens: 200, messages: 1, promptChars: 5 } }),
    at('http.start', 1000, 'llm.0.0.0'),
    at('http.queued', 1100, 'llm.0.0.0', { attrs: { reused: false } }),
    at('http.connected', 1300, 'llm.0.0.0'),
    at('http.tls', 1700, 'llm.0.0.0'),
    at('http.sent', 2000, 'llm.0.0.0'),
    at('http.headers', 9000, 'llm.0.0.0', { attrs: { status: 200 } }),
    at('http.done', 21_000, 'llm.0.0.0', { attrs: { chunkUs: [9000, 12_000, 15_000, 20_000], complete } }),
    at('llm.done', 20_000, 'llm.0', {
      attrs: {
        chars: 22,
        itemUs: [12_000, 12_000, 15_000],
        itemChars: [5, 3, 14],
        ...(full ? {} : { breaks: [8, 22] }),
      },
      content: full ? { text: REPLY } : undefined,
    }),
    at('piece.ready', 12_000, 'llm.0', {
      attrs: { index: 0, chars: 8 },
      content: full ? { text: 'Merhaba.' } : undefined,
    }),
    at('piece.ready', 20_000, 'llm.0', { attrs: { index: 1, chars: 13 } }),
    at('tts.start', 12_000, 'tts.0', { attrs: { index: 0, method: 'stream', voice: 'alloy', speed: 1, chars: 8 } }),
    at('http.start', 12_000, 'tts.0.0.0'),
    at('http.queued', 12_000, 'tts.0.0.0', { attrs: { reused: true } }),
    at('http.sent', 12_050, 'tts.0.0.0'),
    at('http.headers', 30_000, 'tts.0.0.0', { attrs: { status: 200 } }),
    at('http.done', 52_000, 'tts.0.0.0', { attrs: { chunkUs: [40_000, 50_000, 52_000] } }),
    at('tts.done', 52_000, 'tts.0', {
      attrs: { itemUs: [40_000, 50_000], itemBytes: [3200, 6400], leadingSilenceMs: 60 },
      content: full ? { audio: AUDIO, sampleRateHz: 16_000 } : undefined,
    }),
  ];
  const events = facts.map((fact, id): TurnEvent => ({ ...fact, id }));
  return { sessionId: 's', turnIndex: 0, events };
}

interface Read {
  atUs: number;
  text: string;
}

function replay(level: 'full' | 'timing', reuse: 'captured' | 'pool' = 'captured', turn = capturedTurn(level)) {
  const clock = createVirtualClock();
  const turns = [turn];
  const script = capturedScript(turns, createScript([]));
  const world = createTestWorld(clock, { captured: capturedPlans(turns), script, network: { reuse } });
  const post = async (url: string, authorization: string, body: unknown): Promise<Read[]> => {
    const response = await world.fetch(url, { method: 'POST', headers: { authorization }, body: JSON.stringify(body) });
    const reads: Read[] = [];
    const decoder = new TextDecoder();
    for await (const chunk of response.body ?? []) reads.push({ atUs: clock.nowUs(), text: decoder.decode(chunk) });
    return reads;
  };
  const llm = (model = 'google/b', messages: unknown = MESSAGES): Promise<Read[]> => {
    world.context.stage = 'llm';
    const body = { model, messages, max_tokens: 200, stream: true };
    return post('https://openrouter.ai/api/v1/chat/completions', 'Bearer k', body);
  };
  const tts = (input: string, speed = 1): Promise<Read[]> => {
    world.context.stage = 'tts';
    return post(`https://fal.run/${FREYA_TTS_APP}/stream`, 'Key k', { input, voice: 'alloy', speed });
  };
  return { clock, world, llm, tts };
}
const contents = (read: Read | undefined): string[] =>
  [...(read?.text ?? '').matchAll(/"content":"([^"]*)"/g)].map(([, content]) => content ?? '');

test('a captured LLM exchange comes again to the µs: phases, headers, each read with its deltas', async () => {
  const { clock, world, llm } = replay('full');
  const reads = await clock.run(() => llm());
  const [marks] = world.marks;
  assert.deepEqual(marks, {
    startUs: 0,
    queuedUs: 100,
    connectedUs: 300,
    tlsUs: 700,
    sentUs: 1000,
    headersUs: 8000,
    reused: false,
    protocol: '1.1',
    sentKnown: true,
    basis: 'captured',
  });
  assert.deepEqual(
    reads.map(({ atUs }) => atUs),
    [11_000, 14_000, 19_000],
  );
  assert.deepEqual(contents(reads[0]), ['Merha', 'ba.']);
  assert.deepEqual(contents(reads[1]), [' Hoş geldiniz.']);
  assert.match(reads[2]?.text ?? '', /\[DONE\]/);
  assert.equal(clock.nowUs(), 20_000, 'the terminator came apart');
});

test('control: another model, a pruned prompt, other words or another speed have the profile’s times', async () => {
  const { clock, world, llm, tts } = replay('full');
  await clock.run(async () => {
    await llm('a/other');
    await llm('google/b', [{ role: 'system', content: 'x' }, ...MESSAGES]);
    await tts('Başka.');
    await tts('Merhaba.', 1.15);
    world.context.ordinal = 1;
    await tts('Merhaba.');
    world.context.ordinal = 0;
    await tts('Merhaba.');
  });
  assert.deepEqual(
    world.marks.map(({ basis }) => basis),
    ['profile', 'profile', 'profile', 'profile', 'profile', 'captured'],
  );
});

const audioIn = (reads: readonly Read[]): Buffer[] =>
  reads.flatMap(({ text }) => {
    const base64 = /"audio":"([^"]*)"/.exec(text)?.[1];
    return base64 === undefined ? [] : [Buffer.from(base64, 'base64')];
  });

test('captured audio comes again byte by byte, over a connection that was open then', async () => {
  const { clock, world, tts } = replay('full');
  const reads = await clock.run(() => tts('Merhaba.'));
  assert.equal(world.marks[0]?.reused, true);
  assert.equal(world.marks[0]?.dnsUs, undefined);
  assert.deepEqual(
    reads.map(({ atUs }) => atUs),
    [28_000, 38_000, 40_000],
  );
  assert.deepEqual(new Uint8Array(Buffer.concat(audioIn(reads))), AUDIO);
});

test('audio of another rate is made anew: as long as it was, after as much silence', async () => {
  const captured = capturedTurn('full');
  const events = captured.events.map((event) =>
    event.kind === 'tts.done' ? { ...event, attrs: { ...event.attrs, sampleRateHz: 24_000 } } : event,
  );
  const { clock, tts } = replay('full', 'captured', { ...captured, events });
  const audio = audioIn(await clock.run(() => tts('Merhaba.')));
  // 3200 and 6400 bytes at 24 kHz
  assert.deepEqual(
    audio.map(({ length }) => length),
    [2134, 4266],
  );
  const silentBytes = Buffer.concat(audio).findIndex((byte) => byte !== 0);
  assert.equal(Math.floor(silentBytes / 32), 60);
});

test('under another network strategy the pools decide, and a new connection has the profile’s set-up', async () => {
  const { clock, world, tts } = replay('full', 'pool');
  await clock.run(() => tts('Merhaba.'));
  const [marks] = world.marks;
  assert.equal(marks?.reused, false);
  assert.ok((marks?.tlsUs ?? 0) > 10_000 && marks?.basis === 'captured');
  assert.equal((marks?.headersUs ?? 0) - (marks?.sentUs ?? 0), 17_950, 'the wait is the captured one');
});

test('a capture without text or audio replays in the same times with filler of the same lengths', async () => {
  const { clock, world, llm, tts } = replay('timing');
  const reads = await clock.run(async () => {
    const llmReads = await llm();
    await tts('Xxxxxxx.');
    return llmReads;
  });
  assert.deepEqual(
    reads.map(({ atUs }) => atUs),
    [11_000, 14_000, 19_000],
  );
  const text = reads.flatMap(contents).join('');
  assert.deepEqual([text.length, text[7], text[8], text[21]], [22, '.', ' ', '.']);
  assert.equal(world.marks[1]?.basis, 'captured');
});

test('a body that was given up keeps an end of its own; a synthesis that broke off is not replayed', async () => {
  const givenUp = replay('full', 'captured', capturedTurn('full', false));
  await givenUp.clock.run(() => givenUp.llm());
  assert.equal(givenUp.clock.nowUs(), 19_500, 'the profile’s terminator, not the moment of giving up');

  const whole = capturedTurn('full');
  const events = whole.events.filter(({ kind }) => kind !== 'tts.done');
  const brokenOff = replay('full', 'captured', { ...whole, events });
  const reads = await brokenOff.clock.run(() => brokenOff.tts('Merhaba.'));
  assert.ok(reads.length > 2);
  assert.equal(brokenOff.world.marks[0]?.basis, 'profile');
});

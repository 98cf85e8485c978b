/** Answers of the providers, held in memory: a streamed reply of the LLM, and speech as server-sent events. */
import { createRealClock } from '../../service/base/clock.ts';
import { eventText } from '../../service/providers/sse.ts';
import type { Call, Fetch } from '../../service/base/ports.ts';
import { FREYA_TTS_RATE_HZ } from '../../service/providers/freya-tts.ts';
import { speechPcm } from '../../sim/times/speech-audio.ts';

export const DELTAS = 300;
export const AUDIO_EVENTS = 40;
export const EVENT_AUDIO_MS = 250;
/** The audio of one event. */
export const PCM = Buffer.from(speechPcm('parsers', (FREYA_TTS_RATE_HZ * 2 * EVENT_AUDIO_MS) / 1000, 0));

const encoder = new TextEncoder();

export const LLM_CHUNKS = [
  ...Array.from({ length: DELTAS }, (_, index) =>
    eventText({
      id: 'gen-1767225600-AbCdEfGhIjKlMnOpQrSt',
      provider: 'Google',
      model: 'google/gemini-2.5-flash',
      object: 'chat.completion.chunk',
      created: 1_767_225_600,
      choices: [{ index: 0, delta: { role: 'assistant', content: ` word${index}` }, finish_reason: null }],
    }),
  ),
  eventText({ id: 'g', model: 'm', choices: [{ index: 0, delta: { content: '' }, finish_reason: 'stop' }] }),
  'data: [DONE]\n\n',
].map((text) => encoder.encode(text));
export const TTS_CHUNKS = [
  ...Array.from({ length: AUDIO_EVENTS }, () => eventText({ audio: PCM.toString('base64') })),
  eventText({ done: true, inference_time_ms: 100 }),
].map((text) => encoder.encode(text));

/** A response whose body is read chunk by chunk. */
export function streamed(chunks: readonly Uint8Array[]): Response {
  let next = 0;
  const body = new ReadableStream<Uint8Array>({
    pull(controller) {
      const chunk = chunks[next++];
      if (chunk === undefined) controller.close();
      else controller.enqueue(chunk);
    },
  });
  return new Response(body, { headers: { 'content-type': 'text/event-stream' } });
}

/** Every request gets that answer. */
export function fetchOf(chunks: readonly Uint8Array[]): Fetch {
  return Object.assign(() => Promise.resolve(streamed(chunks)), { Response });
}

/** A provider call that goes out by `fetch`; what it tells its caller goes nowhere. */
export function callBy(fetch: (input: string | URL | Request, init?: RequestInit) => Promise<Response>): Call {
  const call: Call = {
    clock: createRealClock(),
    fetch: Object.assign(fetch, { Response }),
    fetchFor: () => call.fetch,
    send: fetch,
    signal: new AbortController().signal,
    pause: () => Promise.resolve(),
    content: () => undefined,
    responseHeaders: () => undefined,
    failure: () => undefined,
    arrival: () => ({ atUs: 0, eventId: () => 0 }),
  };
  return call;
}

/**
 * `npm run bench:parsers`: our readers of provider streams, and our audio path, against the plain way of the libraries.
 * CPU of this process, rounds interleaved, ratios paired by round with 95 % intervals over rounds. No network: bodies are in memory.
 */
import { createFalClient } from '@fal-ai/client';
import OpenAI from 'openai';
import { parseArgs } from 'node:util';
import { pcmBytesToSamples } from '../service/audio.ts';
import { createRealClock } from '../service/clock.ts';
import type { Call, Fetch, LlmRequest, TtsRequest } from '../service/ports.ts';
import { createPlayback } from '../service/playback.ts';
import { createAudioHosts } from '../service/providers/audio-hosts.ts';
import { createFreyaTts, FREYA_TTS_RATE_HZ } from '../service/providers/freya-tts.ts';
import { createOpenRouter } from '../service/providers/openrouter.ts';
import { LIVE_ENDPOINTS } from '../service/world.ts';
import { speechPcm } from '../sim/speech-audio.ts';
import { clusteredMean } from '../replay/stats.ts';

const DELTAS = 300;
const AUDIO_EVENTS = 40;
const EVENT_AUDIO_MS = 250;
const PCM = speechPcm('parsers', (FREYA_TTS_RATE_HZ * 2 * EVENT_AUDIO_MS) / 1000, 0);

const { values } = parseArgs({ options: { rounds: { type: 'string', default: '30' } } });
const rounds = Number(values.rounds);
const clock = createRealClock();
const encoder = new TextEncoder();
const event = (data: unknown): string => `data: ${JSON.stringify(data)}\n\n`;

const LLM_CHUNKS = [
  ...Array.from({ length: DELTAS }, (_, index) =>
    event({
      id: 'gen-1767225600-AbCdEfGhIjKlMnOpQrSt',
      provider: 'Google',
      model: 'google/gemini-2.5-flash',
      object: 'chat.completion.chunk',
      created: 1_767_225_600,
      choices: [{ index: 0, delta: { role: 'assistant', content: ` word${index}` }, finish_reason: null }],
    }),
  ),
  event({ id: 'g', model: 'm', choices: [{ index: 0, delta: { content: '' }, finish_reason: 'stop' }] }),
  'data: [DONE]\n\n',
].map((text) => encoder.encode(text));
const TTS_CHUNKS = [
  ...Array.from({ length: AUDIO_EVENTS }, () => event({ audio: Buffer.from(PCM).toString('base64') })),
  event({ done: true, inference_time_ms: 100 }),
].map((text) => encoder.encode(text));

function fetchOf(chunks: readonly Uint8Array[]): Fetch {
  const send = (): Promise<Response> => {
    let next = 0;
    const body = new ReadableStream<Uint8Array>({
      pull(controller) {
        const chunk = chunks[next++];
        if (chunk === undefined) controller.close();
        else controller.enqueue(chunk);
      },
    });
    return Promise.resolve(new Response(body, { headers: { 'content-type': 'text/event-stream' } }));
  };
  return Object.assign(send, { Response });
}

function callOf(chunks: readonly Uint8Array[]): Call {
  const fetch = fetchOf(chunks);
  return {
    clock,
    fetch,
    fetchFor: () => fetch,
    send: fetch,
    signal: new AbortController().signal,
    pause: (ms) => clock.sleep(ms),
    content: () => undefined,
    responseHeaders: () => undefined,
    failure: () => undefined,
    arrival: () => ({ atUs: clock.nowUs(), eventId: () => 0 }),
  };
}

const llm = createOpenRouter({ openRouterUrl: LIVE_ENDPOINTS.openRouterUrl, openRouterKey: 'none', keys: [] });
const tts = createFreyaTts({
  ...LIVE_ENDPOINTS,
  falKey: 'none',
  keys: [],
  audioHosts: createAudioHosts([]),
});
const LLM_REQUEST: LlmRequest = {
  model: 'google/gemini-2.5-flash',
  messages: [{ role: 'user', content: 'hello' }],
  maxTokens: 500,
  sessionId: 'bench',
  fallback: [],
  sse: 'sdk',
};
const TTS_REQUEST: TtsRequest = {
  text: 'hello',
  method: 'stream',
  sse: 'sdk',
  queue: { status: 'poll', pollMs: 100 },
  format: 'default',
  voice: 'alloy',
  speed: 1,
  language: 'en',
};

interface Way {
  name: string;
  run(): Promise<void>;
}
interface Race {
  title: string;
  unit: string;
  units: number;
  /** The first is the plain library. */
  ways: readonly Way[];
}

const openai = new OpenAI({ apiKey: 'none', fetch: fetchOf(LLM_CHUNKS) });
const RACES: readonly Race[] = [
  {
    title: `LLM stream, ${DELTAS} deltas`,
    unit: 'µs a delta',
    units: DELTAS,
    ways: [
      {
        name: 'openai client alone',
        async run() {
          const stream = await openai.chat.completions.create({
            model: LLM_REQUEST.model,
            messages: [{ role: 'user', content: 'hello' }],
            stream: true,
          });
          const deltas: string[] = [];
          for await (const chunk of stream) deltas.push(chunk.choices[0]?.delta.content ?? '');
        },
      },
      ...(['sdk', 'parser'] as const).map((sse) => ({
        name: `llm.sse = ${sse}`,
        async run() {
          const deltas: string[] = [];
          await llm.stream({ ...LLM_REQUEST, sse }, callOf(LLM_CHUNKS), (delta) => deltas.push(delta));
        },
      })),
    ],
  },
  {
    title: `TTS stream, ${AUDIO_EVENTS} events of ${EVENT_AUDIO_MS} ms of audio`,
    unit: 'µs an event',
    units: AUDIO_EVENTS,
    ways: [
      {
        name: 'fal client alone, on("data")',
        async run() {
          const fal = createFalClient({ credentials: 'none', fetch: fetchOf(TTS_CHUNKS), retry: { maxRetries: 0 } });
          const stream = await fal.stream('freya-mypsdi253hbk/freya-tts', { input: {} });
          const audio: Uint8Array[] = [];
          stream.on('data', (data: { audio?: string }) => {
            if (data.audio !== undefined) audio.push(Buffer.from(data.audio, 'base64'));
          });
          await stream.done();
        },
      },
      ...(['sdk', 'parser'] as const).map((sse) => ({
        name: `tts.sse = ${sse}`,
        async run() {
          const audio: Uint8Array[] = [];
          await tts.synthesize({ ...TTS_REQUEST, sse }, callOf(TTS_CHUNKS), (pcm) => audio.push(pcm));
        },
      })),
    ],
  },
  {
    title: `Audio to the client, ${AUDIO_EVENTS} chunks of ${EVENT_AUDIO_MS} ms: samples, first audible, stalls`,
    unit: 'µs a chunk',
    units: AUDIO_EVENTS,
    ways: [
      { name: 'a copy of the bytes', run: () => play((pcm) => new Int16Array(pcm.slice().buffer)) },
      { name: 'a view on the bytes', run: () => play(pcmBytesToSamples) },
    ],
  },
];

function play(samplesOf: (pcm: Uint8Array) => Int16Array): Promise<void> {
  const playback = createPlayback(FREYA_TTS_RATE_HZ);
  for (let chunk = 0; chunk < AUDIO_EVENTS; chunk++) playback.chunk(chunk * 1000, samplesOf(PCM), 0);
  playback.finish();
  return Promise.resolve();
}

async function cpuUsOf({ run }: Way): Promise<number> {
  const before = process.cpuUsage();
  await run();
  const { user, system } = process.cpuUsage(before);
  return user + system;
}

for (const { title, unit, units, ways } of RACES) {
  for (let warmUp = 0; warmUp < 10; warmUp++) for (const way of ways) await way.run();
  const spent = ways.map((): number[] => []);
  for (let round = 0; round < rounds; round++) {
    for (const offset of ways.keys()) {
      const index = (round + offset) % ways.length;
      const way = ways[index];
      if (way !== undefined) spent[index]?.push(await cpuUsOf(way));
    }
  }
  console.log(`\n${title}   (${rounds} rounds)`);
  for (const [index, { name }] of ways.entries()) {
    const own = spent[index] ?? [];
    const { mean } = clusteredMean(own.map((us) => [us / units]));
    const ratio = clusteredMean(own.map((us, round) => [us / (spent[0]?.[round] ?? us)]));
    const range = index === 0 ? '1' : `${ratio.mean.toFixed(2)} [${ratio.low?.toFixed(2)}, ${ratio.high?.toFixed(2)}]`;
    console.log(`  ${name.padEnd(32)} ${mean.toFixed(2).padStart(8)} ${unit}   × ${range}`);
  }
}

/**
 * `npm run bench -- parsers`: our readers of provider streams, and the whole way of a reply's audio, against the plain way of the libraries.
 * CPU of this process, rounds interleaved, ratios paired by round with 95 % intervals over rounds. No network: bodies are in memory.
 */
import { createFalClient } from '@fal-ai/client';
import { createParser } from 'eventsource-parser';
import OpenAI from 'openai';
import type { LlmRequest, TtsRequest } from '../../service/base/ports.ts';
import { createAudioHosts } from '../../service/providers/audio-hosts.ts';
import { createFreyaTts } from '../../service/providers/freya-tts.ts';
import { createOpenRouter } from '../../service/providers/openrouter.ts';
import { LIVE_ENDPOINTS } from '../../service/world.ts';
import { clusteredMean, ratioOfSums } from '../../replay/statistics/estimates.ts';
import { commandOf, wholeFrom } from '../../scripts/programs/options.ts';
import { plainReply, stagedReply } from './reply-audio.ts';
import { AUDIO_EVENTS, callBy, DELTAS, EVENT_AUDIO_MS, fetchOf, LLM_CHUNKS, PCM, TTS_CHUNKS } from './stream-bodies.ts';

const { rounds } = commandOf('npm run bench -- parsers')
  .option('--rounds <n>', 'rounds of each race', wholeFrom(2), 30)
  .parse()
  .opts<{ rounds: number }>();

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

const AUDIO_TEXT = PCM.toString('base64');
const POOL = Buffer.alloc(PCM.byteLength);

interface Way {
  name: string;
  run(): Promise<unknown>;
}
interface Race {
  title: string;
  unit: string;
  units: number;
  /** Runs in one measurement, by default 1: the clock of a process does not see a short one. */
  times?: number;
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
          await llm.stream({ ...LLM_REQUEST, sse }, callBy(fetchOf(LLM_CHUNKS)), (delta) => deltas.push(delta));
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
          await tts.synthesize({ ...TTS_REQUEST, sse }, callBy(fetchOf(TTS_CHUNKS)), (pcm) => audio.push(pcm));
        },
      })),
    ],
  },
  {
    title: `A reply's audio, stream to client, ${AUDIO_EVENTS} events`,
    unit: 'µs an event',
    units: AUDIO_EVENTS,
    ways: [
      { name: 'fal client, by hand', run: plainReply },
      ...(['sdk', 'parser'] as const).map((sse) => ({
        name: `a turn's stages, ${sse}`,
        run: () => stagedReply(tts, sse),
      })),
    ],
  },
  // two ideas that the service does not use yet
  {
    title: `Idea: ${AUDIO_EVENTS} base64 texts decoded into one buffer`,
    unit: 'µs an event',
    units: AUDIO_EVENTS,
    times: 50,
    ways: [
      { name: 'Buffer.from, as now', run: () => decoded((text) => Buffer.from(text, 'base64')) },
      {
        name: 'into a buffer that is there',
        run: () => decoded((text) => POOL.subarray(0, POOL.write(text, 'base64'))),
      },
    ],
  },
  {
    title: `Idea: ${DELTAS} server-sent events cut out on bytes`,
    unit: 'µs an event',
    units: DELTAS,
    times: 50,
    ways: [
      { name: 'eventsource-parser, as now', run: () => Promise.resolve(eventsByParser()) },
      { name: 'by hand, on bytes', run: () => Promise.resolve(eventsOnBytes()) },
    ],
  },
];

function decoded(decode: (text: string) => Uint8Array): Promise<number> {
  let bytes = 0;
  for (let event = 0; event < AUDIO_EVENTS; event++) bytes += decode(AUDIO_TEXT).byteLength;
  return Promise.resolve(bytes);
}

function eventsByParser(): string[] {
  const events: string[] = [];
  const decoder = new TextDecoder();
  const parser = createParser({ onEvent: ({ data }) => void events.push(data) });
  for (const chunk of LLM_CHUNKS) parser.feed(decoder.decode(chunk, { stream: true }));
  return events;
}

/** Less than the format has: one `data` line an event, ends of line as OpenRouter's. */
function eventsOnBytes(): string[] {
  const events: string[] = [];
  let rest: Buffer = Buffer.alloc(0);
  for (const chunk of LLM_CHUNKS) {
    rest = rest.length === 0 ? Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length) : Buffer.concat([rest, chunk]);
    for (let end = rest.indexOf('\n\n'); end >= 0; end = rest.indexOf('\n\n')) {
      events.push(rest.toString('utf8', 'data: '.length, end));
      rest = rest.subarray(end + 2);
    }
  }
  return events;
}

/** Of one run. */
async function cpuUsOf({ run }: Way, times: number): Promise<number> {
  const before = process.cpuUsage();
  for (let time = 0; time < times; time++) await run();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / times;
}

for (const { title, unit, units, times = 1, ways } of RACES) {
  for (let warmUp = 0; warmUp < 10; warmUp++) for (const way of ways) await way.run();
  const spent = ways.map((): number[] => []);
  for (let round = 0; round < rounds; round++) {
    for (const offset of ways.keys()) {
      const index = (round + offset) % ways.length;
      const way = ways[index];
      if (way !== undefined) spent[index]?.push(await cpuUsOf(way, times));
    }
  }
  console.log(`\n${title}   (${rounds} rounds)`);
  for (const [index, { name }] of ways.entries()) {
    const own = spent[index] ?? [];
    const { mean } = clusteredMean(own.map((us) => [us / units]));
    const ratio = ratioOfSums(own.map((us, round) => [us, spent[0]?.[round] ?? us]));
    const range = index === 0 ? '1' : `${ratio.mean.toFixed(2)} [${ratio.low?.toFixed(2)}, ${ratio.high?.toFixed(2)}]`;
    console.log(`  ${name.padEnd(32)} ${mean.toFixed(2).padStart(8)} ${unit}   × ${range}`);
  }
}

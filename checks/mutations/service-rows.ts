/** What clients, providers and captures send to the service: a row a parser, with samples that it reads. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { callBy, fetchOf, LLM_CHUNKS, TTS_CHUNKS } from '../../bench/programs/stream-bodies.ts';
import { AudioFormatError, encodeWav, l16ToPcm, parseWav } from '../../service/audio/pcm.ts';
import { createOpusEncoder, webmOf } from '../../service/audio/opus.ts';
import { createRealClock } from '../../service/base/clock.ts';
import { linesOf } from '../../service/base/file-lines.ts';
import { InputError, StageError } from '../../service/base/errors.ts';
import { fieldOf, isObject, parsedJson } from '../../service/base/json.ts';
import type { LlmRequest, Llm, Stt, Tts, TtsRequest } from '../../service/base/ports.ts';
import { readBundle } from '../../service/capture/bundle-reader.ts';
import { filesIn, type SessionFiles } from '../../service/capture/store.ts';
import { advance, NEW_CONVERSATION } from '../../service/socket/conversation.ts';
import type { ConversationMessage, ConversationState } from '../../service/socket/conversation-words.ts';
import { ProblemError } from '../../service/http/problem.ts';
import { decodeUploadedWebm } from '../../service/http/webm.ts';
import { createAudioHosts } from '../../service/providers/audio-hosts.ts';
import { createFreyaStt } from '../../service/providers/freya-stt.ts';
import { createFreyaTts } from '../../service/providers/freya-tts.ts';
import { createOpenRouter } from '../../service/providers/openrouter.ts';
import { checkPatch, resolveStrategy } from '../../service/strategy/patch.ts';
import { LIVE_ENDPOINTS } from '../../service/world.ts';
import { capturedSession } from '../../replay/sessions/load.ts';
import { bundleTurns, type LoadedTurns } from '../../replay/traces/load.ts';
import { speechPcm } from '../../sim/times/speech-audio.ts';
import type { ParserRow } from './fuzz.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const bytesOf = (...texts: readonly string[]): Uint8Array[] => texts.map((text) => Buffer.from(text));
const textOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString('utf8');
const isInputError = (error: unknown): boolean => error instanceof InputError;
const isAudioError = (error: unknown): boolean => error instanceof AudioFormatError;
/** An internal error of a stage is a fault of ours. */
const isStageError = (error: unknown): boolean => error instanceof StageError && error.kind !== 'internal';

const PCM = speechPcm('mutations', 3200, 0);
const SAMPLES = new Int16Array(PCM.buffer, PCM.byteOffset, PCM.byteLength / 2);

async function webmSample(): Promise<Uint8Array> {
  const encoder = createOpusEncoder(16_000);
  encoder.push(SAMPLES);
  encoder.finish();
  return webmOf(encoder.packets, 16_000);
}

/** Every line is a text message and a binary one, in each state of a conversation. */
function converse(bytes: Uint8Array): void {
  const messages = textOf(bytes)
    .split('\n')
    .slice(0, 50)
    .flatMap((line): ConversationMessage[] => [
      { kind: 'text', json: parsedJson(line) },
      { kind: 'binary', bytes: Buffer.from(line), atUs: 1 },
      { kind: 'turn-ended' },
    ]);
  const session = { nowUs: 0, isOpen: true, isBusy: false, isOverloaded: false, mayInterrupt: true };
  for (const first of [[], [{ type: 'start', sampleRateHz: 16_000, format: 'pcm_s16le' }]]) {
    let state: ConversationState = NEW_CONVERSATION;
    for (const json of first) state = advance(state, { kind: 'text', json }, session).state;
    for (const message of messages) state = advance(state, message, session).state;
    advance(state, { kind: 'turn-over', interruptedUs: 0 }, session);
  }
}

const FORMAT_1 = join(ROOT, 'fixtures/sessions/format-1');
const BUNDLES = readdirSync(FORMAT_1).map((name) => join(FORMAT_1, name));

/** Up to the line that ends a turn. */
const firstTurn = (events: string): Uint8Array => {
  const lines = events.split('\n');
  return Buffer.from(`${lines.slice(0, lines.findIndex((line) => line.includes('"line":"end"')) + 1).join('\n')}\n`);
};

/** The bundle with one file that the bytes replace, read as a replay and a comparison read it. */
async function readDamaged(file: string, bytes: Uint8Array): Promise<LoadedTurns> {
  const [folder = ''] = BUNDLES;
  const original = filesIn(folder);
  const files: SessionFiles = {
    ...original,
    where: 'damaged',
    read: async (name) => (name === file ? bytes : original.read(name)),
    lines: (name) => (name === file ? linesOf(Buffer.from(bytes)) : original.lines(name)),
  };
  const bundle = await readBundle(files);
  capturedSession(bundle);
  return bundleTurns(bundle);
}

const CONFIG = {
  ...LIVE_ENDPOINTS,
  falKey: 'k',
  openRouterKey: 'k',
  keys: ['k'],
  audioHosts: createAudioHosts([]),
};
const llm: Llm = createOpenRouter(CONFIG);
const tts: Tts = createFreyaTts(CONFIG);
const stt: Stt = createFreyaStt(CONFIG);
const ASKED: LlmRequest = {
  ...{ model: 'm', messages: [{ role: 'user', content: 'x' }], maxTokens: 9, sessionId: 's', fallback: [] },
  sse: 'parser',
};
const SAID: TtsRequest = {
  ...{ text: 'x'.repeat(500), method: 'stream', sse: 'parser', queue: { status: 'poll', pollMs: 1 } },
  ...{ format: 'default', voice: 'v', speed: 1, language: 'tr' },
};
const ignore = (): void => undefined;
const answering = (type: string, bytes: Uint8Array) => (): Promise<Response> =>
  Promise.resolve(new Response(Uint8Array.from(bytes), { headers: { 'content-type': type } }));
const readVariant = (name: string): Uint8Array => readFileSync(join(ROOT, 'replay/variants', name));
const patchIn = (bytes: Uint8Array): Record<string, unknown> => {
  const json = parsedJson(textOf(bytes));
  if (!isObject(json)) throw new InputError('no patch');
  return json;
};
const resolved = (bytes: Uint8Array): unknown => resolveStrategy([patchIn(bytes)], 'x');
const checked = (bytes: Uint8Array): void => checkPatch(patchIn(bytes), 'x');
const first = (chunks: readonly Uint8Array[], count: number): Uint8Array =>
  Buffer.concat([...chunks.slice(0, count), ...chunks.slice(-2)]);

export async function serviceRows(): Promise<ParserRow[]> {
  const variants = readdirSync(join(ROOT, 'replay/variants')).filter((name) => name.endsWith('.json'));
  return [
    {
      name: 'messages of a WebSocket',
      samples: bytesOf(
        '{"type":"start","sampleRateHz":16000,"format":"pcm_s16le"}\nabcd\n{"type":"played","ms":12.5}\n{"type":"end"}',
        '{"type":"end"}',
      ),
      parse: converse,
      isDeclared: () => false,
    },
    {
      name: 'WAV',
      samples: [encodeWav(SAMPLES, 16_000), encodeWav(SAMPLES.subarray(0, 9), 8000)],
      parse: parseWav,
      isDeclared: isAudioError,
    },
    { name: 'L16', samples: [PCM, PCM.subarray(0, 3)], parse: l16ToPcm, isDeclared: isAudioError },
    {
      name: 'WebM',
      samples: [await webmSample()],
      parse: (bytes) => decodeUploadedWebm(Uint8Array.from(bytes), { clock: createRealClock(), client: 'mutations' }),
      isDeclared: (error) => isAudioError(error) || error instanceof ProblemError,
      limitMs: 4000, // the decoder's deadline is 3 s, and a thread that hung is begun anew
      everyRounds: 20,
    },
    {
      name: 'session.json of a bundle',
      samples: BUNDLES.map((folder) => readFileSync(join(folder, 'session.json'))),
      parse: (bytes) => readDamaged('session.json', bytes),
      isDeclared: isInputError,
      everyRounds: 4,
    },
    {
      name: 'events.jsonl of a bundle',
      samples: BUNDLES.map((folder) => firstTurn(readFileSync(join(folder, 'events.jsonl'), 'utf8'))),
      parse: (bytes) => readDamaged('events.jsonl', bytes),
      isDeclared: isInputError,
    },
    ...([resolved, checked] as const).map((parse): ParserRow => ({
      name: `strategies, ${parse.name}`,
      samples: variants.map((name) =>
        Buffer.from(JSON.stringify(fieldOf(parsedJson(textOf(readVariant(name))), 'patch'))),
      ),
      parse,
      isDeclared: isInputError,
    })),
    ...(['parser', 'sdk'] as const).map((sse): ParserRow => ({
      name: `a streamed reply, read by ${sse}`,
      samples: [first(LLM_CHUNKS, 8)],
      parse: (bytes) => llm.stream({ ...ASKED, sse }, callBy(fetchOf([bytes])), ignore),
      isDeclared: isStageError,
    })),
    {
      name: 'streamed speech',
      samples: [first(TTS_CHUNKS, 1)],
      parse: (bytes) => tts.synthesize(SAID, callBy(fetchOf([bytes])), ignore),
      isDeclared: isStageError,
    },
    {
      name: 'speech as WAV',
      samples: [encodeWav(SAMPLES, 16_000)],
      parse: (bytes) =>
        tts.synthesize({ ...SAID, method: 'speech', format: 'wav' }, callBy(answering('audio/wav', bytes)), ignore),
      isDeclared: isStageError,
    },
    {
      name: 'a transcript',
      samples: bytesOf('{"text":"merhaba"}', '{"error":{"message":"no"}}', '{"text":"a","segments":[{"id":1}]}'),
      parse: (bytes) =>
        stt.transcribe(
          { method: 'transcriptions', audio: PCM, mimeType: 'audio/wav', language: 'tr' },
          callBy(answering('application/json', bytes)),
        ),
      isDeclared: isStageError,
    },
  ];
}

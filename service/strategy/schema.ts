/** Every knob as a row: its values, what it does, and what it is beside its type. A knob enters together with the code that reads it. */
import { section } from '../base/schema.ts';
import { Type } from 'typebox';
import { FILE_LIMITS } from '../base/input-file.ts';
import { modelId, oneOf, providerNames, ROUTED, SIZES, WORDS } from './traits.ts';

const PROVIDER_NAMES = providerNames({ traits: ['needsRouter'] });

const PREFETCHES = ['connect', 'prompt', 'partial'] as const;
export type Prefetch = (typeof PREFETCHES)[number];

export const StrategySchema = section({
  client: section({
    frameMs: Type.Union([Type.Literal('received'), Type.Integer({ minimum: 10, maximum: 1000 })], {
      description: 'frames in which audio reaches the service: as received, or gathered to this length',
    }),
    bargeIn: Type.Union(
      [Type.Literal('off'), section({ minSpeechMs: Type.Integer({ minimum: 100, maximum: 5000 }) })],
      {
        description:
          'speech while the reply is heard pauses it, and so much of it cancels the reply; off: it is ignored',
      },
    ),
  }),
  stt: section(
    {
      method: oneOf(
        ['transcriptions', 'generate'],
        'Freya endpoint: /audio/transcriptions, or a storage upload and /generate',
        { traits: ['connections', 'asksMethod'] },
      ),
      // a decoder writes other tokens in another language, and reads a prompt before it listens
      language: Type.String({
        minLength: 2,
        maxLength: 8,
        description: '`session`, or a language code',
        traits: ['unseen', 'asksModel'],
      }),
      prompt: Type.Optional(
        Type.String({
          minLength: 1,
          maxLength: 400,
          description: 'names and terms that /audio/transcriptions is told to expect; absent: none',
          traits: ['unseen', 'asksSizes'],
        }),
      ),
      upload: Type.Union(
        [
          Type.Literal('whole'),
          section({ atPause: section({ pauseMs: Type.Integer({ minimum: 50, maximum: 2000 }) }) }),
          section({ growing: section({ chunkMs: Type.Integer({ minimum: 100, maximum: 10_000 }) }) }),
        ],
        {
          description:
            'what is sent when: the whole utterance at the end of turn; also what was said so far at every pause of pauseMs; or also every chunkMs of audio. An early answer is the transcript if the user said no more',
          traits: ['asksCalls'],
        },
      ),
      vad: section({
        engine: oneOf(['energy', 'webrtc', 'client'], 'who decides that the user has finished'),
        silenceMs: Type.Integer({ minimum: 100, maximum: 5000, description: 'silence after which the turn ends' }),
        trim: Type.Boolean({
          description: 'upload the speech with 200 ms around it, without the silence before and after',
          ...SIZES,
        }),
      }),
      format: oneOf(
        ['wav', 'webm-opus'],
        'container of the upload: PCM16 in WAV, or Opus in WebM, encoded while audio arrives',
        { traits: ['cpu', 'asksSizes'] },
      ),
      sampleRateHz: oneOf(
        ['received', 48_000, 24_000, 16_000],
        'sample rate of the upload: as received, or at most so many Hz (audio of a lower rate stays as it is)',
        SIZES,
      ),
    },
    WORDS,
  ),
  llm: section({
    model: modelId({ traits: ['words', 'asksModel', 'caches'] }),
    maxTokens: Type.Integer({ minimum: 1, maximum: 4000, traits: ['words', 'asksSizes'] }),
    // how a token is picked from odds that are computed in any case; other words are another matter
    temperature: Type.Number({ minimum: 0, maximum: 2, traits: ['words', 'timeless'] }),
    historyTurns: Type.Union([Type.Literal('all'), Type.Integer({ minimum: 0, maximum: 1000 })], {
      traits: ['words', 'asksSizes', 'caches'],
      description: 'turns of unpruned history that the prompt keeps',
    }),
    route: Type.Union(
      [
        Type.Literal('default'),
        section({
          sort: Type.Optional(oneOf(['price', 'throughput', 'latency'], 'by what OpenRouter orders providers')),
          order: Type.Optional(PROVIDER_NAMES),
          only: Type.Optional(PROVIDER_NAMES),
          ignore: Type.Optional(PROVIDER_NAMES),
          dataCollection: Type.Optional(oneOf(['allow', 'deny'], 'providers that may keep what they are sent')),
        }),
      ],
      // each field may choose another provider, dataCollection too: providers differ in speed
      { description: "OpenRouter's choice of a provider", ...ROUTED },
    ),
    systemPrompt: Type.Union(
      [
        oneOf(['captured', 'compressed'], 'the conversation’s own prompt, or Retake’s short one for interviewers'),
        section({
          sha256: Type.String({ pattern: '^[0-9a-f]{64}$', description: 'of the text; filled in' }),
          chars: Type.Optional(
            Type.Integer({ minimum: 1, maximum: FILE_LIMITS.prompt.maxBytes, description: 'of the text; filled in' }),
          ),
          text: Type.Optional(
            Type.String({
              minLength: 1,
              maxLength: FILE_LIMITS.prompt.maxBytes,
              description: 'the prompt; absent where a capture kept its length only',
            }),
          ),
        }),
      ],
      { description: 'what the model is told to be', traits: ['words', 'asksSizes', 'caches'] },
    ),
    reasoning: oneOf(
      ['default', 'none', 'minimal', 'low', 'medium', 'high'],
      'reasoning effort; default: the field is not sent',
      { traits: ['words', 'unseen', 'asksModel'] }, // tokens that are thought before the first that is said
    ),
    hedge: Type.Union(
      [
        Type.Literal('none'),
        section({
          afterMs: Type.Integer({ minimum: 0, maximum: 60_000, description: 'without content by then, ask again' }),
          model: Type.Optional(modelId({ traits: ['words', 'asksModel'] })),
          ignore: Type.Optional(PROVIDER_NAMES),
        }),
      ],
      {
        description: 'a second request, to another model or past the providers to ignore; the first content wins',
        traits: ['uncounted', 'asksCalls', 'caches'],
      },
    ),
    seed: Type.Union([Type.Literal('none'), Type.Integer({ minimum: 0, maximum: 2 ** 31 - 1 })], {
      description: 'for models that honour it',
      traits: ['words', 'timeless'], // as the temperature: which token is picked
    }),
    sse: oneOf(['sdk', 'parser'], 'who reads the stream: the openai client, or eventsource-parser on the raw body', {
      traits: ['cpu', 'connections'],
    }),
    fallback: Type.Array(modelId(), {
      maxItems: 5,
      ...ROUTED, // the gateway may ask a model that no capture holds
      description: 'models to ask, in this order, when the model cannot answer',
    }),
  }),
  tts: section({
    method: oneOf(
      ['stream', 'speech', 'generate'],
      'Freya endpoint: /stream, /audio/speech, or /generate by fal’s queue',
      { traits: ['connections', 'asksMethod'] },
    ),
    sse: oneOf(['sdk', 'parser'], 'who reads /stream: the fal client, or eventsource-parser on the raw body', {
      traits: ['cpu', 'connections'],
    }),
    queue: section({
      status: oneOf(['poll', 'stream'], 'how /generate learns that its audio is there', { traits: ['asksMethod'] }),
      pollMs: Type.Integer({ minimum: 10, maximum: 10_000, description: 'between two polls' }),
    }),
    format: oneOf(
      ['default', 'pcm', 'wav'],
      'what the endpoint is asked for; default: wav of generate, pcm of the others',
      { traits: ['timeless'] }, // 44 bytes before the same samples
    ),
    // one model speaks for all voices; a voice's own pace is in no figure of a capture or profile
    voice: oneOf(['alloy', 'zeynep', 'ali'], 'Freya voice', { traits: ['timeless'] }),
    speed: Type.Number({ minimum: 0.25, maximum: 4, ...SIZES }),
    trimSilence: Type.Boolean({
      description: 'take the silence off the start of each piece, but for 20 ms',
      traits: ['uncounted'],
    }),
    concurrency: Type.Integer({
      minimum: 1,
      maximum: 8,
      description: 'pieces synthesized at once, played in order',
      traits: ['connections', 'asksCalls'],
    }),
  }),
  pipeline: section({
    chunking: oneOf(['sentence', 'clause', 'reply'], 'where the reply is cut into pieces', SIZES),
    speculation: oneOf(
      ['none', 'predict', 'prefill'],
      'openers synthesized ahead: said once the model begins with one, or said at the end of turn for the model to continue',
      { traits: ['words', 'uncounted', 'asksCalls', 'caches'] }, // openers stand in the system prompt
    ),
    prefetch: Type.Union(
      [
        oneOf(['off', ...PREFETCHES], 'one of them'),
        Type.Array(oneOf(PREFETCHES, 'each'), { minItems: 1, maxItems: PREFETCHES.length, uniqueItems: true }),
      ],
      {
        traits: ['uncounted', 'asksCalls', 'caches'],
        description:
          'connect: as network.preconnect; prompt: sent ahead at speech start, to be cached; partial: the reply begun on an early transcript',
      },
    ),
  }),
  cache: section(
    {
      greeting: Type.Boolean({ description: 'the greeting is spoken from the cache, once it was synthesized' }),
      responses: Type.Boolean({ description: 'so is every short piece of a reply' }),
    },
    { traits: ['uncounted'] },
  ),
  network: section(
    {
      keepAlive: Type.Union(
        [
          Type.Literal(false),
          section({
            idleMs: Type.Integer({
              minimum: 1,
              maximum: 600_000,
              description: 'idle time after which a socket is closed',
            }),
            drain: Type.Boolean({
              description: 'read a stream to its end after its last event, so that its socket lives on',
            }),
          }),
        ],
        { description: 'false: a new connection for every request' },
      ),
      http2: Type.Boolean({
        description: 'HTTP/2: requests to one origin share a connection',
        traits: ['operator', 'asksMethod'],
      }),
      preResolve: Type.Boolean({ description: 'resolve names at speech start, and keep them as long as DNS allows' }),
      preconnect: Type.Boolean({ description: 'open connections at speech start: tts.concurrency to the TTS origin' }),
      region: Type.Optional(
        Type.String({
          pattern: '^[a-z0-9-]{1,40}$',
          description: 'base URLs by their name in RETAKE_REGIONS, `nearest` by measured time to first byte, or `none`',
          traits: ['asksMethod', 'needsRegions'],
        }),
      ),
    },
    { traits: ['connections'] },
  ),
});

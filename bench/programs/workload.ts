/**
 * The turn that the service's own cost is measured on. Its providers answer at once, in this process, without HTTP.
 * 64 kB of user audio as an upload, a reply of 30 deltas and 3 sentences, each 1 s of PCM in 4 events.
 */
import { setImmediate } from 'node:timers/promises';
import { createBundleWriter, type BundleWriter } from '../../service/capture/bundle-writer.ts';
import { EXPORTER, FORMAT } from '../../service/capture/format.ts';
import { projectTurns } from '../../service/capture/projection.ts';
import type { CaptureStore } from '../../service/capture/store.ts';
import { createRealClock } from '../../service/base/clock.ts';
import type { Call, Clock } from '../../service/base/ports.ts';
import type { TurnEvent } from '../../service/base/events.ts';
import { keyedHex } from '../../service/base/random.ts';
import { createSession, type Session } from '../../service/turn/session.ts';
import { REFERENCE_DETECTOR } from '../../service/audio/speech-end.ts';
import type { TurnPorts } from '../../service/calls/stage.ts';
import { DEFAULT_STRATEGY, strategyHash } from '../../service/strategy/strategy.ts';
import type { Tracing } from '../../service/telemetry/otel.ts';
import { questionUpload } from './question.ts';
import { ledgerUs } from '../../replay/diff/ledger-rows.ts';
import { speechPcm } from '../../sim/times/speech-audio.ts';

const DELTAS = 30;
const SENTENCES = 3;
const AUDIO_EVENTS = 4;
const RATE_HZ = 16_000;
/** Turns of one session: its history and its bundle grow with them. */
export const SESSION_TURNS = 10;

const WORDS = Array.from({ length: DELTAS }, (_, index) =>
  (index + 1) % (DELTAS / SENTENCES) === 0 ? ' and so on.' : index % (DELTAS / SENTENCES) === 0 ? ' Then' : ' words',
);
const PIECE = speechPcm('overhead', RATE_HZ * 2, 0);

/** Providers without a network. Every exchange is answered at once; each item comes in the next round of the event loop, as from a socket. */
export function instantPorts(clock: Clock): TurnPorts {
  const eventBytes = PIECE.byteLength / AUDIO_EVENTS;
  return {
    clock,
    transport: {
      async send(_request, marks) {
        const nowUs = clock.nowUs();
        Object.assign(marks, { queuedUs: nowUs, sentUs: nowUs, headersUs: nowUs, reused: true, protocol: '1.1' });
        return new Response('.');
      },
      openAhead: () => Promise.resolve(),
      close: () => Promise.resolve(),
    },
    origins: { stt: 'https://x.test', llm: 'https://x.test', tts: 'https://x.test' },
    stt: {
      model: 'instant',
      async transcribe({ audio }, call) {
        await exchange(call, Uint8Array.from(audio));
        return { text: 'What did you do there?' };
      },
    },
    llm: {
      async stream({ messages }, call, onDelta) {
        await exchange(call, JSON.stringify(messages), async () => {
          for (const word of WORDS) {
            await setImmediate();
            onDelta(word);
          }
        });
        return { servedModel: 'instant', promptTokens: 100, completionTokens: DELTAS };
      },
    },
    tts: {
      model: 'instant',
      sampleRateHz: RATE_HZ,
      async synthesize({ text }, call, onAudio) {
        await exchange(call, text, async () => {
          for (let event = 0; event < AUDIO_EVENTS; event++) {
            await setImmediate();
            onAudio(PIECE.subarray(event * eventBytes, (event + 1) * eventBytes));
          }
        });
        return { audioBytes: PIECE.byteLength };
      },
    },
    random: () => 0.5,
  };
}

/** Sends the request, gives the items to `use` while the body's only chunk is the newest arrival, reads the body to its end. */
async function exchange(
  call: Call,
  body: string | Uint8Array<ArrayBuffer>,
  use: () => Promise<void> = () => Promise.resolve(),
): Promise<void> {
  const response = await call.fetch('https://instant.invalid/', { method: 'POST', body });
  const reader = response.body?.getReader();
  await reader?.read();
  await use();
  await reader?.read();
}

export interface InstantSession {
  /** Runs the next turn and waits until its capture is on disk; returns its log, and what the ledger calls our code, in ms. */
  turn(): Promise<{ events: readonly TurnEvent[]; ourCodeMs: number }>;
}

/** A session over instant providers with the projections that the service gives it. Throws what a projection throws. */
export function instantSession(options: { name: string; tracing?: Tracing; store?: CaptureStore }): InstantSession {
  const clock = createRealClock();
  const bundle = options.store === undefined ? undefined : bundleFor(options.name, options.store, clock);
  const observed = options.tracing !== undefined || bundle !== undefined;
  let faults: unknown[] = [];
  let turns = 0;
  const session: Session = createSession({
    id: options.name,
    language: 'en',
    systemPrompt: 'You are an interviewer.',
    history: [],
    strategy: DEFAULT_STRATEGY,
    identity: {
      runId: 'overhead',
      world: 'sim',
      lane: 'captured',
      variant: 'captured',
      arm: 'overhead',
      strategyHash: strategyHash(DEFAULT_STRATEGY),
    },
    ports: () => instantPorts(clock),
    traceIds: () => keyedHex(32, options.name, turns),
    projections: observed ? [projectTurns({ tracing: options.tracing, bundle })] : [],
    onProjectionError: (error) => faults.push(error),
  });
  return {
    async turn() {
      turns++;
      const { log, summary } = await session.turn({
        audio: questionUpload(clock),
        reply: { audio: () => Promise.resolve() },
      });
      await bundle?.flushed();
      const [fault] = faults;
      faults = [];
      if (fault !== undefined) throw fault;
      return { events: log.events, ourCodeMs: ledgerUs(summary, { stage: 'our code' }) / 1000 };
    },
  };
}

function bundleFor(sessionId: string, store: CaptureStore, clock: Clock): BundleWriter {
  const { name, version, thresholdDbfs } = REFERENCE_DETECTOR;
  return createBundleWriter(store, {
    format: FORMAT,
    exporter: EXPORTER,
    level: 'full',
    sessionId,
    startedEpochUs: clock.epochUs(),
    world: 'sim',
    commit: 'overhead',
    language: 'en',
    systemPromptChars: 0,
    historyChars: [],
    strategy: { ...DEFAULT_STRATEGY },
    endpoints: {},
    referenceDetector: { name, version, thresholdDbfs },
  });
}

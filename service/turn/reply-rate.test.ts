/** A TTS of another sample rate than Freya's: every figure of its reply is in that rate's time. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { tones, type Tones } from '../../testing/turn-by-hand.ts';
import { flatProfile } from '../../testing/flat-profile.ts';
import { runFixtureTurn } from '../../sim/world/fixtures.ts';
import { createSimWorld } from '../../sim/world/world.ts';
import type { EventKind, TurnEvent } from '../base/events.ts';
import type { BodyReader, Clock, ReplySink } from '../base/ports.ts';
import type { TurnPorts } from '../calls/stage.ts';
import { createMemoryCache, type SpeechCache } from '../calls/speech-cache.ts';
import { resolveStrategy, type StrategyPatch } from '../strategy/patch.ts';
import type { FinishedTurn } from './observe.ts';

/** 200 ms of silence and 1 s of a tone at 24 kHz, in chunks of 300 ms. The third chunk comes 900 ms after the second. */
const PCM = new Uint8Array(
  Int16Array.from({ length: 28_800 }, (_, i) => (i < 4800 ? 0 : 8000 * Math.sin(i / 8))).buffer,
);
const CHUNK_BYTES = PCM.byteLength / 4;
const WAITS_MS = [100, 0, 900, 0];

/** Answers every request of `url` with that audio, on the clock. */
function answering(transport: TurnPorts['transport'], url: string, clock: Clock): TurnPorts['transport'] {
  return {
    ...transport,
    async send(request, marks) {
      if (request.url !== url) return transport.send(request, marks);
      Object.assign(marks, { queuedUs: clock.nowUs(), sentUs: clock.nowUs(), reused: true, protocol: '1.1' });
      let chunk = 0;
      const reader: BodyReader = {
        async read() {
          const waitMs = WAITS_MS[chunk];
          if (waitMs === undefined) return { done: true, value: undefined };
          await clock.sleep(waitMs, request.signal);
          return { done: false, value: PCM.slice(CHUNK_BYTES * chunk, CHUNK_BYTES * ++chunk) };
        },
        cancel: () => Promise.resolve(),
      };
      return { status: 200, statusText: '', headers: new Headers(), body: { getReader: () => reader } };
    },
  };
}

function speaker(sampleRateHz: number, url: string): TurnPorts['tts'] {
  return {
    model: 'made-up-tts',
    sampleRateHz,
    async synthesize(_request, call, onAudio) {
      const { body } = await call.send(url, { method: 'POST', body: '' });
      const reader = body?.getReader();
      for (let read = await reader?.read(); read?.done === false; read = await reader?.read()) onAudio(read.value);
      return { audioBytes: PCM.byteLength };
    },
  };
}

interface Options {
  patch?: StrategyPatch;
  speech?: Tones;
  reply?: ReplySink;
  speechCache?: SpeechCache;
}

/** One turn whose reply, of one piece, is the audio above, said to be of this rate. STT and LLM answer at once. */
function spokenAt(sampleRateHz: number, options: Options = {}): Promise<FinishedTurn> {
  const { patch = {}, speech = tones(6000, [[200, 1200]]), reply, speechCache } = options;
  const turn = { audio: '', transcript: 'aaaa', reply: 'Bir cümle.', speechStartMs: 200, speechEndMs: 1200 };
  const interview = { name: 'rates', language: 'tr', systemPrompt: '', greeting: '', turns: [turn] };
  const world = createSimWorld({ profile: flatProfile({}), seed: 'rates', interviews: [interview], speechCache });
  const url = 'https://speech.test/say';
  const ports: typeof world.ports = (...of) => {
    const own = world.ports(...of);
    return { ...own, tts: speaker(sampleRateHz, url), transport: answering(own.transport, url, world.clock) };
  };
  const strategy = resolveStrategy([patch], 'test');
  return world.clock.run(() =>
    runFixtureTurn({ ...world, ports }, interview, 0, { strategy, audio: speech.audio, profile: 'by hand', reply }),
  );
}

const find = ({ log }: FinishedTurn, kind: EventKind): TurnEvent => {
  const event = log.events.find((each) => each.kind === kind);
  assert.ok(event, `${kind} is in the log`);
  return event;
};
/** From the start of the synthesis on. */
const afterMs = (turn: FinishedTurn, kind: EventKind): number =>
  (find(turn, kind).atUs -
    find(turn, turn.log.events.some((e) => e.kind === 'tts.start') ? 'tts.start' : 'cache.looked').atUs) /
  1000;

function figures(turn: FinishedTurn): Record<string, unknown> {
  assert.equal(turn.summary.failure, undefined);
  const { audioMs, leadingSilenceMs } = find(turn, 'tts.done').attrs ?? {};
  return {
    firstAudibleMs: afterMs(turn, 'deliver.first_audible'),
    stallMs: (turn.summary.stallUs ?? NaN) / 1000,
    replyEndMs: afterMs(turn, 'deliver.reply_end'),
    audioMs,
    leadingSilenceMs,
  };
}

test('24 kHz: first audible, stall, reply end, length and leading silence are those of 24 kHz', async () => {
  assert.deepEqual(figures(await spokenAt(24_000)), {
    firstAudibleMs: 100 + 200,
    // 600 ms are there at 100, the next chunk at 1000
    stallMs: 1000 - 700,
    replyEndMs: 1000 + 600,
    audioMs: 1200,
    leadingSilenceMs: 200,
  });
});

test('control: the same samples at 16 kHz last longer, and give other figures', async () => {
  assert.deepEqual(figures(await spokenAt(16_000)), {
    firstAudibleMs: 100 + 300,
    stallMs: 0,
    replyEndMs: 100 + 1800,
    audioMs: 1800,
    leadingSilenceMs: 300,
  });
});

test('tts.trimSilence leaves 20 ms of the rate before the words', async () => {
  const turn = await spokenAt(24_000, { patch: { tts: { trimSilence: true } } });
  assert.equal(afterMs(turn, 'deliver.first_audible'), 100 + 20);
  assert.equal(find(turn, 'deliver.first_byte').attrs?.['bytes'], (300 - 180) * 48);
});

test('an interruption counts heard and unheard audio in time of the rate', async () => {
  const speech = {
    ...tones(6000, [
      [200, 1200],
      [2300, 3300],
    ]),
    speech: { fromMs: 200, toMs: 1200 },
  };
  const interrupted = async (rateHz: number): Promise<unknown[]> => {
    const turn = await spokenAt(rateHz, { speech, patch: { client: { bargeIn: { minSpeechMs: 300 } } } });
    return [turn.summary.heardMs, turn.summary.unheardMs];
  };
  // audio from 1700 + 100 on, the onset in the frame that arrives at 2340
  assert.deepEqual(await interrupted(24_000), [540, 600 - 540]);
  assert.deepEqual(await interrupted(16_000), [540, 900 - 540], 'control');
});

test('the connection is told the rate of its audio, also from the cache; another rate is another entry', async () => {
  const speechCache = createMemoryCache(() => 0);
  const told = async (rateHz: number): Promise<unknown> => {
    const rates = new Set<number>();
    const turn = await spokenAt(rateHz, {
      speechCache,
      patch: { cache: { responses: true } },
      reply: { audio: async (_pcm, _piece, sampleRateHz) => void rates.add(sampleRateHz) },
    });
    const outcome = find(turn, 'cache.looked').attrs?.['outcome'];
    return { outcome, rates: [...rates], audibleMs: afterMs(turn, 'deliver.first_audible') };
  };
  assert.deepEqual(await told(24_000), { outcome: 'miss', rates: [24_000], audibleMs: 300 });
  assert.deepEqual(await told(24_000), { outcome: 'hit', rates: [24_000], audibleMs: 200 });
  assert.deepEqual(await told(16_000), { outcome: 'miss', rates: [16_000], audibleMs: 400 });
});

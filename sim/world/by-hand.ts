/** Turns whose times can be added up on paper: constant latencies, and speech that begins and ends where it is told to. */
import type { SpeechCache } from '../../service/calls/speech-cache.ts';
import type { AudioFrame, Clock, ReplySink, UserAudio } from '../../service/base/ports.ts';
import type { FinishedTurn } from '../../service/turn/observe.ts';
import { resolveStrategy, type StrategyPatch } from '../../service/strategy/patch.ts';
import { runFixtureTurn } from './fixtures.ts';
import { loadProfile, type Profile } from '../times/profile.ts';
import type { Scenario } from '../faults/scenario.ts';
import { createSimWorld, type SimWorld } from './world.ts';

/** A profile in which everything takes no time but what is given, in ms. */
export function flatProfile(ms: {
  stt?: number;
  sttPerSecond?: number;
  llm?: number;
  perPromptChar?: number;
  tts?: number;
  sendPerKb?: number;
  dns?: number;
  connect?: number;
  tls?: number;
  /** Inside each wait. */
  roundTrip?: number;
  /** Round trips there for one to the default endpoints. */
  regions?: Readonly<Record<string, number>>;
  /** Last event of a stream → its end. */
  terminator?: number;
  other?: Partial<Record<keyof Profile['other'], number>>;
  /** Between deltas of `deltaChars` characters each. */
  deltaGap?: number;
  deltaChars?: number;
  /** Models that take another time than `llm` until their headers. */
  models?: Readonly<Record<string, number>>;
}): Profile {
  const zero = loadProfile('zero');
  const flat = (value = 0): Profile['stt']['waitMs'] => ({ source: 'set by a test', quantiles: [[0, value]] });
  return {
    ...zero,
    network: {
      ...zero.network,
      sendMsPerKb: flat(ms.sendPerKb),
      dnsMs: flat(ms.dns),
      connectMs: flat(ms.connect),
      tlsMs: flat(ms.tls),
      roundTripMs: flat(ms.roundTrip),
      terminatorMs: flat(ms.terminator),
    },
    regions: Object.fromEntries(
      Object.entries(ms.regions ?? {}).map(([name, factor]) => [name, { roundTrips: flat(factor) }]),
    ),
    stt: { ...zero.stt, waitMs: flat(ms.stt), perAudioSecondMs: flat(ms.sttPerSecond) },
    other: { ...zero.other, ...mapValues(ms.other ?? {}, flat) },
    tts: {
      ...zero.tts,
      stream: { ...zero.tts.stream, waitMs: flat(ms.tts) },
      speech: { ...zero.tts.speech, waitMs: flat(ms.tts) },
      generate: { ...zero.tts.generate, waitMs: flat(ms.tts) },
    },
    llm: { ...zero.llm, headersMs: flat(1), perPromptCharMs: flat(ms.perPromptChar), models: modelsOf() },
  };

  /** Headers take a ms times the model's scale. */
  function modelsOf(): Profile['llm']['models'] {
    const of = (headersMs: number, own = zero.llm.models['default']): Profile['llm']['models'][string] => {
      if (own === undefined) throw new TypeError('the profile has no default model');
      const charsPerDelta = ms.deltaChars === undefined ? own.charsPerDelta : flat(ms.deltaChars);
      return { scale: flat(headersMs), charsPerDelta, gapMs: flat(ms.deltaGap) };
    };
    const slower = Object.entries(ms.models ?? {}).map(([name, headersMs]) => [name, of(headersMs)] as const);
    return { default: of(ms.llm ?? 0), ...Object.fromEntries(slower) };
  }
}

function mapValues<Key extends string, Value>(
  figures: Partial<Record<Key, number>>,
  make: (ms: number) => Value,
): Partial<Record<Key, Value>> {
  const made: Partial<Record<Key, Value>> = {};
  for (const key in figures) {
    const ms = figures[key];
    if (ms !== undefined) made[key] = make(ms);
  }
  return made;
}

/** What somebody says: when, and how it reaches the service. */
export interface Tones {
  speech: { fromMs: number; toMs: number };
  audio: (clock: Clock) => UserAudio;
}

/** Speech (a loud tone) in the given spans of ms, near silence elsewhere, at the speaker's pace in frames of `frameMs`. */
export function tones(
  lengthMs: number,
  spans: readonly (readonly [fromMs: number, toMs: number])[],
  { frameMs = 20, rateHz = 16_000 } = {},
): Tones {
  const perMs = rateHz / 1000;
  const samples = Int16Array.from({ length: lengthMs * perMs }, (_, i) => {
    const loud = spans.some(([from, to]) => i >= from * perMs && i < to * perMs);
    return ((i * 7919) % 41) - 20 + (loud ? Math.round(6000 * Math.sin((3.2 * i) / perMs)) : 0);
  });
  const speech = { fromMs: spans[0]?.[0] ?? 0, toMs: spans.at(-1)?.[1] ?? 0 };
  const audio: Tones['audio'] = (clock) => ({
    zero: 'audio',
    sampleRateHz: rateHz,
    async *frames(signal): AsyncGenerator<AudioFrame> {
      for (let from = 0; from < samples.length; from += frameMs * perMs) {
        try {
          await clock.sleep(frameMs, signal);
        } catch {
          return;
        }
        yield { atUs: clock.nowUs(), samples: samples.subarray(from, from + frameMs * perMs) };
      }
    },
  });
  return { speech, audio };
}

/** Runs one turn on such audio, under the defaults and `patch`: five words of four letters, spread over the speech. */
export async function turnByHand(options: {
  profile: Profile;
  tones: Tones;
  patch?: StrategyPatch;
  reply?: string;
  systemPrompt?: string;
  /** Decides the draws, where there are any. */
  sessionId?: string;
  /** How many such turns follow each other, `pauseMs` apart, in one world: the last one is returned. */
  turns?: number;
  pauseMs?: number;
  client?: ReplySink;
  /** Cancels the turn at this time. */
  abortAtMs?: number;
  scenario?: Scenario;
  speechCache?: SpeechCache;
}): Promise<FinishedTurn & { world: SimWorld }> {
  const { turns = 1, pauseMs = 0 } = options;
  const { speech, audio } = options.tones;
  const turn = {
    audio: '',
    transcript: 'aaaa bbbb cccc dddd eeee',
    reply: options.reply ?? 'Bir cümle söylendi, ve bitti. İkincisi de hemen ardından geldi.',
    speechStartMs: speech.fromMs,
    speechEndMs: speech.toMs,
  };
  const systemPrompt = options.systemPrompt ?? 'Sor.';
  const interview = {
    name: 'by-hand',
    language: 'tr',
    systemPrompt,
    greeting: 'Merhaba.',
    turns: Array<typeof turn>(turns).fill(turn),
  };
  const { profile, sessionId, scenario, speechCache } = options;
  const world = createSimWorld({ profile, seed: 'by hand', interviews: [interview], scenario, speechCache });
  const strategy = resolveStrategy([options.patch ?? {}], 'by hand');
  const over = new AbortController();
  const cancel = new AbortController();
  const run = (turnIndex: number): Promise<FinishedTurn> =>
    runFixtureTurn(world, interview, turnIndex, {
      strategy,
      audio,
      profile: 'by hand',
      signal: cancel.signal,
      reply: options.client,
      sessionId,
    });
  const cancelling = async (): Promise<void> => {
    if (options.abortAtMs === undefined) return;
    const passed = await world.clock.sleep(options.abortAtMs, over.signal).then(
      () => true,
      () => false,
    );
    if (passed) cancel.abort(new Error('cancelled by hand'));
  };
  const finished = await world.clock.run(async () => {
    const cancelled = cancelling();
    for (let turnIndex = 0; turnIndex < turns - 1; turnIndex++) {
      await run(turnIndex);
      await world.clock.sleep(pauseMs);
    }
    const last = await run(turns - 1);
    over.abort(new Error('the turn is over'));
    await cancelled;
    return last;
  });
  return { ...finished, world };
}

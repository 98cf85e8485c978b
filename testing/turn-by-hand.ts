/** Turns whose times a test can add up on paper: speech begins and ends where the test says. */
import type { SpeechCache } from '../service/calls/speech-cache.ts';
import type { AudioFrame, Clock, ReplySink, UserAudio } from '../service/base/ports.ts';
import type { Stalls } from '../service/turn-log/blocked.ts';
import type { FinishedTurn } from '../service/turn/observe.ts';
import { resolveStrategy, type StrategyPatch } from '../service/strategy/patch.ts';
import { runFixtureTurn } from '../sim/world/fixtures.ts';
import type { Profile } from '../sim/times/profile.ts';
import type { Scenario } from '../sim/faults/scenario.ts';
import { createSimWorld, type SimWorld } from '../sim/world/world.ts';

/** Speech, and the audio that holds it. */
export interface Tones {
  speech: { fromMs: number; toMs: number };
  audio: (clock: Clock) => UserAudio;
}

/** A loud tone in the given spans, near silence elsewhere, in frames at the speaker's pace. */
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

/** Runs turns on such audio, under the defaults and `patch`. The user says five words of four letters, spread over the speech. */
export async function turnByHand(options: {
  profile: Profile;
  tones: Tones;
  patch?: StrategyPatch;
  reply?: string;
  systemPrompt?: string;
  /** Part of the draws' key. */
  sessionId?: string;
  /** So many turns follow each other in one world, `pauseMs` apart. The last one is returned. */
  turns?: number;
  pauseMs?: number;
  client?: ReplySink;
  /** Cancels the turns at this time. */
  abortAtMs?: number;
  scenario?: Scenario;
  speechCache?: SpeechCache;
  /** In which the process stood still, which virtual time has none of. */
  stalls?: Stalls;
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
  const { profile, sessionId, scenario, speechCache, stalls } = options;
  const world = createSimWorld({ profile, seed: 'by hand', interviews: [interview], scenario, speechCache });
  const strategy = resolveStrategy([options.patch ?? {}], 'by hand');
  const over = new AbortController();
  const cancel = new AbortController();
  const stalling = { ...world, ports: (...of: Parameters<SimWorld['ports']>) => ({ ...world.ports(...of), stalls }) };
  const run = (turnIndex: number): Promise<FinishedTurn> =>
    runFixtureTurn(stalling, interview, turnIndex, {
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

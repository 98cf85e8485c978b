/** Turns whose times can be added up on paper: constant latencies, and speech that begins and ends where it is told to. */
import type { AudioFrame, Clock, UserAudio } from '../service/ports.ts';
import type { FinishedTurn } from '../service/session.ts';
import { resolveStrategy, type StrategyPatch } from '../service/strategy.ts';
import { loadInterviews, runFixtureTurn } from './fixtures.ts';
import { loadProfile, type Profile } from './profile.ts';
import { createSimWorld, type SimWorld } from './world.ts';

const RATE_HZ = 16_000;

/** A profile in which everything takes no time but what is given, in ms. */
export function flatProfile(ms: { stt?: number; sttPerSecond?: number; llm?: number; sendPerKb?: number }): Profile {
  const zero = loadProfile('zero');
  const flat = (value = 0): Profile['stt']['waitMs'] => ({ source: 'set by a test', quantiles: [[0, value]] });
  return {
    ...zero,
    network: { ...zero.network, sendMsPerKb: flat(ms.sendPerKb) },
    stt: { ...zero.stt, waitMs: flat(ms.stt), perAudioSecondMs: flat(ms.sttPerSecond) },
    llm: { ...zero.llm, headersMs: flat(ms.llm), models: withScaleOne(zero.llm.models, flat(1)) },
  };
}

function withScaleOne(models: Profile['llm']['models'], one: Profile['stt']['waitMs']): Profile['llm']['models'] {
  return Object.fromEntries(Object.entries(models).map(([name, figures]) => [name, { ...figures, scale: one }]));
}

/** Speech (a loud tone) in the given spans of ms, near silence elsewhere, at the speaker's pace in frames of `frameMs`. */
export function tones(
  lengthMs: number,
  spans: readonly (readonly [fromMs: number, toMs: number])[],
  frameMs = 20,
): (clock: Clock) => UserAudio {
  const perMs = RATE_HZ / 1000;
  const samples = Int16Array.from({ length: lengthMs * perMs }, (_, i) => {
    const loud = spans.some(([from, to]) => i >= from * perMs && i < to * perMs);
    return ((i * 7919) % 41) - 20 + (loud ? Math.round(6000 * Math.sin(i / 5)) : 0);
  });
  return (clock) => ({
    zero: 'audio',
    sampleRateHz: RATE_HZ,
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
}

/** Runs one turn of the first interview on such audio, under the defaults and `patch`. */
export async function turnByHand(options: {
  profile: Profile;
  audio: (clock: Clock) => UserAudio;
  patch?: StrategyPatch;
  turnIndex?: number;
}): Promise<FinishedTurn & { world: SimWorld }> {
  const interviews = loadInterviews();
  const [interview] = interviews;
  if (interview === undefined) throw new TypeError('there are no interviews');
  const world = createSimWorld({ profile: options.profile, seed: 'by hand', interviews });
  const strategy = resolveStrategy([options.patch ?? {}], 'by hand');
  const turn = await world.clock.run(() =>
    runFixtureTurn(world, interview, options.turnIndex ?? 0, { strategy, audio: options.audio, profile: 'by hand' }),
  );
  return { ...turn, world };
}

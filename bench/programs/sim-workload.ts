/** The turn that virtual time's speed is measured on: 30 deltas, 3 pieces of 1 s PCM in 4 events each, a 64 kB upload. */
import { DEFAULT_STRATEGY, type Strategy } from '../../service/strategy/strategy.ts';
import { resolveStrategy, type StrategyPatch } from '../../service/strategy/patch.ts';
import { loadProfile, type Figure, type Profile } from '../../sim/times/profile.ts';
import { createSimSession, type SimSession } from '../../sim/world/session.ts';
import { createSimWorld, type SimWorld } from '../../sim/world/world.ts';

export const TURNS_A_SESSION = 10;
const DELTAS = 30;
const PIECE = 'Anlattığınız bu proje gerçekten ilgi çekici ve iyi tasarlanmış görünüyor bana.';
const REPLY = [PIECE, PIECE, PIECE].join(' ');

const constant = (value: number): Figure => ({
  source: 'the workload of npm run bench -- sim',
  quantiles: [[0, value]],
});

/** Profile `seed` with the bar's sizes: its times stay drawn. */
function workloadProfile(): Profile {
  const profile = loadProfile('seed');
  const models = Object.fromEntries(
    Object.entries(profile.llm.models).map(([model, figures]) => [
      model,
      { ...figures, charsPerDelta: constant(REPLY.length / DELTAS) },
    ]),
  );
  const stream = { ...profile.tts.stream, audioMsPerItem: constant(250) };
  return {
    ...profile,
    llm: { ...profile.llm, models },
    tts: {
      ...profile.tts,
      stream,
      leadingSilenceMs: constant(100),
      charsPerSecond: constant(PIECE.length / 0.888),
    },
  };
}

export interface WorkloadSession {
  world: SimWorld;
  session: SimSession;
}

const profile = workloadProfile();

/** One session in a world of its own. */
export function workloadSession(
  seed: string,
  ordinal: number,
  patches: readonly StrategyPatch[] = [],
): WorkloadSession {
  const world = createSimWorld({
    profile,
    seed: `${seed}/${ordinal}`,
    script: { transcript: () => 'O projede daha çok arka uç tarafında çalıştım.', reply: () => REPLY },
  });
  const strategy: Strategy = resolveStrategy(patches, 'workload', DEFAULT_STRATEGY);
  const session = createSimSession({
    world,
    sessionId: `workload-${ordinal}`,
    strategy,
    language: 'tr',
    systemPrompt: 'Sen deneyimli bir mülakatçısın.',
    profile: 'seed',
  });
  return { world, session };
}

/**
 * `npm run verify -- profile`: does profile `seed` have the means that the field reports today? Draws it over every fixture turn and
 * 200 seeds in virtual time. Prints n, mean and its 95 % interval; exit code 1 when a mean is off by more than 10 %.
 */
import { createRealClock } from '../service/base/clock.ts';
import type { StageServiceUs } from '../service/turn-log/metrics.ts';
import { DEFAULT_STRATEGY } from '../service/strategy/strategy.ts';
import { fixtureAudio, FEW_INTERVIEWS, loadInterviews, runFixtureTurn } from '../sim/world/fixtures.ts';
import { loadProfile } from '../sim/times/profile.ts';
import { createSimWorld } from '../sim/world/world.ts';
import { commandOf } from '../scripts/programs/options.ts';

const SEEDS = 200;
const TOLERANCE = 0.1;
/** Service times do not depend on the client's frames; few of them make the run short. */
const FRAME_MS = 100;
const EXPECTED: readonly { stage: keyof StageServiceUs; name: string; meanMs: number }[] = [
  { stage: 'stt', name: 'STT', meanMs: 800 },
  { stage: 'llm', name: 'LLM time to first token', meanMs: 1500 },
  { stage: 'tts', name: 'TTS time to first byte', meanMs: 500 },
];

commandOf('npm run verify -- profile').parse();
const profile = loadProfile('seed');
const interviews = loadInterviews(FEW_INTERVIEWS);
const turns = interviews.flatMap((interview) =>
  interview.turns.map(({ audio }, turnIndex) => ({ interview, turnIndex, audio: fixtureAudio(audio, FRAME_MS) })),
);
const measuredMs = new Map<keyof StageServiceUs, number[]>(EXPECTED.map(({ stage }) => [stage, []]));
const clock = createRealClock();
const beganUs = clock.nowUs();
for (let seed = 1; seed <= SEEDS; seed++) {
  const world = createSimWorld({ profile, seed: String(seed), interviews });
  for (const { interview, turnIndex, audio } of turns) {
    const { summary } = await world.clock.run(() =>
      runFixtureTurn(world, interview, turnIndex, { strategy: DEFAULT_STRATEGY, audio, profile: 'seed' }),
    );
    for (const [stage, values] of measuredMs) {
      const us = summary.serviceUs[stage];
      if (us === undefined) throw new Error(`${interview.name} ${turnIndex}, seed ${seed}: ${stage} was not measured`);
      values.push(us / 1000);
    }
  }
  await world.close();
  if (seed % 50 === 0) console.error(`${seed} of ${SEEDS} seeds`);
}

let off = 0;
for (const { stage, name, meanMs } of EXPECTED) {
  const values = measuredMs.get(stage) ?? [];
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (values.length - 1);
  const half = 1.96 * Math.sqrt(variance / values.length);
  const holds = Math.abs(mean / meanMs - 1) <= TOLERANCE;
  if (!holds) off++;
  console.log(
    `${holds ? 'ok ' : 'OFF'} ${name.padEnd(26)} mean ${mean.toFixed(0).padStart(5)} ms ±${half.toFixed(0)} (expected ${meanMs} ±10 %, n ${values.length})`,
  );
}
const seconds = (clock.nowUs() - beganUs) / 1e6;
console.log(
  `${SEEDS * turns.length} turns in ${seconds.toFixed(0)} s, profile seed, predicted; again: npm run verify -- profile`,
);
process.exitCode = off === 0 ? 0 : 1;

/**
 * `npm run verify -- combinations`: short turns under random admitted strategies in virtual time, every tenth also cancelled on its
 * way. A turn that breaks a rule is printed with its strategy and the command that repeats it; the exit code is then 1.
 */
import { createRealClock } from '../../service/base/clock.ts';
import { keyedRandom } from '../../service/base/random.ts';
import { commandOf, wholeFrom } from '../../scripts/programs/options.ts';
import { randomStrategy } from './combinations.ts';
import { complaints, leftovers, play } from './combined-turn.ts';

const { turns, seed } = commandOf('npm run verify -- combinations')
  .option('--turns <n>', 'random turns', wholeFrom(1), 2000)
  .option('--seed <text>', 'seed of strategies and voices', 'combinations')
  .parse()
  .opts<{ turns: number; seed: string }>();
const repeat = `npm run verify -- combinations --turns ${turns} --seed ${seed}`;
console.log(`seed ${seed}; again: ${repeat}`);

const LONGEST_MS = 8000;
const clock = createRealClock();
const beganUs = clock.nowUs();
const random = keyedRandom(seed, 'random');
let good = 0;
for (let index = 0; index < turns; index++) {
  const strategy = randomStrategy(random);
  const failed = (error: unknown): string[] => [String(error)];
  const wrong = await play(strategy, `${seed} ${index}`).then(complaints, failed);
  if (index % 10 === 0) {
    const atMs = Math.floor(keyedRandom(seed, 'cancel', index)() * LONGEST_MS);
    const left = await play(strategy, `${seed} ${index}`, atMs).then(leftovers, failed);
    wrong.push(...left.map((each) => `cancelled after ${atMs} ms: ${each}`));
  }
  if (wrong.length === 0) good++;
  else console.log(`turn ${index}: ${wrong.join('; ')}\n  ${JSON.stringify(strategy)}\n  again: ${repeat}`);
}
console.log(`${good} of ${turns} turns keep the rules; ${((clock.nowUs() - beganUs) / 1e6).toFixed(1)} s`);
process.exitCode = good === turns ? 0 : 1;

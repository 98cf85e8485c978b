/**
 * `npm run check:combinations`, or `node checks/random-turns/combinations-main.ts [--turns n] [--seed text]`: short turns under random
 * admitted strategies in virtual time, every tenth also cancelled on its way. Prints the seed first, and for a turn that
 * breaks a rule its strategy and the command that repeats it; exit code 1.
 */
import { parseArgs } from 'node:util';
import { createRealClock } from '../../service/base/clock.ts';
import { keyedRandom } from '../../service/base/random.ts';
import { randomStrategy } from './combinations.ts';
import { complaints, leftovers, play } from './combined-turn.ts';

const { values } = parseArgs({ options: { turns: { type: 'string' }, seed: { type: 'string' } } });
const turns = Number(values.turns ?? 2000);
const seed = values.seed ?? 'combinations';
const repeat = `node checks/random-turns/combinations-main.ts --turns ${turns} --seed ${seed}`;
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

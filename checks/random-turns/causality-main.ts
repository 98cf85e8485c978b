/** `npm run verify -- causality`: delays every provider event and every timer of random turns, each alone. */
import { commandOf, wholeFrom } from '../../scripts/programs/options.ts';
import { checkCausality, causalStrategy } from './causality-check.ts';

const { turns } = commandOf('npm run verify -- causality')
  .option('--turns <n>', 'random turns', wholeFrom(1), 200)
  .parse()
  .opts<{ turns: number }>();
const total = { checked: 0, timers: 0, reordered: 0 };
const complaints: string[] = [];
for (let turn = 0; turn < turns; turn++) {
  const strategy = causalStrategy(turn);
  const result = await checkCausality({ seed: `c${turn}`, pick: turn, strategy, frameMs: 100 }, 1);
  total.checked += result.checked;
  total.timers += result.timers;
  total.reordered += result.reordered;
  complaints.push(...result.complaints);
  if (turn % 20 === 19) console.error(`${turn + 1} of ${turns} turns`);
}
console.log(
  `${turns} random turns: ${total.checked} provider events and ${total.timers} timers delayed by 1,000 µs, one at a time; ${total.reordered} more changed the order of events; ${complaints.length} complaints`,
);
for (const complaint of complaints.slice(0, 20)) console.log(complaint);
if (complaints.length > 0 || total.checked === 0 || total.timers === 0) process.exitCode = 1;

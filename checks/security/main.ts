/**
 * `npm run verify -- security`: attacks a running service, each attack in its turn. Prints what was sent, how much memory the service took and
 * how long the longest `GET /healthz` was meanwhile. `--commit d7f99ec` attacks the service of that commit instead, as a control.
 */
import { checkOut, checkoutCache, HERE } from '../../replay/arms/checkout.ts';
import { commandOf } from '../../scripts/programs/options.ts';
import type { Attack } from './attack.ts';
import { REQUEST_ATTACKS } from './request-attacks.ts';
import { SOCKET_ATTACKS } from './socket-attacks.ts';
import { UPLOAD_ATTACKS } from './upload-attacks.ts';
import { startVictim } from './victim.ts';

const ATTACKS = [...REQUEST_ATTACKS, ...UPLOAD_ATTACKS, ...SOCKET_ATTACKS];
const LIMITS = { healthMs: 250, peakBytes: 600e6 } as const;

const { commit, only } = commandOf('npm run verify -- security')
  .option('--commit <ref>', 'attack the service of another commit')
  .option('--only <name>', `one of ${ATTACKS.map(({ name }) => name).join(', ')}`)
  .parse()
  .opts<{ commit?: string; only?: string }>();

const tell = (text: string): void => console.error(text);
const checkout =
  commit === undefined ? HERE : (await checkOut(commit, { cache: checkoutCache(process.env), tell })).folder;
const chosen = ATTACKS.filter(({ name }) => only === undefined || name === only);
if (chosen.length === 0) {
  console.error(`npm run verify -- security: no attack is called ${only}; --help lists them`);
  process.exit(2);
}

let failed = 0;
for (const attack of chosen) {
  const complaints = await complaintsOf(attack);
  if (complaints.length > 0) failed++;
  for (const complaint of complaints) console.log(`     ✗ ${complaint}`);
}
console.log(`${chosen.length - failed} of ${chosen.length} attacks withstood; again: npm run verify -- security`);
process.exitCode = failed === 0 ? 0 : 1;

/** Runs an attack and prints its line. */
async function complaintsOf({ name, sentence, env, prepare, run, missed = {} }: Attack): Promise<string[]> {
  console.log(`${name}: ${sentence}`);
  const victim = await startVictim(checkout, { env, prepare });
  try {
    const { load, complaints, longestMs, peakBytes } = await victim.during(() => run(victim));
    console.log(`     ${load}`);
    console.log(`     longest GET /healthz ${longestMs.toFixed(0)} ms, peak memory ${(peakBytes / 1e6).toFixed(0)} MB`);
    const { healthMs = LIMITS.healthMs, peakBytes: mostBytes = LIMITS.peakBytes } = missed;
    if (longestMs >= LIMITS.healthMs && longestMs < healthMs)
      console.log(`     missed, and known: GET /healthz stays below ${healthMs} ms, not below ${LIMITS.healthMs}`);
    if (peakBytes >= LIMITS.peakBytes && peakBytes < mostBytes)
      console.log(
        `     missed, and known: memory stays below ${mostBytes / 1e6} MB, not below ${LIMITS.peakBytes / 1e6}`,
      );
    return [
      ...complaints,
      ...(victim.runs() ? [] : ['the process ended']),
      ...(longestMs < healthMs
        ? []
        : [`GET /healthz took ${longestMs.toFixed(0)} ms; the limit is ${LIMITS.healthMs}`]),
      ...(peakBytes < mostBytes ? [] : [`memory rose to ${(peakBytes / 1e6).toFixed(0)} MB; the limit is 600`]),
    ];
  } finally {
    await victim.end();
  }
}

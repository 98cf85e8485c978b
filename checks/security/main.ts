/**
 * `npm run verify -- security`: attacks a running service, each attack in its turn. Prints what was sent, how much memory the service took and
 * how long the longest `GET /healthz` was meanwhile. `--controls` attacks services of old commits instead, each of which must fall.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { checkOut, checkoutCache, HERE } from '../../replay/arms/checkout.ts';
import { commandOf } from '../../scripts/programs/options.ts';
import { BEFORE_THE_DOORS, type Attack, type Outcome } from './attack.ts';
import { REQUEST_ATTACKS } from './request-attacks.ts';
import { SOCKET_ATTACKS } from './socket-attacks.ts';
import { UPLOAD_ATTACKS } from './upload-attacks.ts';
import { startVictim } from './victim.ts';

const ATTACKS = [...REQUEST_ATTACKS, ...UPLOAD_ATTACKS, ...SOCKET_ATTACKS];
const LIMITS = { healthMs: 250, peakBytes: 600e6, attackMs: 240_000 } as const;

const { commit, only, controls } = commandOf('npm run verify -- security')
  .option('--commit <ref>', 'attack the service of another commit')
  .option('--controls', 'attack the services of commits that lacked what is attacked: each must fall')
  .option('--only <name>', `one of ${ATTACKS.map(({ name }) => name).join(', ')}`)
  .parse()
  .opts<{ commit?: string; only?: string; controls?: boolean }>();

const chosen = ATTACKS.filter(({ name }) => only === undefined || name === only);
if (chosen.length === 0) {
  console.error(`npm run verify -- security: no attack is called ${only}; --help lists them`);
  process.exit(2);
}

let withstood = 0;
for (const attack of chosen) {
  const complaints = await complaintsOf(attack);
  for (const complaint of complaints) console.log(`     ✗ ${complaint}`);
  if (complaints.length === 0) withstood++;
}
console.log(`${withstood} of ${chosen.length} attacks withstood; again: npm run verify -- security`);
process.exitCode = withstood === (controls === true ? 0 : chosen.length) ? 0 : 1;

async function folderOf(ref: string | undefined): Promise<string> {
  const tell = (text: string): void => console.error(text);
  return ref === undefined ? HERE : (await checkOut(ref, { cache: checkoutCache(process.env), tell })).folder;
}

/** A service that stands still keeps its attackers waiting for ever. */
async function tooLong(): Promise<Outcome> {
  await sleep(LIMITS.attackMs, undefined, { ref: false });
  const waited = `${LIMITS.attackMs / 1000} s`;
  return {
    load: `given up after ${waited}`,
    complaints: [`the service left its attackers without an answer for ${waited}`],
  };
}

/** Runs an attack and prints its line. A control's slow answer alone is no complaint: the machine may have been busy. */
async function complaintsOf({
  name,
  sentence,
  env,
  prepare,
  run,
  control = BEFORE_THE_DOORS,
}: Attack): Promise<string[]> {
  const ref = controls === true ? control : commit;
  console.log(`${name}${ref === undefined ? '' : ` at ${ref}`}: ${sentence}`);
  const victim = await startVictim(await folderOf(ref), { env, prepare });
  try {
    const { load, complaints, longestMs, peakBytes } = await victim.during(() =>
      Promise.race([run(victim), tooLong()]),
    );
    const [tookMs, megabytes] = [longestMs, peakBytes / 1e6].map((figure) => figure.toFixed(0));
    console.log(`     ${load}`);
    console.log(`     longest GET /healthz ${tookMs} ms, peak memory ${megabytes} MB`);
    return [
      ...complaints,
      ...(victim.runs() ? [] : ['the process ended']),
      ...(longestMs < LIMITS.healthMs || controls === true
        ? []
        : [`GET /healthz took ${tookMs} ms; the limit is ${LIMITS.healthMs}`]),
      ...(peakBytes < LIMITS.peakBytes ? [] : [`memory rose to ${megabytes} MB; the limit is 600`]),
    ];
  } finally {
    await victim.end();
  }
}

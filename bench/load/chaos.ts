/**
 * `npm run bench -- chaos`: 200 people talk to one service process at once, hang up at random instants and come back.
 *
 * No turn may be lost: every turn that the service opened is among the finished turns of its session at the end, cut ones as cancelled.
 * New work that the service cannot take is answered at the door: 503 with `Retry-After`. Stand-ins and clients share the machine.
 * `--gate` exits 1 when a turn is lost, a provider's deadline passes, or `/healthz` takes 2 s.
 */
import { fieldOf, parsedJson } from '../../service/base/json.ts';
import { keyedRandom } from '../../service/base/random.ts';
import { METRICS } from '../../service/telemetry/names.ts';
import { commandOf, wholeFrom } from '../../scripts/programs/options.ts';
import { startChild } from './child.ts';
import { pause } from './people.ts';
import { talker, type Talked } from './talker.ts';

const HEALTH_LIMIT_MS = 2000;
const HEALTH_EVERY_MS = 100;
/** What a cancelled or running turn may take to end after the last talker has gone. */
const SETTLE_MS = 2000;

interface ChaosOptions {
  talkers: number;
  seconds: number;
  seed: string;
  gate?: boolean;
}

const options = commandOf('npm run bench -- chaos')
  .option('--talkers <n>', 'people at once', wholeFrom(1), 200)
  .option('--seconds <n>', 'how long they talk', wholeFrom(1), 75)
  .option('--seed <text>', 'of the cuts', 'chaos')
  .option('--gate', 'exit code 1 when a bar is missed')
  .parse()
  .opts<ChaosOptions>();

const worst = { loopDelayMs: 0, rssMb: 0 };
const service = await startChild([], ({ loopDelayP99Ms, rssMb }) => {
  worst.loopDelayMs = Math.max(worst.loopDelayMs, loopDelayP99Ms);
  worst.rssMb = Math.max(worst.rssMb, rssMb);
});
const { url } = service;
const untilMs = performance.now() + options.seconds * 1000;

async function longestHealthMs(): Promise<number> {
  let longestMs = 0;
  while (performance.now() < untilMs) {
    const askedMs = performance.now();
    await (await fetch(`${url}/healthz`)).text();
    longestMs = Math.max(longestMs, performance.now() - askedMs);
    await pause(HEALTH_EVERY_MS);
  }
  return longestMs;
}

/** Turns that were opened and are not among those of their session. */
async function lostTurns({ opened }: Talked): Promise<number> {
  let lost = 0;
  for (const { sessionId, traceIds } of opened) {
    let text = '';
    for (let from: unknown = 0; from !== undefined;) {
      const page = await (await fetch(`${url}/v1/sessions/${sessionId}?from=${String(from)}`)).text();
      text += page;
      from = fieldOf(parsedJson(page), 'next');
    }
    lost += traceIds.filter((traceId) => !text.includes(traceId)).length;
  }
  return lost;
}

/** Sum of a metric's samples whose labels have the text. */
function sumOf(metrics: string, name: string, label = ''): number {
  const lines = metrics.split('\n').filter((line) => line.startsWith(`${name}{`) && line.includes(label));
  return lines.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' '))), 0);
}

const health = longestHealthMs();
const everyone = Array.from({ length: options.talkers }, (_, index) =>
  talker(url, untilMs, keyedRandom(options.seed, index)),
);
const talked = await Promise.all(everyone);
const healthMs = await health;
await pause(SETTLE_MS);
let lost = 0;
for (const each of talked) lost += await lostTurns(each);
const metrics = await (await fetch(`${url}/metrics`)).text();
await service.stop();

const sum = (of: (each: Talked) => number): number => talked.reduce((total, each) => total + of(each), 0);
const timeouts = sumOf(metrics, METRICS.failures.name, 'kind="timeout"');
const failures = talked.flatMap((each) => each.failures);
console.log(`${options.talkers} talkers, ${options.seconds} s, random cuts (seed ${options.seed}), world wire, profile seed (predicted)

turns opened        ${sum(({ opened }) => opened.reduce((total, { traceIds }) => total + traceIds.length, 0))}
  answered          ${sum(({ done }) => done)}
  cut               ${sum(({ cut }) => cut)}
  lost              ${lost}
  other failures    ${failures.length}
provider timeouts   ${timeouts}
shed: 503 at the door  ${sum(({ shed }) => shed)} seen, ${sumOf(metrics, METRICS.shed.name)} counted, ${sum(({ withoutRetryAfter }) => withoutRetryAfter)} without Retry-After
longest /healthz    ${healthMs.toFixed(0)} ms
loop delay p99      ${worst.loopDelayMs.toFixed(0)} ms in the worst second
peak memory         ${worst.rssMb.toFixed(0)} MB`);
for (const why of [...new Set(failures)].slice(0, 5)) console.log(`  failure: ${why.slice(0, 200)}`);
if (options.gate && (lost > 0 || timeouts > 0 || healthMs >= HEALTH_LIMIT_MS)) process.exitCode = 1;

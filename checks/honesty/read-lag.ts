/**
 * `npm run verify -- read-lag`: the service is stopped (SIGSTOP) for 300 ms, and an outside client has the last word on how long its user
 * waited. End to end alone cannot see a stop across speech end; with the read lag it must. This process is the client, with a clock and
 * code of its own; the service runs as users start it.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { commandOf } from '../../scripts/programs/options.ts';
import { keyedRandom } from '../../service/base/random.ts';
import { median, quantile } from '../../service/base/quantile.ts';
import { fetchTurn } from '../../service/http/client.ts';
import { nowMs, speakAndListen } from './outside-client.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const STOP_MS = 300;
const SERVICES = 2;

/** When a stop begins, ms from speech end: anywhere between both. */
interface Cell {
  name: string;
  turns: number;
  stopFromMs?: readonly [number, number];
}
const CELLS: readonly Cell[] = [
  { name: 'no stop', turns: 20 },
  { name: 'across speech end', turns: 20, stopFromMs: [-120, -20] },
  { name: 'across the decision', turns: 10, stopFromMs: [300, 380] },
];
const [MEDIAN_MS, P95_MS] = [10, 25];
/** Of fewer, the 95th percentile is the slowest turn. */
const P95_TURNS = 20;

interface Measured {
  cell: Cell;
  /** Speech end → first audible, on the client's clock. */
  clientMs: number;
  e2eMs: number;
  /** NaN where it is absent. */
  lagMs: number;
  /** `our code / blocked` of the ledger. */
  blockedMs: number;
  /** What spans `blocked` name. */
  culprits: readonly string[];
}

interface Running {
  url: string;
  child: ChildProcess;
  end(): Promise<void>;
}

async function startService(): Promise<Running> {
  const folder = mkdtempSync(join(tmpdir(), 'retake-read-lag-'));
  const child = spawn(process.execPath, [join(ROOT, 'cli/main.ts'), 'serve', '--profile', 'zero'], {
    cwd: folder,
    env: { PATH: process.env['PATH'], RETAKE_PORT: '0', RETAKE_DATA: join(folder, 'data') },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const gone = once(child, 'close');
  let log = '';
  child.stderr.on('data', (chunk: Buffer) => (log += chunk.toString()));
  const url = await new Promise<string>((resolve, reject) => {
    child.once('close', () => reject(new Error(`the service did not start: ${log}`)));
    child.stdout.on('data', (chunk: Buffer) => {
      log += chunk.toString();
      const served = /Retake serves (http:\S+)/.exec(log)?.[1];
      if (served !== undefined) resolve(served);
    });
  });
  return {
    url,
    child,
    async end() {
      child.kill('SIGKILL');
      await gone;
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** One turn, and what the service says of it. `stopMs`: when the stop begins, from speech end. */
async function measure({ url, child }: Running, cell: Cell, stopMs: number | undefined): Promise<Measured> {
  const { traceId, audibleMs } = await speakAndListen(url, async (speechEndMs) => {
    if (stopMs !== undefined) await stop(child, speechEndMs + stopMs);
  });
  const turn = await fetchTurn(url, traceId);
  const { e2eUs = Number.NaN, readLagUs = Number.NaN, ledger } = turn.summary;
  return {
    cell,
    clientMs: audibleMs,
    e2eMs: e2eUs / 1000,
    lagMs: readLagUs / 1000,
    blockedMs: ledger.reduce((sum, { phase, us }) => sum + (phase === 'blocked' ? us / 1000 : 0), 0),
    culprits: [...JSON.stringify(turn.trace).matchAll(/"(not running|javascript|garbage collection)"/g)].map(
      ([, culprit = '']) => culprit,
    ),
  };
}

async function stop(child: ChildProcess, atMs: number): Promise<void> {
  await pause(Math.max(0, atMs - nowMs()));
  child.kill('SIGSTOP');
  await pause(STOP_MS);
  child.kill('SIGCONT');
}

commandOf('npm run verify -- read-lag').parse();
const random = keyedRandom('read-lag');
const turns = CELLS.flatMap((cell) =>
  Array.from({ length: cell.turns }, () => {
    const [from = 0, to = 0] = cell.stopFromMs ?? [];
    return { cell, stopMs: cell.stopFromMs === undefined ? undefined : from + random() * (to - from) };
  }),
);
const measured: Measured[] = [];
const services = await Promise.all(Array.from({ length: SERVICES }, startService));
try {
  await Promise.all(
    services.map(async (service) => {
      for (let next = turns.shift(); next !== undefined; next = turns.shift())
        measured.push(await measure(service, next.cell, next.stopMs));
    }),
  );
} finally {
  await Promise.all(services.map((service) => service.end()));
}

const complaints: string[] = [];
const must = (holds: boolean, what: string): void => void (holds || complaints.push(what));
const distances = (of: readonly Measured[], figure: (turn: Measured) => number): number[] =>
  of.map((turn) => Math.abs(figure(turn) - turn.clientMs));
const line = (values: readonly (string | number)[]): void =>
  console.log(
    values
      .map((each, index) =>
        (typeof each === 'number' ? each.toFixed(1) : each)
          .padStart(index === 0 ? 0 : 12)
          .padEnd(20 * Number(index === 0)),
      )
      .join(''),
  );
console.log('ms from what the client measured, speech end to first audible:');
line(['stop of 300 ms', 'turns', 'e2e+lag p50', 'p95', 'e2e p50', 'p95', 'lag p50', 'blocked p50']);
for (const cell of CELLS) {
  const own = measured.filter((turn) => turn.cell === cell);
  const withLag = distances(own, ({ e2eMs, lagMs }) => e2eMs + lagMs);
  const alone = distances(own, ({ e2eMs }) => e2eMs);
  const [lag, blocked] = [own.map(({ lagMs }) => lagMs), own.map(({ blockedMs }) => blockedMs)];
  line([
    cell.name,
    String(own.length),
    ...[median(withLag), quantile(withLag, 0.95), median(alone), quantile(alone, 0.95), median(lag), median(blocked)],
  ]);
  must(
    own.every(({ lagMs }) => lagMs >= 0),
    `${cell.name}: a turn has no read lag`,
  );
  must(median(withLag) <= MEDIAN_MS, `${cell.name}: end to end + lag is more than ${MEDIAN_MS} ms off at the median`);
  if (own.length >= P95_TURNS)
    must(quantile(withLag, 0.95) <= P95_MS, `${cell.name}: end to end + lag is more than ${P95_MS} ms off at p95`);
  if (cell.stopFromMs === undefined) {
    must(median(lag) < 5, `${cell.name}: there is a lag`);
    continue;
  }
  must(
    own.every(({ culprits }) => culprits.includes('not running')),
    `${cell.name}: a turn has no span that names the stop`,
  );
  if (cell.stopFromMs[0] < 0)
    must(median(alone) > 150, `control: ${cell.name} end to end alone is right as well, so nothing was shown`);
  else must(median(blocked) > 150, `${cell.name}: the ledger has no blocked part`);
}
for (const complaint of complaints) console.log(`✗ ${complaint}`);
console.log(complaints.length === 0 ? 'all hold' : `${complaints.length} do not hold`);
process.exit(complaints.length === 0 ? 0 : 1);

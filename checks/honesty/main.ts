/**
 * `npm run verify -- honesty`: a trace blames the right phase. A fault server delays one thing at a time by N ms. The phase of that
 * name, and no other, must be N ms longer in the spans of production's code (docs/metrics.md#the-honesty-check).
 */
import { fork } from 'node:child_process';
import { setPriority } from 'node:os';
import { fileURLToPath } from 'node:url';
import { createRealClock } from '../../service/base/clock.ts';
import {
  allCells,
  CLIENTS,
  INJECTIONS,
  PROTOCOLS,
  SIZES_MS,
  cellName,
  factorPairs,
  pairwiseCover,
  type Cell,
  type Injection,
} from './cells.ts';
import {
  connectionComplaints,
  mixUpComplaints,
  shiftComplaints,
  shiftErrors,
  sumComplaints,
  type Errors,
} from './check.ts';
import { controlFailures } from './controls.ts';
import { createProbe, MEASURES, type ExchangeProbe, type Sample } from './measure.ts';
import { DOMAIN, type Delays, type ServerLog, type Started } from './protocol.ts';
import { disturbed, watchStalls } from './stalls.ts';
import { commandOf } from '../../scripts/programs/options.ts';

const REPEATS = 15;
/** The most repeats, on a machine that keeps stalling. */
const REPEATS_LIMIT = 60;
const AT_ONCE = 10;
/** Further apart than the tolerance of a single figure; the longest is below the 250 ms after which a resolver asks again. */
const STEP_MS = 25;
/** A run in which the machine stalled is repeated, up to so many tries; any other run is judged as it is. */
const TRIES = 5;
const NONE: Delays = { waitMs: 0, firstMs: 0, betweenMs: 0, tailMs: 0 };

commandOf('npm run verify -- honesty').parse();
const clock = createRealClock();
const child = fork(fileURLToPath(new URL('./fault-server.ts', import.meta.url)), [], { execArgv: [] });
const server = await new Promise<Started>((resolve, reject) => {
  child.once('exit', (code) => reject(new Error(`the fault server ended with exit code ${code}`)));
  child.once('message', (message: { started: Started }) => resolve(message.started));
});
const serverLog = (): Promise<ServerLog> =>
  new Promise((resolve) => {
    child.once('message', (message: { log: ServerLog }) => resolve(message.log));
    child.send('log');
  });
const ours = watchStalls();
let count = 0;
let disturbances = 0;
for (const pid of [process.pid, child.pid ?? 0]) {
  try {
    setPriority(pid, -10); // other programs must not disturb the measurement
  } catch {
    // not allowed here: the usual priority then
  }
}

/** One exchange whose name, handshake or answer is delayed. */
function send(probe: ExchangeProbe, cell: Cell, ms: number, sharedHost: string | undefined): Promise<Sample> {
  const id = `x${count++}`;
  const { injection, client } = cell;
  const host = sharedHost ?? hostOf(injection, ms, id);
  const delays = injection === 'dns' || injection === 'tls' ? NONE : { ...NONE, [`${injection}Ms`]: ms };
  return probe.exchange(client, id, host, delays);
}

function hostOf(injection: Injection, ms: number, id: string): string {
  return `d${injection === 'dns' ? ms : 0}-t${injection === 'tls' ? ms : 0}-${id}.${DOMAIN}`;
}

interface CellResult {
  cell: Cell;
  delayed: Sample[];
  plain: Sample[];
  errors: Errors;
  complaints: string[];
}

/** Repeats with and without the delay, one after another, until enough of each were undisturbed by the machine. */
async function measureCell(cell: Cell): Promise<CellResult> {
  const probe = createProbe(clock, server, cell.protocol === '2');
  const { connections } = await serverLog();
  const shared = cell.connection === 'reused' ? hostOf(cell.injection, cell.injectedMs, `r${count++}`) : undefined;
  const delayed: Sample[] = [];
  const plain: Sample[] = [];
  await send(probe, cell, 0, shared); // cold, dropped
  const quiet = async (samples: readonly Sample[]): Promise<Sample[]> => {
    const stalls = [...ours.stalls, ...(await serverLog()).stalls];
    return samples.filter(({ window }) => !disturbed(stalls, window));
  };
  let usable = 0;
  for (let repeat = 0; usable < REPEATS && repeat < REPEATS_LIMIT; repeat++) {
    const order = repeat % 2 === 0 ? [plain, delayed] : [delayed, plain];
    for (const into of order) into.push(await send(probe, cell, into === delayed ? cell.injectedMs : 0, shared));
    if (repeat >= REPEATS - 1) usable = Math.min((await quiet(plain)).length, (await quiet(delayed)).length);
  }
  await probe.close();
  const log = await serverLog();
  const accepted = log.connections - connections;
  const each = [...delayed, ...plain];
  const expected = shared === undefined ? 1 + each.length : 1;
  disturbances += each.length - (await quiet(each)).length;
  // where the machine is never quiet, disturbed samples count too
  const [judged, against] = usable < REPEATS ? [delayed, plain] : [await quiet(delayed), await quiet(plain)];
  const errors = shiftErrors(log, cell.injection, judged, against);
  return {
    cell,
    delayed: judged,
    plain: against,
    errors,
    complaints: [
      ...shiftComplaints(errors),
      ...(accepted === expected ? [] : [`the server accepted ${accepted} connections instead of ${expected}`]),
      ...each.flatMap((sample) => connectionComplaints(sample, cell.connection, cell.protocol)),
      ...each.flatMap(sumComplaints),
    ],
  };
}

/** Ten at once, each delayed by a different time; over HTTP/2 what is delayed after the handshake shares one connection. */
async function measureTen(injection: Injection, protocol: Cell['protocol']): Promise<Sample[]> {
  const probe = createProbe(clock, server, protocol === '2');
  const own = injection === 'dns' || injection === 'tls';
  const shared = own ? undefined : hostOf(injection, 0, `m${count++}`);
  const cells = Array.from({ length: AT_ONCE }, (_, index): Cell => ({
    ...{ injection, injectedMs: 70, protocol, connection: 'new' },
    client: CLIENTS[index % CLIENTS.length] ?? 'fetch',
  }));
  const warm = await Promise.all(cells.map((cell) => send(probe, cell, 0, shared)));
  const samples = await Promise.all(cells.map((cell, index) => send(probe, cell, index * STEP_MS, shared)));
  await probe.close();
  return warm.length === samples.length ? samples : [];
}

/** Ten at once on a cold HTTP/2 origin share one set-up: one pays for it, the others wait for its end. */
async function measureShared(): Promise<Sample[]> {
  const probe = createProbe(clock, server, true);
  const host = hostOf('tls', 150, `s${count++}`);
  const cell: Cell = { injection: 'tls', injectedMs: 150, protocol: '2', connection: 'new', client: 'fetch' };
  const samples = await Promise.all(Array.from({ length: AT_ONCE }, () => send(probe, cell, 0, host)));
  await probe.close();
  return samples;
}

/** Measures ten at once, and again while they complain and the machine stalled under them. Keeps the complaints of the last try. */
async function judgeTen(name: string, injection: Injection, measure: () => Promise<Sample[]>): Promise<Sample[]> {
  let samples: Sample[] = [];
  let complaints: string[] = [];
  for (let attempt = 0; attempt < TRIES; attempt++) {
    samples = await measure();
    const log = await serverLog();
    complaints = mixUpComplaints(log, injection, samples);
    const stalls = [...ours.stalls, ...log.stalls];
    if (complaints.length === 0 || !samples.some(({ window }) => disturbed(stalls, window))) break;
  }
  failures.push(...[...complaints, ...samples.flatMap(sumComplaints)].map((each) => `${name}: ${each}`));
  return samples;
}

function errorTable(results: readonly CellResult[]): string {
  const pad = (text: string, width: number): string => text.padStart(width);
  const head = ['injection'.padEnd(12), ...MEASURES.map((measure) => pad(measure, 8)), pad('cells', 6)].join('');
  const rows = INJECTIONS.flatMap((injection) =>
    SIZES_MS.map((ms) => {
      const own = results.filter(({ cell }) => cell.injection === injection && cell.injectedMs === ms);
      const worst = MEASURES.map((measure) =>
        own.map(({ errors }) => errors[measure] ?? 0).reduce((a, b) => (Math.abs(b) > Math.abs(a) ? b : a), 0),
      );
      const name = `${injection} ${ms} ms`.padEnd(12);
      return [name, ...worst.map((error) => pad(error.toFixed(2), 8)), pad(String(own.length), 6)].join('');
    }),
  );
  return [head, ...rows].join('\n');
}

const failures: string[] = [];
const cells = pairwiseCover(allCells());
const pairs = new Set(cells.flatMap(factorPairs)).size;
console.log(`${cells.length} cells cover all ${pairs} pairs of injection, size, protocol, socket and client.`);
console.log(`${REPEATS} repeats of each, interleaved with as many without the delay.\n`);
const results: CellResult[] = [];
for (const cell of cells) {
  const result = await measureCell(cell);
  results.push(result);
  failures.push(...result.complaints.map((complaint) => `${cellName(cell)}: ${complaint}`));
}
console.log(`${disturbances} exchanges met a stall of the machine and are left out.`);
console.log(
  'Error of each phase, in ms: median shift less what the server really waited; the worst cell of each row.\n',
);
console.log(`${errorTable(results)}\n`);

const tens = new Map<string, Sample[]>();
for (const protocol of PROTOCOLS) {
  for (const injection of INJECTIONS) {
    const name = `ten at once, ${injection}, HTTP/${protocol}`;
    tens.set(injection, await judgeTen(name, injection, () => measureTen(injection, protocol)));
  }
}
const sharing = await judgeTen('one set-up shared by ten', 'tls', measureShared);
const payers = sharing.filter(({ paidBy }) => paidBy === 'own').length;
if (payers !== 1) failures.push(`${payers} of ${AT_ONCE} exchanges say that they paid for the one connection`);
console.log(
  `${2 * INJECTIONS.length} times ten at once, delayed by 0 to ${(AT_ONCE - 1) * STEP_MS} ms, and once undelayed.`,
);

const controls = controlFailures(await serverLog(), results, tens);
failures.push(...controls.failures);
console.log(`${controls.count} controls: each check fails on figures that are wrong.\n`);

ours.stop();
child.disconnect();
if (failures.length > 0) {
  console.error(`${failures.length} complaints:\n${failures.slice(0, 40).join('\n')}`);
  process.exitCode = 1;
} else {
  console.log(`honest: ${count} exchanges, ${(clock.nowUs() / 1e6).toFixed(0)} s`);
}

/** Controls: each check must fail on real samples that are spoilt in one way. */
import { INJECTIONS, type Cell, type Injection } from './cells.ts';
import {
  connectionComplaints,
  MEDIAN_TOLERANCE_MS,
  mixUpComplaints,
  shiftComplaints,
  shiftErrors,
  sumComplaints,
} from './check.ts';
import type { Measure, Sample } from './measure.ts';
import type { ServerLog } from './protocol.ts';

interface Measured {
  cell: Cell;
  delayed: readonly Sample[];
  plain: readonly Sample[];
}

/** The checks that let a wrong figure pass, and how many controls there were. */
export function controlFailures(
  log: ServerLog,
  results: readonly Measured[],
  tens: ReadonlyMap<string, readonly Sample[]>,
): { count: number; failures: string[] } {
  const failures: string[] = [];
  let count = 0;
  const mustComplain = (what: string, complaints: readonly string[]): void => {
    count++;
    if (complaints.length === 0) failures.push(`control: no complaint about ${what}`);
  };
  for (const { cell, delayed, plain } of results) {
    const [sample] = delayed;
    if (sample === undefined) continue;
    const { injection, connection, protocol } = cell;
    const shift = (samples: readonly Sample[], truth = log): string[] =>
      shiftComplaints(shiftErrors(truth, injection, samples, plain));
    const other = injection === 'wait' ? 'first' : 'wait';
    const blamed = delayed.map((each) => moved(each, other, injection, 2 * MEDIAN_TOLERANCE_MS));
    mustComplain(`${2 * MEDIAN_TOLERANCE_MS} ms of ${other} blamed on ${injection}`, shift(blamed));
    const happens = connection === 'new' || (injection !== 'dns' && injection !== 'tls');
    const spoilt = plain.map((each) => ({ ...each, id: `${each.id}-spoilt`, host: `spoilt-${each.host}` }));
    const lying = logWith(log, spoilt, injection, cell.injectedMs);
    if (happens) mustComplain(`${injection} that shows nowhere`, shift(spoilt, lying));
    mustComplain('the other kind of socket', connectionComplaints(sample, flip(connection), protocol));
    mustComplain('the other protocol', connectionComplaints(sample, connection, protocol === '2' ? '1.1' : '2'));
    mustComplain('a phase that ends 1 µs early', sumComplaints(shortened(sample)));
  }
  for (const [injection, samples] of tens) {
    const [first, ...rest] = samples.map(({ ms }) => ms);
    if (first === undefined || !isInjection(injection)) continue;
    const rotated = [...rest, first];
    const mixed = samples.map((sample, index) => ({ ...sample, ms: rotated[index] ?? {} }));
    mustComplain(`exchanges that carry their neighbours' ${injection}`, mixUpComplaints(log, injection, mixed));
    const more = samples.map((each, index) => (index === 0 ? moved(each, 'queue', injection, 25) : each));
    mustComplain(`25 ms too much ${injection}`, mixUpComplaints(log, injection, more));
  }
  return { count, failures };
}

function flip(connection: Cell['connection']): Cell['connection'] {
  return connection === 'new' ? 'reused' : 'new';
}

function moved(sample: Sample, from: Measure, to: Measure, byMs: number): Sample {
  return { ...sample, ms: { ...sample.ms, [from]: (sample.ms[from] ?? 0) - byMs, [to]: (sample.ms[to] ?? 0) + byMs } };
}

function shortened(sample: Sample): Sample {
  const phases = sample.phases.map((phase, index) => (index === 0 ? { ...phase, endUs: phase.endUs - 1 } : phase));
  return { ...sample, phases };
}

/** The log of a server that waited, although no sample shows the wait. */
function logWith(log: ServerLog, samples: readonly Sample[], injection: Injection, ms: number): ServerLog {
  const hosts = { ...log.hosts };
  const exchanges = { ...log.exchanges };
  for (const { id, host } of samples) {
    if (injection === 'dns' || injection === 'tls') {
      hosts[host] = { dnsMs: 0, tlsMs: 0, [`${injection}Ms`]: ms };
    } else exchanges[id] = { waitMs: 0, firstMs: 0, betweenMs: 0, tailMs: 0, [`${injection}Ms`]: ms };
  }
  return { ...log, hosts, exchanges };
}

function isInjection(text: string): text is Injection {
  return INJECTIONS.some((each) => each === text);
}

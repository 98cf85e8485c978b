/** Pure functions from samples and the server's log to complaints. */
import { MEASURES, type Measure, type Sample } from './measure.ts';
import { median } from '../../service/base/quantile.ts';
import type { Cell, Injection } from './cells.ts';
import type { ServerLog } from './protocol.ts';

/** One exchange at a time: how far a median may be from the server's own figure. */
export const MEDIAN_TOLERANCE_MS = 3;
/** Ten at once: how far any single figure may be. */
export const SINGLE_TOLERANCE_MS = 15;

/** Per measure: median with the delay, less the median without, less what the server says it added. */
export type Errors = Readonly<Partial<Record<Measure, number>>>;

/** How long the server really waited for one sample, in the measure that the delay belongs to. */
export function injectedMs(log: ServerLog, sample: Pick<Sample, 'id' | 'host'>, injection: Injection): number {
  if (injection === 'dns') return log.hosts[sample.host]?.dnsMs ?? Number.NaN;
  if (injection === 'tls') return log.hosts[sample.host]?.tlsMs ?? Number.NaN;
  return log.exchanges[sample.id]?.[`${injection}Ms`] ?? Number.NaN;
}

/** The error of every measure over samples with and without the delay. A phase that did not happen counts as nothing. */
export function shiftErrors(
  log: ServerLog,
  injection: Injection,
  delayed: readonly Sample[],
  plain: readonly Sample[],
): Errors {
  const errors: Partial<Record<Measure, number>> = {};
  for (const measure of MEASURES) {
    const shift = median(delayed.map(({ ms }) => ms[measure] ?? 0)) - median(plain.map(({ ms }) => ms[measure] ?? 0));
    const truth = (sample: Sample): number =>
      measure === injection && sample.ms[measure] !== undefined ? injectedMs(log, sample, injection) : 0;
    errors[measure] = shift - (median(delayed.map(truth)) - median(plain.map(truth)));
  }
  return errors;
}

export function shiftComplaints(errors: Errors): string[] {
  return MEASURES.flatMap((measure) => {
    const error = errors[measure] ?? Number.NaN;
    return Math.abs(error) <= MEDIAN_TOLERANCE_MS ? [] : [`${measure} is off by ${error.toFixed(2)} ms`];
  });
}

/** Names and handshakes belong to new sockets; on reused ones their phases must be absent. */
export function connectionComplaints(sample: Sample, connection: Cell['connection'], protocol: string): string[] {
  const complaints: string[] = [];
  const setUp = (['dns', 'connect', 'tls'] as const).filter((phase) => sample.ms[phase] !== undefined);
  const expected = connection === 'new' ? 3 : 0;
  if (setUp.length !== expected) complaints.push(`has ${setUp.join(', ') || 'no set-up'} on a ${connection} socket`);
  if (sample.reused !== (connection === 'reused')) complaints.push(`says reused: ${sample.reused}`);
  if (sample.protocol !== protocol) complaints.push(`says HTTP/${sample.protocol}`);
  return complaints.map((complaint) => `${sample.id} ${complaint}`);
}

/** The phases of an exchange follow each other without a gap from its start to its end: their sum is the exchange. */
export function sumComplaints({ id, span, phases }: Sample): string[] {
  let atUs = span.startUs;
  for (const { name, startUs, endUs } of phases) {
    if (startUs !== atUs || endUs < startUs) return [`${id}: ${name} begins ${startUs - atUs} µs from where it should`];
    atUs = endUs;
  }
  return atUs === span.endUs ? [] : [`${id}: phases end ${span.endUs - atUs} µs before the exchange`];
}

/** Ten at once, each with its own delay: each shows that delay, and none shows another's. */
export function mixUpComplaints(log: ServerLog, injection: Injection, samples: readonly Sample[]): string[] {
  return MEASURES.flatMap((measure) => {
    const carried = samples.map(
      (sample) => (sample.ms[measure] ?? 0) - (measure === injection ? injectedMs(log, sample, injection) : 0),
    );
    // ten share the machine: the median is what an exchange takes without a delay
    const usual = median(carried);
    return carried.flatMap((value, index) => {
      const error = value - usual;
      const { id } = samples[index] ?? { id: '' };
      return Math.abs(error) <= SINGLE_TOLERANCE_MS ? [] : [`${id}: ${measure} is off by ${error.toFixed(2)} ms`];
    });
  });
}

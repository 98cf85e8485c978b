/**
 * `/metrics` of the service: finished turns as histograms whose buckets are the targets, provider errors, retries, pools and the
 * spool. A projection, as spans and bundles are: it sees finished turns and cannot slow one down.
 */
import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { MeasuredTurn } from '../turn-log/metrics.ts';
import type { PoolState } from '../base/ports.ts';
import { type TurnLog, numberOf, stringOf } from '../base/events.ts';
import type { Projection } from '../turn/observe.ts';
import { above, TARGET_MS } from '../turn-log/targets.ts';
import { METRICS } from './names.ts';
import type { SpoolCounters } from '../spool/spool.ts';

/** Seconds: the targets, and above them 2.5 and 2.8, which are today's figures, among others. */
const LATENCY_BUCKETS = [...Object.values(TARGET_MS).map((ms) => ms / 1000), 2, 2.5, 2.8, 4, 6, 10].sort(
  (a, b) => a - b,
);
/** Seconds: below a frame, then what one hears. */
const LAG_BUCKETS = [0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1];
const STALL_BUCKETS = [0.05, 0.1, 0.25, 0.5, 1, 2, 5];

export interface ServiceMetrics {
  projection: Projection;
  /** To be called for every request that its client left before its end. */
  uploadAbandoned(): void;
  /** To be called for every error that no code awaited. */
  strayed(outcome: string): void;
  contentType: string;
  /** The exposition text, read when it is asked for. */
  text(): Promise<string>;
}

export function createServiceMetrics(sources: {
  spool: () => SpoolCounters;
  pools: () => readonly PoolState[];
  sessions: () => number;
  /** New work refused while overloaded, by door. */
  shed: () => Readonly<Record<string, number>>;
  loopDelayMs: () => number;
  /** A turn whose speech end was read later is counted. */
  readLagMs: number;
}): ServiceMetrics {
  const registry = new Registry();
  const registers = [registry];
  const counter = (spec: (typeof METRICS)[keyof typeof METRICS]): Counter => {
    return new Counter({ name: spec.name, help: spec.help, labelNames: [...spec.labels], registers });
  };
  const histogram = (spec: (typeof METRICS)[keyof typeof METRICS], buckets = LATENCY_BUCKETS): Histogram =>
    new Histogram({ name: spec.name, help: spec.help, labelNames: [...spec.labels], buckets, registers });
  const [turns, failures, premature] = [counter(METRICS.turns), counter(METRICS.failures), counter(METRICS.premature)];
  const [errors, retries] = [counter(METRICS.providerErrors), counter(METRICS.retries)];
  const [costUsd, abandoned] = [counter(METRICS.costUsd), counter(METRICS.uploadsAbandoned)];
  const stray = counter(METRICS.strayErrors);
  const [e2e, firstAudioByte] = [histogram(METRICS.e2e), histogram(METRICS.firstAudioByte)];
  const [stage, stall] = [histogram(METRICS.stage), histogram(METRICS.stall, STALL_BUCKETS)];
  const [readLag, blocked] = [histogram(METRICS.readLag, LAG_BUCKETS), histogram(METRICS.blocked, LAG_BUCKETS)];
  const readLate = counter(METRICS.readLate);
  readAtScrape(registry, sources);

  const observe = (log: TurnLog, { summary }: MeasuredTurn): void => {
    const { world, zero, failure, serviceUs } = summary;
    turns.inc({ world, outcome: failure === undefined ? 'ok' : 'failed' });
    if (failure !== undefined) failures.inc({ stage: failure.stage, kind: failure.kind });
    if (summary.premature) premature.inc({ world });
    // an unmeasured latency is absent, never 0
    if (summary.e2eUs !== undefined) e2e.observe({ world, zero }, summary.e2eUs / 1e6);
    if (summary.firstAudioByteUs !== undefined) firstAudioByte.observe({ world, zero }, summary.firstAudioByteUs / 1e6);
    if (summary.readLagUs !== undefined) readLag.observe({ world }, summary.readLagUs / 1e6);
    if (above(summary.readLagUs, sources.readLagMs)) readLate.inc({ world });
    if (summary.ledger.length > 0) {
      const us = summary.ledger.reduce((sum, row) => sum + (row.phase === 'blocked' ? row.us : 0), 0);
      blocked.observe({ world }, us / 1e6);
    }
    if (summary.stallUs !== undefined) stall.observe({ world }, summary.stallUs / 1e6);
    if (summary.costUsd !== undefined) costUsd.inc(summary.costUsd);
    for (const [name, us] of Object.entries(serviceUs)) {
      if (typeof us === 'number') stage.observe({ stage: name, world }, us / 1e6);
    }
    for (const event of log.events) {
      const status = event.kind === 'http.headers' ? (numberOf(event, 'status') ?? 0) : 0;
      if (event.kind === 'http.failed')
        errors.inc({ stage: event.stage, kind: stringOf(event, 'errorKind') ?? 'internal' });
      else if (status >= 400) errors.inc({ stage: event.stage, kind: `http-${status}` });
      else if (event.kind === 'retry.wait') retries.inc({ stage: event.stage });
    }
  };
  return {
    projection: { opened: () => undefined, closed: observe },
    uploadAbandoned: () => abandoned.inc(),
    strayed: (outcome) => stray.inc({ outcome }),
    contentType: registry.contentType,
    text: () => registry.metrics(),
  };
}

/** Figures that other parts keep: read when Prometheus asks. */
function readAtScrape(
  registry: Registry,
  { spool, pools, sessions, shed, loopDelayMs }: Parameters<typeof createServiceMetrics>[0],
): void {
  const registers = [registry];
  const gauge = (spec: (typeof METRICS)[keyof typeof METRICS], read: (gauge: Gauge) => void): Gauge =>
    new Gauge({
      name: spec.name,
      help: spec.help,
      labelNames: [...spec.labels],
      registers,
      collect() {
        read(this);
      },
    });
  /** A counter whose value another part keeps. */
  const total = (spec: (typeof METRICS)[keyof typeof METRICS], read: (counter: Counter) => void): Counter =>
    new Counter({
      name: spec.name,
      help: spec.help,
      labelNames: [...spec.labels],
      registers,
      collect() {
        this.reset();
        read(this);
      },
    });
  gauge(METRICS.sessions, (each) => each.set(sessions()));
  gauge(METRICS.loopDelay, (each) => each.set(loopDelayMs() / 1000));
  total(METRICS.shed, (each) => {
    for (const [door, count] of Object.entries(shed())) each.inc({ door }, count);
  });
  gauge(METRICS.spoolPending, (each) => each.set(spool().pending));
  gauge(METRICS.spoolBytes, (each) => each.set(spool().diskBytes));
  total(METRICS.spoolRejected, (each) => each.inc(spool().rejectedSpans));
  total(METRICS.spoolFailures, (each) => each.inc(spool().failures));
  total(METRICS.spoolTurns, (each) => {
    const { sent, dropped } = spool();
    each.inc({ outcome: 'sent' }, sent);
    each.inc({ outcome: 'dropped' }, dropped);
  });
  gauge(METRICS.pool, (each) => {
    each.reset();
    for (const { origin, ...states } of pools()) {
      for (const [state, count] of Object.entries(states)) each.inc({ origin, state }, count);
    }
  });
}

/**
 * Spans of finished turns through the OpenTelemetry SDK, one OTLP JSON line a turn. Every span has its start, its end and its id
 * from the turn's log. The SDK stamps nothing, leaves nothing out and reads nothing of the machine, so that the same log gives
 * the same bytes. No `traceparent` reaches a provider.
 */
import {
  context,
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  trace,
  TraceFlags,
  type HrTime,
  type SpanContext,
  type Tracer,
} from '@opentelemetry/api';
import { JsonTraceSerializer } from '@opentelemetry/otlp-transformer';
import { resourceFromAttributes, type Resource } from '@opentelemetry/resources';
import { NodeSDK } from '@opentelemetry/sdk-node';
import {
  AlwaysOnSampler,
  type IdGenerator,
  type ReadableSpan,
  type SpanLimits,
  type SpanProcessor,
} from '@opentelemetry/sdk-trace';
import { InvariantError } from '../base/errors.ts';
import type { MeasuredTurn } from '../turn-log/metrics.ts';
import type { TurnLog } from '../base/events.ts';
import {
  RESOURCE_ATTRIBUTES,
  SCHEMA_URL,
  SCOPE_NAME,
  SERVICE_NAME,
  SERVICE_VERSION,
  type SpanKindName,
} from './names.ts';
import { otlpLine } from './otlp-line.ts';
import { spansOf, type SpanRecord, type TraceView } from './spans.ts';

/** Where lines of finished turns go: the spool on disk, or an array in tests and simulation. */
export interface LineSink {
  append(line: string): void;
  shutdown(): Promise<void>;
}

export interface Tracing {
  /** False when the environment switched OpenTelemetry off (`OTEL_SDK_DISABLED`): `turn` then does nothing. */
  readonly active: boolean;
  /** Exports a finished turn and returns its OTLP JSON line. Never throws; what went wrong goes to `onError`. */
  turn(log: TurnLog, measured: MeasuredTurn): string | undefined;
  shutdown(): Promise<void>;
}

/** Far above what a turn span carries: the default, 128, drops attributes silently. */
const LIMITS: SpanLimits = { attributeCountLimit: 1024, attributeValueLengthLimit: Infinity, linkCountLimit: 1024 };

const KINDS = {
  internal: SpanKind.INTERNAL,
  server: SpanKind.SERVER,
  client: SpanKind.CLIENT,
} satisfies Record<SpanKindName, SpanKind>;

/**
 * Starts the SDK, and takes it off the API's globals at once: several may live in one process, and only the returned object makes
 * spans. `resource` adds to `service.name` and `service.version`; host and process ids would make bytes differ from run to run.
 */
export function createTracing(options: {
  resource?: Readonly<Record<string, string>>;
  spool: LineSink;
  onError: (error: unknown) => void;
  view?: TraceView;
}): Tracing {
  const pipe = createPipe();
  const sdk = new NodeSDK({
    resource: resourceOf(options.resource),
    autoDetectResources: false,
    resourceDetectors: [],
    idGenerator: pipe.ids,
    sampler: new AlwaysOnSampler(),
    spanLimits: LIMITS,
    spanProcessors: [pipe.processor],
    metricReaders: [],
    logRecordProcessors: [],
    instrumentations: [],
    textMapPropagator: null,
  });
  trace.disable();
  context.disable();
  sdk.start();
  const tracer = trace.getTracerProvider().getTracer(SCOPE_NAME, SERVICE_VERSION, { schemaUrl: SCHEMA_URL });
  trace.disable();
  context.disable();
  const active = pipe.isAttached(tracer);
  return {
    active,
    turn(log, measured) {
      if (!active) return undefined;
      try {
        const line = pipe.lineOf(tracer, spansOf(log, measured, options.view));
        options.spool.append(line);
        return line;
      } catch (error) {
        options.onError(error);
        return undefined;
      }
    },
    async shutdown() {
      await Promise.all([sdk.shutdown(), options.spool.shutdown()]);
    },
  };
}

/** A turn as one OTLP JSON line, newline included, without the SDK: for bundles and simulation. */
export function otlpLineOf(log: TurnLog, measured: MeasuredTurn): string {
  return otlpLine(spansOf(log, measured));
}

function resourceOf(extra: Readonly<Record<string, string>> = {}): Resource {
  return resourceFromAttributes({
    [RESOURCE_ATTRIBUTES.serviceName]: SERVICE_NAME,
    [RESOURCE_ATTRIBUTES.serviceVersion]: SERVICE_VERSION,
    ...extra,
  });
}

interface Pipe {
  ids: IdGenerator;
  processor: SpanProcessor;
  /** Whether the tracer's spans arrive here. Only so is it known that the environment switched the SDK off. */
  isAttached(tracer: Tracer): boolean;
  lineOf(tracer: Tracer, records: readonly SpanRecord[]): string;
}

/** Both ends of the SDK: ids go in and ended spans come out, within one synchronous call. */
function createPipe(): Pipe {
  let next = { traceId: '', spanId: '' };
  let ended: ReadableSpan[] = [];
  const ids: IdGenerator = { generateTraceId: () => next.traceId, generateSpanId: () => next.spanId };
  const processor: SpanProcessor = {
    onStart: () => undefined,
    onEnd: (span) => {
      ended.push(span);
    },
    forceFlush: () => Promise.resolve(),
    shutdown: () => Promise.resolve(),
  };
  const collect = (tracer: Tracer, records: readonly SpanRecord[]): ReadableSpan[] => {
    ended = [];
    for (const record of records) {
      next = { traceId: record.traceId, spanId: record.spanId };
      emit(tracer, record);
    }
    const spans = ended;
    ended = [];
    return spans;
  };
  return {
    ids,
    processor,
    isAttached: (tracer) => collect(tracer, [PROBE]).length === 1,
    lineOf(tracer, records) {
      const spans = collect(tracer, records);
      if (spans.length !== records.length) {
        throw new InvariantError(`OpenTelemetry ended ${spans.length} of ${records.length} spans`);
      }
      const bytes = JsonTraceSerializer.serializeRequest(spans);
      if (bytes === undefined) throw new InvariantError('OpenTelemetry serialized no spans');
      return `${Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8')}\n`;
    },
  };
}

const PROBE: SpanRecord = {
  traceId: '0123456789abcdef0123456789abcdef',
  spanId: '0123456789abcdef',
  name: 'turn',
  kind: 'internal',
  startUs: 0,
  endUs: 0,
  identity: {},
  attributes: {},
  links: [],
  events: [],
  status: { code: 'unset' },
};

function emit(tracer: Tracer, record: SpanRecord): void {
  const { traceId, parentSpanId, status } = record;
  const parent =
    parentSpanId === undefined ? ROOT_CONTEXT : trace.setSpanContext(ROOT_CONTEXT, contextOf(traceId, parentSpanId));
  const span = tracer.startSpan(
    record.name,
    {
      kind: KINDS[record.kind],
      startTime: hrTimeOf(record.startUs),
      attributes: { ...record.identity, ...record.attributes },
      links: record.links.map((link) => ({ context: contextOf(link.traceId, link.spanId) })),
    },
    parent,
  );
  for (const { name, atUs, attributes } of record.events) span.addEvent(name, attributes, hrTimeOf(atUs));
  if (status.code === 'error') span.setStatus({ code: SpanStatusCode.ERROR, message: status.message });
  span.end(hrTimeOf(record.endUs));
}

function contextOf(traceId: string, spanId: string): SpanContext {
  return { traceId, spanId, traceFlags: TraceFlags.SAMPLED };
}

/** Seconds and nanoseconds of integer microseconds, exactly. */
export function hrTimeOf(epochUs: number): HrTime {
  return [Math.floor(epochUs / 1_000_000), (epochUs % 1_000_000) * 1000];
}

import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { createTracing, hrTimeOf, otlpLineOf } from './otel.ts';
import { SERVICE_VERSION } from './names.ts';
import { failedTurn, wholeTurn } from '../../testing/sample-turn.ts';
import { DEFAULT_VIEW, spansOf, type TraceView } from './spans.ts';

interface OtlpSpan {
  traceId: string;
  spanId: string;
  parentSpanId?: string;
  name: string;
  kind: number;
  startTimeUnixNano: string;
  endTimeUnixNano: string;
  status: { code: number; message?: string };
  attributes: { key: string }[];
  droppedAttributesCount: number;
  links: { traceId: string; spanId: string }[];
}
interface OtlpLine {
  resourceSpans: {
    resource: { attributes: { key: string; value: { stringValue: string } }[] };
    scopeSpans: { scope: { name: string }; schemaUrl: string; spans: OtlpSpan[] }[];
  }[];
}

function parse(line: string): OtlpLine {
  const parsed: OtlpLine = JSON.parse(line);
  return parsed;
}

function spansIn(line: string): OtlpSpan[] {
  return parse(line).resourceSpans.flatMap(({ scopeSpans }) => scopeSpans.flatMap(({ spans }) => spans));
}

function collect(): { lines: string[]; append(line: string): void; shutdown(): Promise<void> } {
  const lines: string[] = [];
  return { lines, append: (line) => void lines.push(line), shutdown: () => Promise.resolve() };
}

const onError = (error: unknown): void => {
  throw error;
};

test('every span arrives through NodeSDK with our ids, our times to the nanosecond and our resource only', async () => {
  const spool = collect();
  const tracing = createTracing({ spool, onError });
  assert.equal(tracing.active, true);
  for (const { log, measured } of [wholeTurn({ linkedTraceId: 'e'.repeat(32) }), failedTurn()]) {
    tracing.turn(log, measured);
    const line = spool.lines.at(-1) ?? '';
    assert.equal(line.indexOf('\n'), line.length - 1);
    const expected = spansOf(log, measured);
    const actual = spansIn(line);
    assert.deepEqual(
      actual.map((span) => ({
        traceId: span.traceId,
        spanId: span.spanId,
        parent: span.parentSpanId,
        name: span.name,
        start: BigInt(span.startTimeUnixNano),
        end: BigInt(span.endTimeUnixNano),
        error: span.status.code === 2,
        keys: span.attributes.map(({ key }) => key),
        dropped: span.droppedAttributesCount,
        links: span.links.map(({ traceId, spanId }) => ({ traceId, spanId })),
      })),
      expected.map((span) => ({
        traceId: span.traceId,
        spanId: span.spanId,
        parent: span.parentSpanId,
        name: span.name,
        start: BigInt(span.startUs) * 1000n,
        end: BigInt(span.endUs) * 1000n,
        error: span.status.code === 'error',
        keys: [...Object.keys(span.identity), ...Object.keys(span.attributes)],
        dropped: 0,
        links: span.links,
      })),
    );
    const [block] = parse(line).resourceSpans;
    assert.deepEqual(
      block?.resource.attributes.map(({ key, value }) => [key, value.stringValue]),
      [
        ['service.name', 'retake'],
        ['service.version', SERVICE_VERSION],
      ],
    );
    assert.equal(parse(line).resourceSpans.length, 1);
  }
  await tracing.shutdown();
});

test('the same turn gives the same bytes, from any tracing and for bundles', async () => {
  const first = collect();
  const second = collect();
  const tracings = [first, second].map((spool) => createTracing({ spool, onError }));
  const { log, measured } = wholeTurn();
  for (const tracing of tracings) {
    tracing.turn(log, measured);
    tracing.turn(log, measured);
  }
  const [line] = first.lines;
  assert.deepEqual([...first.lines, ...second.lines, otlpLineOf(log, measured)], Array(5).fill(line));
  const other = wholeTurn({ traceId: 'f'.repeat(32) });
  assert.notEqual(otlpLineOf(other.log, other.measured), line, 'control: another trace gives other bytes');
  await Promise.all(tracings.map((tracing) => tracing.shutdown()));
});

test("any texts and numbers: the bundle's line has the bytes of the SDK's serializer", async () => {
  const spool = collect();
  const tracing = createTracing({ spool, onError });
  const text = fc.string({ unit: 'binary' });
  const attrs = fc.dictionary(
    fc.constantFrom('model', 'servedModel', 'finishReason', 'costUsd', 'promptTokens', 'decision', 'message'),
    fc.oneof(text, fc.double({ noNaN: true, noDefaultInfinity: true }), fc.integer(), fc.boolean(), fc.array(text)),
  );
  fc.assert(
    fc.property(text, attrs, fc.constantFrom(undefined, 'e'.repeat(32)), (sessionId, extra, linkedTraceId) => {
      const whole = wholeTurn({ sessionId, ...(linkedTraceId === undefined ? {} : { linkedTraceId }) });
      const events = whole.log.events.map((event) => ({ ...event, attrs: { ...event.attrs, ...extra } }));
      const log = { ...whole.log, events };
      tracing.turn(log, whole.measured);
      assert.equal(otlpLineOf(log, whole.measured), spool.lines.pop());
    }),
    { numRuns: 60 },
  );
  const failed = failedTurn();
  tracing.turn(failed.log, failed.measured);
  assert.equal(otlpLineOf(failed.log, failed.measured), spool.lines.pop());
  await tracing.shutdown();
});

test('the view reaches spans that are exported: `full` shows the reply to its end, and another threshold is another tag', async () => {
  const { log, measured } = wholeTurn();
  const lineOf = async (view: TraceView): Promise<string> => {
    const spool = collect();
    const tracing = createTracing({ spool, onError, view });
    tracing.turn(log, measured);
    await tracing.shutdown();
    return spool.lines[0] ?? '';
  };
  const endOf = (line: string, name: string): number =>
    Number(BigInt(spansIn(line).find((span) => span.name === name)?.endTimeUnixNano ?? 0) / 1000n) - log.anchorUs;
  const [short, full] = [await lineOf(DEFAULT_VIEW), await lineOf({ ...DEFAULT_VIEW, playback: 'full', slowMs: 500 })];
  // the reply ends at 1,985,100; the last span of work ends at 1,593,000, and the first audible sound is at 1,605,100
  assert.deepEqual([endOf(short, 'playback'), endOf(short, 'turn')], [1_605_102, 1_605_103]);
  assert.deepEqual([endOf(full, 'playback'), endOf(full, 'turn')], [1_985_100, 1_985_101]);
  assert.deepEqual([short.includes('retake.slow.response'), full.includes('retake.slow.response')], [false, true]);
  for (const name of ['response', 'llm', 'tts']) assert.equal(endOf(short, name), endOf(full, name), name);
});

test('what goes wrong in exporting stays out of the turn', () => {
  const errors: unknown[] = [];
  const spool = { append: () => assert.fail('disk'), shutdown: () => Promise.resolve() };
  const tracing = createTracing({ spool, onError: (error) => errors.push(error) });
  const { log, measured } = wholeTurn();
  tracing.turn(log, measured);
  assert.equal(errors.length, 1);
});

test('hrtime of integer microseconds is exact', () => {
  assert.deepEqual(hrTimeOf(1_780_000_000_123_457), [1_780_000_000, 123_457_000]);
});

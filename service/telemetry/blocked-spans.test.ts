import assert from 'node:assert/strict';
import { test } from 'node:test';
import { wholeTurn } from '../../testing/sample-turn.ts';
import { pathByStageUs } from '../../testing/jaeger-critical-path.ts';
import type { TurnLog } from '../base/events.ts';
import { blockedAttrs, type Stall } from '../turn-log/blocked.ts';
import { measureTurn } from '../turn-log/metrics.ts';
import { MAX_SPANS } from './names.ts';
import { spansOf, type SpanRecord } from './spans.ts';

const { log, measured } = wholeTurn();
const [zeroUs, stopUs] = [measured.ledger?.zeroUs ?? 0, measured.ledger?.stopUs ?? 0];

function withStalls(stalls: readonly Stall[]): TurnLog {
  const attrs = blockedAttrs(stalls);
  const id = log.events.length;
  const atUs = log.events.reduce((most, event) => Math.max(most, event.atUs), 0);
  return { ...log, events: [...log.events, { id, kind: 'loop.blocked', stage: 'endpointing', atUs, cause: 0, attrs }] };
}

/** `parent: begin-end {attributes}` of each span `blocked`, on the turn's clock. */
function blockedSpans(spans: readonly SpanRecord[]): string[] {
  const nameOf = (id: string | undefined): string => spans.find(({ spanId }) => spanId === id)?.name ?? '';
  return spans
    .filter(({ name }) => name === 'blocked')
    .map(({ parentSpanId, startUs, endUs, attributes }) =>
      [`${nameOf(parentSpanId)}: ${startUs - log.anchorUs}-${endUs - log.anchorUs}`, ...Object.values(attributes)].join(
        ' ',
      ),
    );
}

/** The end of the first wait for a provider. */
const answered = measured.ledger?.parts.find(({ phase }) => phase === 'wait');
assert.ok(answered);

test('what held the turn up lies in the response, the rest beside it or in the speech before it', () => {
  const at = (fromUs: number, toUs: number, gcUs = 0, cpuUs = 0): Stall => ({ fromUs, toUs, gcUs, cpuUs });
  const stalls = [
    at(zeroUs - 50_000, zeroUs + 1000, 0, 1000),
    at(zeroUs + 100_000, zeroUs + 200_000, 80_000, 90_000),
    at(answered.toUs - 2000, answered.toUs, 0, 2000),
  ];
  const stalled = withStalls(stalls);
  const own = measureTurn(stalled);
  const spans = spansOf(stalled, own);
  assert.deepEqual(blockedSpans(spans), [
    `response: ${answered.toUs - 2000}-${answered.toUs - 1} 0 1 javascript our code`,
    `speech: ${zeroUs - 50_000}-${zeroUs - 1} 0 0.02 not running`,
    `turn: ${zeroUs - 1}-${zeroUs + 1000} 0 0.02 not running`,
    `turn: ${zeroUs + 100_000}-${zeroUs + 200_000} 0.8 0.9 garbage collection`,
  ]);
  // the critical path moves those 2 ms from the provider to our code
  const [before, after] = [spansOf(log, measured), spans].map((each) => pathByStageUs(each));
  const moved = (stage: string): number => (after?.get(stage) ?? 0) - (before?.get(stage) ?? 0);
  // and the microsecond between neighbours
  assert.equal(moved(answered.stage), -2001);
  assert.equal(moved('our code'), 2001);
  assert.equal(own.ledger?.e2eUs, stopUs - zeroUs);
});

test('without stalls a turn has no such span, and with a log full of them it stays within the limit', () => {
  assert.deepEqual(blockedSpans(spansOf(log, measured)), []);
  const many = Array.from({ length: 500 }, (_, index) => ({
    fromUs: zeroUs + index * 1000,
    toUs: zeroUs + index * 1000 + 900,
    gcUs: 1e9,
    cpuUs: -1e9,
  }));
  const stalled = withStalls(many);
  const spans = spansOf(stalled, measureTurn(stalled));
  assert.ok(spans.length <= MAX_SPANS && blockedSpans(spans).length > 30);
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { wholeTurn } from '../../testing/sample-turn.ts';
import { pathByStageUs } from '../../testing/jaeger-critical-path.ts';
import type { TurnLog } from '../base/events.ts';
import { blockedAttrs, type Stall } from '../turn-log/blocked.ts';
import { measureTurn } from '../turn-log/metrics.ts';
import { ATTRIBUTES, MAX_SPANS } from './names.ts';
import { DEFAULT_VIEW, spansOf, type SpanRecord } from './spans.ts';
import { identityAttributes, summaryAttributes, summaryOf } from './turn-attributes.ts';

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

test('what held the turn up lies in the response, the rest beside it and the speech before it', () => {
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
    `turn: ${zeroUs - 50_000}-${zeroUs + 1000} 0 0.02 not running`,
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

/** The sample's frames at a pace of 20 ms in a world where somebody reads; the one that holds the sample is read late. */
function streamed(lateUs: number): TurnLog {
  const sample = 16_000;
  const frameAtUs = Array.from({ length: 100 }, (_, index) => 1000 + index * 20_000 + (index === 50 ? lateUs : 0));
  const frameSamples = frameAtUs.map(() => 320);
  const known = log.events.map((event) =>
    event.kind === 'speech.end' ? { ...event, attrs: { ...event.attrs, sample } } : event,
  );
  const attrs = { sampleRateHz: 16_000, frameAtUs, frameSamples };
  const atUs = known.reduce((most, event) => Math.max(most, event.atUs), 0);
  const events: TurnLog['events'] = [
    ...known,
    { id: known.length, kind: 'speech.audio', stage: 'endpointing', atUs, cause: 0, attrs },
  ];
  return { ...log, identity: { ...log.identity, world: 'wire' }, events };
}

test('the turn says how late its speech end was read, and what is late is tagged; read back it is the same', () => {
  const tags = [20_000, 20_001].map((lateUs) => {
    const turn = streamed(lateUs);
    const { summary } = measureTurn(turn);
    assert.equal(summary.readLagUs, lateUs);
    assert.equal(summary.e2eUs, measured.summary.e2eUs, 'end to end keeps its zero');
    const attributes = { ...identityAttributes(turn), ...summaryAttributes(summary, DEFAULT_VIEW) };
    assert.deepEqual(summaryOf({ traceId: summary.traceId, attributes }), summary);
    return attributes[ATTRIBUTES.readLate.key];
  });
  assert.deepEqual(tags, [undefined, true]);
});

test('no lag of an upload, of virtual time and of audio without frames', () => {
  const turn = streamed(50_000);
  const lagOf = (other: TurnLog): number | undefined => measureTurn(other).summary.readLagUs;
  assert.equal(lagOf(turn), 50_000, 'control');
  assert.equal(lagOf({ ...turn, zero: 'upload' }), undefined);
  assert.equal(lagOf({ ...turn, identity: { ...turn.identity, world: 'sim' } }), undefined);
  const bare = turn.events.map((event) => (event.kind === 'speech.audio' ? { ...event, attrs: {} } : event));
  assert.equal(lagOf({ ...turn, events: bare }), undefined);
});

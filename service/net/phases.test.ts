import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { boundariesOf, boundaryEvents, type RequestFacts } from './phases.ts';

const phases = (facts: RequestFacts): string =>
  boundaryEvents({ startUs: facts.startUs, ...boundariesOf(facts) })
    .map(({ kind, atUs }) => `${kind.slice(5)} ${atUs}`)
    .join(', ');

test('a new connection shows every phase', () => {
  const connection = { startUs: 12, dnsUs: 40, connectedUs: 60, tlsUs: 100 };
  assert.equal(
    phases({ startUs: 10, connection, sendingUs: 101, bodySentUs: 105, headersUs: 300 }),
    'queued 12, dns 40, connected 60, tls 100, sent 105, headers 300',
  );
});

test('a reused connection has no dns, connect or tls', () => {
  const connection = { startUs: 0, dnsUs: 1, connectedUs: 2, tlsUs: 3 };
  assert.equal(
    phases({ startUs: 10, connection, sendingUs: 14, bodySentUs: 15, headersUs: 90 }),
    'queued 14, sent 15, headers 90',
  );
});

test('a set-up begun by somebody else counts as far as it overlaps', () => {
  const connection = { startUs: 0, dnsUs: 5, connectedUs: 30, tlsUs: 50 };
  assert.equal(
    phases({ startUs: 10, connection, sendingUs: 55, bodySentUs: 55, headersUs: 90 }),
    'queued 10, connected 30, tls 50, sent 55, headers 90',
  );
});

test('an early refusal ends `send` at its headers', () => {
  assert.equal(
    phases({ startUs: 0, connection: { startUs: -5, tlsUs: -1 }, sendingUs: 2, bodySentUs: 80, headersUs: 40 }),
    'queued 2, sent 40, headers 40',
  );
});

test('a streamed upload never shows its last byte: `send` ends at headers and says so', () => {
  const marks = boundariesOf({ startUs: 0, connection: { startUs: 1, tlsUs: 5 }, sendingUs: 6, headersUs: 40 });
  assert.equal(marks.sentKnown, false);
  assert.equal(marks.sentUs, 40);
});

test('a failure before the connection was made leaves what was seen', () => {
  assert.equal(phases({ startUs: 0, connection: { startUs: 1, dnsUs: 9 } }), 'queued 1, dns 9');
  assert.equal(phases({ startUs: 0 }), '');
});

test('whatever the order of facts, no phase runs backwards', () => {
  const time = fc.option(fc.integer({ min: -500, max: 500 }), { nil: undefined });
  const facts = fc.record({
    dnsUs: time,
    connectedUs: time,
    tlsUs: time,
    sendingUs: time,
    bodySentUs: time,
    headersUs: time,
  });
  fc.assert(
    fc.property(facts, fc.integer({ min: -500, max: 500 }), (random, connectionUs) => {
      const { dnsUs, connectedUs, tlsUs, sendingUs, bodySentUs, headersUs } = random;
      const connection = { startUs: connectionUs, ...defined({ dnsUs, connectedUs, tlsUs }) };
      const marks = {
        startUs: 0,
        ...boundariesOf({ startUs: 0, connection, ...defined({ sendingUs, bodySentUs, headersUs }) }),
      };
      const times = boundaryEvents(marks).map(({ atUs }) => atUs);
      assert.deepEqual(
        times,
        [...times].sort((a, b) => a - b),
      );
      assert.ok(times.every((atUs) => atUs >= 0));
    }),
  );
});

function defined<T extends object>(object: T): { [K in keyof T]?: NonNullable<T[K]> } {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: NonNullable<T[K]>;
  };
}

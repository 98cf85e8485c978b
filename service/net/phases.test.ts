import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { phaseOf } from '../turn-log/ledger.ts';
import type { EventKind } from '../base/events.ts';
import { boundariesOf, boundaryEvents, type RequestFacts } from './phases.ts';

const phases = (facts: RequestFacts): string =>
  boundaryEvents({ startUs: facts.startUs, ...boundariesOf(facts) })
    .map(({ kind, atUs }) => `${kind.slice(5)} ${atUs}`)
    .join(', ');

test('a new connection shows every phase', () => {
  const connection = { startUs: 12, dnsUs: 40, connectedUs: 60, tlsUs: 100 };
  assert.equal(
    phases({ startUs: 10, connection, sendingUs: 101, bodySentUs: 105, headersUs: 300 }),
    'queued 12, dns 40, connected 60, tls 100, ready 101, sent 105, headers 300',
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
    'queued 10, connected 30, tls 50, ready 55, sent 55, headers 90',
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

test('what is left of the wait after the set-up is queue again', () => {
  const connection = { startUs: 2, connectedUs: 5, tlsUs: 9 };
  assert.equal(
    phases({ startUs: 0, connection, sendingUs: 60, bodySentUs: 61, headersUs: 70 }),
    'queued 2, connected 5, tls 9, ready 60, sent 61, headers 70',
  );
  assert.equal(
    phases({ startUs: 0, connection, sendingUs: 9, bodySentUs: 61, headersUs: 70 }),
    'queued 2, connected 5, tls 9, sent 61, headers 70',
  );
});

test('a failure ends the phase in which it came', () => {
  const looksUp = true;
  assert.equal(phases({ startUs: 0, connection: { startUs: 1, looksUp }, failedUs: 50 }), 'queued 1, dns 50');
  assert.equal(phases({ startUs: 0, connection: { startUs: 1, looksUp, dnsUs: 9 }, failedUs: 50 }), 'queued 1, dns 9');
  assert.equal(phases({ startUs: 0, connection: { startUs: 1 }, failedUs: 50 }), 'queued 1');
  assert.equal(
    phases({ startUs: 10, connection: { startUs: 1, tlsUs: 2 }, sendingUs: 20, failedUs: 50 }),
    'queued 20, ready 20',
    'while a reused connection sends',
  );
});

test('wherever an exchange begins in a set-up, each of its waits has a phase in the ledger', () => {
  const connection = { startUs: 1, dnsUs: 2, connectedUs: 3, tlsUs: 4 };
  const first: string[] = [];
  for (let startUs = 0; startUs <= 5; startUs++) {
    const facts = { startUs, connection, sendingUs: 6, bodySentUs: 7, headersUs: 8 };
    const chain = boundaryEvents({ startUs, ...boundariesOf(facts) });
    chain.reduce<EventKind>((before, { kind }) => {
      if (before === 'http.queued') first.push(phaseOf(before, kind));
      assert.notEqual(phaseOf(before, kind), 'after');
      return kind;
    }, 'http.start');
  }
  assert.deepEqual(first, ['dns', 'dns', 'connect', 'tls', 'send', 'send']);
});

/** All orders of what can be seen of one exchange, one µs apart: 5,040, each with its phases told in words. */
test('every order of socket and request events gives contiguous phases, and a causal order gives exactly these', () => {
  const names = ['connecting', 'dns', 'connected', 'tls', 'sending', 'bodySent', 'headers'] as const;
  const causal = 'connecting dns connected tls sending bodySent headers';
  const startUs = 3;
  let seen = 0;
  for (const order of permutations(names)) {
    const at = (name: (typeof names)[number]): number => order.indexOf(name);
    const facts: RequestFacts = {
      startUs,
      sendingUs: at('sending'),
      bodySentUs: at('bodySent'),
      headersUs: at('headers'),
      connection: {
        startUs: at('connecting'),
        dnsUs: at('dns'),
        connectedUs: at('connected'),
        tlsUs: at('tls'),
      },
    };
    const events = boundaryEvents({ startUs, ...boundariesOf(facts) });
    seen++;
    let lastUs = startUs;
    for (const { atUs } of events) {
      assert.ok(atUs >= lastUs, order.join(' '));
      lastUs = atUs;
    }
    assert.equal(lastUs, Math.max(startUs, at('headers'), Math.min(at('sending'), 6)), order.join(' '));
    const kinds = events.map(({ kind }) => kind.slice(5)).join(' ');
    const readyUs = at('tls');
    if (readyUs <= startUs) assert.equal(kinds, 'queued sent headers', order.join(' '));
    else assert.match(kinds, /^queued (dns )?(connected )?tls (ready )?sent headers$/, order.join(' '));
    if (order.join(' ') === causal) assert.equal(phases(facts), 'queued 4, sent 5, headers 6');
  }
  assert.equal(seen, 5040);
});

test('in any order of facts no phase runs backwards', () => {
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

test('whenever a request meets a connection that is being set up, the ledger knows each of its waits', () => {
  const step = fc.option(fc.integer({ min: 0, max: 100 }), { nil: undefined });
  const gap = fc.integer({ min: 0, max: 100 });
  const met = new Set<string>();
  fc.assert(
    fc.property(
      fc.record({ dns: step, connect: gap, tls: step, sending: gap, sent: step, headers: step, at: gap }),
      (gaps) => {
        // the set-up begins at -60 and its steps follow one another; the request comes at 0, in whichever step that is
        let atUs = -60;
        const after = (us: number | undefined): number | undefined => (us === undefined ? undefined : (atUs += us));
        const connection = {
          startUs: atUs,
          ...defined({ dnsUs: after(gaps.dns), connectedUs: after(gaps.connect), tlsUs: after(gaps.tls) }),
        };
        atUs = Math.max(atUs, 0);
        const sendingUs = after(gaps.sending);
        const facts = {
          startUs: 0,
          connection,
          ...defined({ sendingUs, bodySentUs: after(gaps.sent), headersUs: after(gaps.headers) }),
        };
        const kinds = [
          'http.start' as const,
          ...boundaryEvents({ startUs: 0, ...boundariesOf(facts) }).map(({ kind }) => kind),
        ];
        for (const [index, kind] of kinds.slice(1).entries()) {
          const cause = kinds[index] ?? 'http.start';
          phaseOf(cause, kind);
          met.add(`${cause} > ${kind}`);
        }
      },
    ),
    { numRuns: 2000 },
  );
  for (const pair of ['http.queued > http.tls', 'http.queued > http.connected', 'http.queued > http.dns'])
    assert.ok(met.has(pair), pair);
});

function* permutations<T>(items: readonly T[]): Generator<T[]> {
  if (items.length === 0) yield [];
  for (const [index, item] of items.entries()) {
    for (const rest of permutations(items.toSpliced(index, 1))) yield [item, ...rest];
  }
}

function defined<T extends object>(object: T): { [K in keyof T]?: NonNullable<T[K]> } {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: NonNullable<T[K]>;
  };
}

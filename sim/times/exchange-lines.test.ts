import assert from 'node:assert/strict';
import { test } from 'node:test';
import { InputError } from '../../service/base/errors.ts';
import { exchangeLine, parseExchanges } from './exchange-lines.ts';
import type { Observation } from './observed.ts';

const SEEN: Observation = {
  ...{ sessionId: 's', turnIndex: 0, exchange: 'tts.0.0.0', anchorUs: 1, operation: 'tts', what: 'stream' },
  ...{ size: 40, uploadBytes: 300, speed: 1 },
  plan: {
    reused: false,
    networkUs: { queue: 0, connect: 9, tls: 8, send: 7 },
    waitUs: 6,
    items: [{ gapUs: 5, kind: 'data', parts: [4, 3] }],
    leadingSilenceMs: 2,
  },
};

test('exchanges that a bench wrote are read as they were observed', () => {
  const other = { ...SEEN, sessionId: 't', exchange: 'tts.1.0.0' };
  const { worlds, observations, sessions } = parseExchanges(exchangeLine('wire', SEEN) + exchangeLine('live', other), 'f');
  assert.deepEqual([worlds, observations, sessions], [['live', 'wire'], [SEEN, other], 2]);
}); // prettier-ignore

test("the same draw of a stand-in counts once, in any arm; other work and each provider's answer counts", () => {
  const count = (world: string, second: Observation): number =>
    parseExchanges(exchangeLine(world, SEEN) + exchangeLine(world, second), 'f').observations.length;
  assert.equal(count('wire', SEEN), 1);
  assert.equal(count('wire', { ...SEEN, what: 'speech' }), 2);
  assert.equal(count('live', SEEN), 2);
});

test('a torn last line is left out; any other broken line is one error with its place', () => {
  const line = exchangeLine('sim', SEEN);
  assert.equal(parseExchanges(line + line.slice(0, 40), 'f').observations.length, 1);
  const refused = (text: string, message: RegExp): void =>
    assert.throws(
      () => parseExchanges(text, 'f.jsonl'),
      (error) => error instanceof InputError && message.test(error.message),
    );
  refused(`${line}{"world"\n`, /^f\.jsonl, line 2: is not JSON; run the bench again$/);
  refused(line.replace('"waitUs":6', '"waitUs":-6'), /^f\.jsonl, line 1: \/plan\/waitUs must be >= 0; run the bench/);
  refused(line.replace('"what"', '"which"'), /line 1: .* must have required propert/);
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { scrub } from './scrub.ts';

const CONTENT = 'My mother worked at the harbour for thirty years, and so did I.';
const sent = { keys: ['sk-or-v1-0123456789'], contents: [CONTENT] };

test('keys go wherever they stand, also those that only look like one', () => {
  assert.equal(scrub('bad key sk-or-v1-0123456789!', sent), 'bad key [key]!');
  assert.equal(scrub('header "Bearer abc.def" is wrong', { keys: [], contents: [] }), 'header "[key]" is wrong');
  assert.equal(scrub('Insufficient credits', sent), 'Insufficient credits');
});

test("an echo is removed whole or in part, in either case; the provider's own words stay", () => {
  assert.equal(scrub(`flagged: "${CONTENT}" (policy)`, sent), 'flagged: "[text]" (policy)');
  assert.equal(scrub('at "the harbour for thirty": no', sent), 'at "[text]": no');
  assert.equal(scrub(`${CONTENT.toUpperCase()}`, sent), '[text]');
  assert.equal(scrub('for thirty', sent), 'for thirty', 'shorter than an echo');
});

test('no stretch of twelve characters of a key survives', () => {
  fc.assert(
    fc.property(
      fc.nat(CONTENT.length - 12),
      fc.nat(40),
      fc.string({ maxLength: 20 }),
      fc.string({ maxLength: 20 }),
      (from, extra, before, after) => {
        const echo = CONTENT.slice(from, from + 12 + extra);
        const clean = scrub(before + echo + after, sent);
        for (let at = 0; at + 12 <= echo.length; at++) assert.ok(!clean.includes(echo.slice(at, at + 12)), clean);
      },
    ),
  );
});

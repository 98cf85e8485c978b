import assert from 'node:assert/strict';
import { test } from 'node:test';
import { InputError } from '../../service/base/errors.ts';
import type { TurnSummary } from '../../service/turn-log/metrics.ts';
import { matchByTag, orderTags, wordTag, type Tagged } from './pair-by.ts';

const turn = (sessionId: string, turnIndex: number): TurnSummary => ({
  ...{ sessionId, turnIndex, traceId: '0'.repeat(32), lane: 'captured', variant: 'captured', world: 'live' },
  ...{ zero: 'audio', ledger: [], serviceUs: {}, premature: false },
});
const tagged = (
  turns: readonly TurnSummary[],
  tags: readonly (string | undefined)[],
): Tagged<{ summary: TurnSummary }>[] => turns.map((summary, index) => ({ turn: { summary }, tag: tags[index] }));
const names = (turns: readonly { summary: TurnSummary }[]): string[] =>
  turns.map(({ summary }) => `${summary.sessionId}/${summary.turnIndex}`);

test('by order: the n-th session meets the n-th, turn by turn, whatever the recording calls them', () => {
  const a = [turn('x', 0), turn('x', 1), turn('y', 0)];
  const b = [turn('p', 2), turn('p', 1), turn('q', 7), turn('q', 8)];
  assert.deepEqual(orderTags(b), ['0/1', '0/0', '1/0', '1/1']);
  const { b: renamed, pairs } = matchByTag(tagged(a, orderTags(a)), tagged(b, orderTags(b)), 'order');
  assert.equal(pairs, 3);
  assert.deepEqual(names(renamed), ['x/1', 'x/0', 'y/0', 'q/8']);
});

test('by words or an attribute: the n-th turn with a tag meets the n-th; others keep a name of their own', () => {
  const a = tagged([turn('x', 0), turn('x', 1), turn('y', 0)], ['hello', 'hello', undefined]);
  const b = tagged([turn('x', 5), turn('p', 0), turn('p', 1), turn('y', 0)], ['other', 'hello', 'hello', undefined]);
  const { b: renamed, pairs } = matchByTag(a, b, 'text');
  assert.equal(pairs, 2);
  assert.deepEqual(names(renamed), ['x of B/5', 'x/0', 'x/1', 'y of B/0'], 'an unmatched turn meets none by its name');
});

test('repetitions of a turn have one place, and meet in their order', () => {
  const twice = [turn('x', 0), turn('x', 0), turn('x', 1)];
  assert.deepEqual(orderTags(twice), ['0/0', '0/0', '0/1']);
  const { pairs } = matchByTag(tagged(twice, orderTags(twice)), tagged(twice, orderTags(twice)), 'order');
  assert.equal(pairs, 3);
});

test('nothing to pair by is one line that says what to do', () => {
  const some = tagged([turn('x', 0)], ['a']);
  const none = tagged([turn('y', 0)], [undefined]);
  const refused = (message: RegExp) => (error: unknown) => error instanceof InputError && message.test(error.message);
  assert.throws(() => matchByTag(some, none, 'case.id'), refused(/no turn of B has one at all/));
  assert.throws(() => matchByTag(some, tagged([turn('y', 0)], ['b']), 'case.id'), refused(/pair by something else/));
});

test('words are the same in any case, punctuation and spacing; other words are not', () => {
  assert.equal(wordTag('  Merhaba, dünya! '), wordTag('merhaba dünya'));
  assert.notEqual(wordTag('merhaba'), wordTag('merhaba dünya'));
  assert.deepEqual([wordTag('…'), wordTag(undefined)], [undefined, undefined]);
});

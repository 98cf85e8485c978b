import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createByteBudget, type Share } from './byte-budget.ts';

/** A budget of 100 bytes, and shares that note their eviction. */
function budget() {
  const evicted: string[] = [];
  const bytes = createByteBudget(100);
  const share = (client: string, name = client, isHopeless = false): Share =>
    bytes.share({ client, evict: () => evicted.push(name), isHopeless: () => isHopeless });
  return { bytes, share, evicted };
}

test('the largest share of the client with the most makes room for a client who holds less; its bytes are free at once', () => {
  const { bytes, share, evicted } = budget();
  const [small, large, other] = [share('a', 'small'), share('a', 'large'), share('b')];
  assert.ok(small.take(20) && large.take(40) && other.take(35));
  assert.ok(share('c').take(30));
  assert.deepEqual(evicted, ['large']);
  assert.equal(bytes.usedBytes, 85);
  assert.ok(!large.take(1), 'whoever was evicted takes no more');
  large.giveBack();
  assert.equal(bytes.usedBytes, 85, 'nothing is given back twice');
  assert.ok(large.take(1), 'afterwards it may begin again');
});

test('nobody makes room for a client who would hold as much as the others; what is settled stays', () => {
  const { share, evicted } = budget();
  const [a, b] = [share('a'), share('b')];
  assert.ok(a.take(50) && b.take(45));
  assert.ok(!b.take(6), 'b would hold more than a');
  a.settle();
  assert.ok(!share('c').take(46), 'as much as b has, who alone could make room');
  assert.ok(share('c').take(44));
  assert.deepEqual(evicted, ['b']);
});

test('within a client only what will not be done in time makes room, and only for less', () => {
  const { share, evicted } = budget();
  assert.ok(share('a', 'fast').take(50) && share('a', 'hopeless', true).take(40));
  assert.ok(!share('a').take(41));
  assert.ok(share('a').take(30));
  assert.deepEqual(evicted, ['hopeless']);
});

test('of other clients hopeless work goes first', () => {
  const { share, evicted } = budget();
  assert.ok(share('a').take(50) && share('b', 'b', true).take(40));
  assert.ok(share('c').take(30));
  assert.deepEqual(evicted, ['b']);
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { balancedOrders, planRuns } from './order.ts';

/** How often each item directly follows each other one. */
function follows(orders: readonly (readonly string[])[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const order of orders)
    for (const [index, item] of order.entries()) {
      const before = order[index - 1];
      if (before !== undefined) counts.set(`${before}${item}`, (counts.get(`${before}${item}`) ?? 0) + 1);
    }
  return counts;
}

for (const count of [2, 3, 4, 5, 6, 9])
  test(`${count} lanes: every lane follows every other equally often, and stands at every place equally often`, () => {
    const items = Array.from({ length: count }, (_, index) => String.fromCharCode(97 + index));
    const orders = balancedOrders(items);
    assert.equal(orders.length, count % 2 === 0 ? count : 2 * count);
    for (const order of orders) assert.deepEqual([...order].sort(), items);
    const counts = follows(orders);
    assert.equal(counts.size, count * (count - 1));
    assert.equal(new Set(counts.values()).size, 1, JSON.stringify([...counts]));
    for (let place = 0; place < count; place++)
      for (const item of items)
        assert.equal(orders.filter((order) => order[place] === item).length, orders.length / count);
    // an order and its reverse side by side: two turns are balanced in direction already
    assert.deepEqual(orders[1], orders[0]?.toReversed());
  });

test('one lane is its own order, and none has none', () => {
  assert.deepEqual(balancedOrders(['a']), [['a']]);
  assert.deepEqual(balancedOrders([]), []);
});

test('in a plan the lanes of a session are balanced, and sessions begin with different orders', () => {
  const lanes = (['baseline', 'candidate'] as const).map((lane) => ({ lane, variant: lane }));
  const sessions = Array.from({ length: 20 }, (_, index) => ({ sessionId: `s${index}`, turns: [0, 1, 2, 3] }));
  const planned = planRuns({ sessions, lanes, runs: 1, seed: '1' });
  const firsts = new Set<string>();
  for (const { sessionId } of sessions) {
    const own = planned.filter((each) => each.sessionId === sessionId);
    const leaders = own.filter((_, index) => index % 2 === 0).map(({ lane }) => lane);
    assert.equal(leaders.filter((lane) => lane === 'baseline').length, 2, 'each lane leads in half of the turns');
    firsts.add(leaders[0] ?? '');
  }
  assert.deepEqual([...firsts].sort(), ['baseline', 'candidate']);
  assert.deepEqual(planRuns({ sessions, lanes, runs: 1, seed: '1' }), planned);
  assert.notDeepEqual(planRuns({ sessions, lanes, runs: 1, seed: '2' }), planned, 'control: another seed');
});

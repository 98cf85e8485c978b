import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { MeasuredTurn } from '../turn-log/metrics.ts';
import type { Clock } from '../base/ports.ts';
import type { TurnLog } from '../base/events.ts';
import type { Session } from '../turn/session.ts';
import { createRegistry } from './registry.ts';

test('a session is gone from the moment that it begins to be erased: no turn can begin meanwhile', async () => {
  const erasing = Promise.withResolvers<boolean>();
  const registry = createRegistry({
    clock: { nowUs: () => 0 } as Clock,
    open: () => ({ id: 's', busy: false }) as Session,
    eraseCapture: () => erasing.promise,
    onForgotten: () => undefined,
  });
  const session = registry.create({});
  assert.equal(registry.find('s'), session, 'control');
  const erased = registry.erase('s');
  assert.equal(registry.find('s'), undefined);
  erasing.resolve(false);
  assert.equal(await erased, true);
  assert.equal(await registry.erase('s'), false, 'control: nothing was there');
});

test('a session whose turns come over a socket is not idle; one without turns is', () => {
  let nowUs = 0;
  let opened = 0;
  const forgotten: string[] = [];
  const registry = createRegistry({
    clock: { nowUs: () => nowUs } as Clock,
    open: () => ({ id: `s${++opened}`, busy: false }) as Session,
    eraseCapture: () => Promise.resolve(false),
    onForgotten: (id) => void forgotten.push(id),
  });
  const talking = registry.create({});
  const silent = registry.create({});
  const minutes = (count: number): number => count * 60e6;
  for (nowUs = 0; nowUs <= minutes(40); nowUs += minutes(10)) {
    const identity = { sessionId: talking.id, traceId: String(nowUs) };
    registry.finished({ identity, events: [] } as unknown as TurnLog, {} as MeasuredTurn);
  }
  registry.create({});
  assert.deepEqual(forgotten, [silent.id]);
  assert.equal(registry.find(talking.id), talking);
});

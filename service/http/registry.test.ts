import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { MeasuredTurn } from '../turn-log/metrics.ts';
import type { Clock } from '../base/ports.ts';
import type { TurnLog } from '../base/events.ts';
import type { Session } from '../turn/session.ts';
import { LIMITS } from './limits.ts';
import { ProblemError } from './problem.ts';
import { createRegistry } from './registry.ts';

const measured = (kind?: string): MeasuredTurn =>
  ({ summary: { failure: kind === undefined ? undefined : { kind } } }) as unknown as MeasuredTurn;

test('a session is gone from the moment that it begins to be erased: no turn can begin meanwhile', async () => {
  const erasing = Promise.withResolvers<boolean>();
  const registry = createRegistry({
    clock: { nowUs: () => 0 } as Clock,
    open: () => ({ id: 's', busy: false, cancel: () => Promise.resolve() }) as unknown as Session,
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
    registry.finished({ identity, events: [] } as unknown as TurnLog, measured());
  }
  registry.create({});
  assert.deepEqual(forgotten, [silent.id]);
  assert.equal(registry.find(talking.id), talking);
});

test('a session in which nobody has said anything leaves after 2 minutes; the 503 says when the first one may', () => {
  let nowUs = 0;
  let opened = 0;
  const registry = createRegistry({
    clock: { nowUs: () => nowUs } as Clock,
    open: () => ({ id: `s${++opened}`, busy: false }) as Session,
    eraseCapture: () => Promise.resolve(false),
    onForgotten: () => undefined,
  });
  const end = (sessionId: string, kind?: string): void => {
    const identity = { sessionId, traceId: sessionId };
    registry.finished({ identity, events: [] } as unknown as TurnLog, measured(kind));
  };
  const [silent, talking] = [registry.create({}), registry.create({})];
  end(silent.id, 'no-speech');
  end(talking.id);
  while (registry.count() < LIMITS.sessions.value) registry.create({});
  const retryAfter = (): unknown => {
    try {
      registry.create({});
      return 'room';
    } catch (error) {
      return error instanceof ProblemError ? error.problem.headers?.['retry-after'] : error;
    }
  };
  assert.equal(retryAfter(), '60');
  nowUs = 100e6;
  registry.get(silent.id); // who only asks keeps nothing
  end(silent.id, 'no-speech');
  assert.equal(retryAfter(), '20');
  nowUs = 120e6;
  assert.equal(retryAfter(), 'room');
  assert.deepEqual([registry.find(silent.id), registry.find(talking.id)?.id], [undefined, talking.id]);
  assert.equal(registry.count(), 2, 'the one with a turn, and the new one');
});

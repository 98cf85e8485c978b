/** Which sessions a replay takes: spread, seeded and fair as a sample; slowest or failed where that is asked for. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { CapturedSession } from './captured-session.ts';
import { choiceNote, choiceOf, pickedBy, spreadSample } from './choice.ts';
import { uploadSessions } from '../../testing/sessions.ts';

const HOUR_US = 3.6e9;
/** 240 sessions over 24 hours, ten times as many in each of the last 12 hours as in the first. */
const DAY = Array.from({ length: 240 }, (_, index) => ({
  sessionId: `s${String(index).padStart(3, '0')}`,
  startedEpochUs: index < 20 ? (index * 12 * HOUR_US) / 20 : 12 * HOUR_US + ((index - 20) * 12 * HOUR_US) / 220,
}));
const hourOf = (id: string): number =>
  Math.floor((DAY.find(({ sessionId }) => sessionId === id)?.startedEpochUs ?? 0) / HOUR_US);

test('a sample is spread over the hours, as busy as they were, and seeded', () => {
  for (const seed of ['1', '2', '3']) {
    const ids = spreadSample(DAY, 24, seed);
    assert.equal(new Set(ids).size, 24);
    const hours = ids.map(hourOf);
    assert.deepEqual(hours.filter((hour) => hour < 12).length, 2, 'a twelfth of the sessions: a twelfth of the sample');
    assert.ok(new Set(hours).size >= 12, `${new Set(hours).size} hours`);
    assert.deepEqual(ids, spreadSample([...DAY].reverse(), 24, seed), 'not by the order of the store');
  }
  assert.notDeepEqual(spreadSample(DAY, 24, '1'), spreadSample(DAY, 24, '2'));
});

test('each session is as likely as any other, also where the sample is no divisor', () => {
  const drawn = new Map<string, number>();
  for (let seed = 0; seed < 3000; seed++)
    for (const id of spreadSample(DAY.slice(0, 10), 4, String(seed))) drawn.set(id, (drawn.get(id) ?? 0) + 1);
  assert.equal(drawn.size, 10);
  // 1,200 expected, standard deviation 27
  for (const [id, times] of drawn) assert.ok(Math.abs(times - 1200) < 110, `${id}: ${times}`);
});

test('a sample as large as the store is the whole store', () => {
  assert.equal(spreadSample(DAY, 240, '1').length, 240);
  assert.deepEqual(spreadSample([], 20, '1'), []);
});

const captured = await uploadSessions({ sessions: 5, turns: 2 });
/** Each its own hour; the second slow, the fourth with a failed turn. */
const SESSIONS = captured.map((session, index): CapturedSession => ({
  ...session,
  turns: session.turns.map((log, turn) => {
    const slow = index === 1 ? 5_000_000 : 0;
    const events = log.events.map((event) =>
      event.kind === 'client.end' || event.kind === 'speech.start'
        ? event
        : { ...event, atUs: event.atUs + (event.kind === 'deliver.first_audible' ? slow : 0) },
    );
    const last = events[events.length - 1] ?? assert.fail();
    const failed = {
      ...{ id: last.id + 1, kind: 'turn.failed' as const, stage: 'llm' as const, atUs: last.atUs, cause: last.id },
      attrs: { errorStage: 'llm', errorKind: 'timeout', message: 'late' },
    };
    return {
      ...log,
      anchorUs: index * HOUR_US,
      events: index === 3 && turn === 1 ? [...events, failed] : events,
    };
  }),
}));
const idsOf = (sessions: readonly CapturedSession[]): string[] => sessions.map(({ sessionId }) => sessionId);

test('by latency the slowest, by error those that failed and no others', () => {
  assert.deepEqual(idsOf(pickedBy('latency', SESSIONS, 1)), ['session-1']);
  assert.deepEqual(idsOf(pickedBy('error', SESSIONS, 3)), ['session-3']);
  assert.equal(pickedBy('latency', SESSIONS, 9).length, 5);
});

test('the note says how, how many and when', () => {
  assert.equal(
    choiceNote('sampled', SESSIONS),
    'sessions sampled: 5, captured in 5 hours from 1970-01-01 00h to 1970-01-01 04h UTC',
  );
  assert.equal(choiceNote('by error', SESSIONS.slice(3, 4)), 'sessions by error: 1, captured 1970-01-01 03h UTC');
  assert.deepEqual(
    [choiceOf('sample', true), choiceOf('sample', false), choiceOf('latency', true)],
    ['named', 'sampled', 'by latency'],
  );
});

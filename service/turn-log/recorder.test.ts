import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Clock } from '../base/ports.ts';
import type { TurnEvent } from '../base/events.ts';
import { createRecorder, join } from './recorder.ts';

function clockAt(times: number[]): Pick<Clock, 'nowUs'> {
  return { nowUs: () => times.shift() ?? 0 };
}
const quiet = (): void => undefined;

test('ids count up in order of recording, and every sink sees every event', () => {
  const seen: TurnEvent[] = [];
  const recorder = createRecorder(clockAt([10, 30]), [(event) => seen.push(event)], quiet);
  const start = recorder.record({ kind: 'speech.start', stage: 'endpointing' });
  const dns = recorder.record({ kind: 'speech.quiet', stage: 'endpointing', cause: start, atUs: 20 });
  assert.deepEqual([start, dns], [0, 1]);
  assert.deepEqual(
    seen.map(({ id, atUs }) => [id, atUs]),
    [
      [0, 10],
      [1, 20],
    ],
  );
});

test('an error that a sink throws is counted and goes no further', () => {
  const errors: unknown[] = [];
  const broken = (): void => {
    throw new Error('disk full');
  };
  const recorder = createRecorder(clockAt([1]), [broken], (error) => errors.push(error));
  recorder.record({ kind: 'speech.start', stage: 'endpointing' });
  assert.equal(recorder.events.length, 1);
  assert.equal(errors.length, 1);
});

test('undefined fields and attributes stay out of the log; the others keep their order', () => {
  const recorder = createRecorder(clockAt([]), [], quiet);
  recorder.record({ kind: 'speech.start', stage: 'endpointing', atUs: 0 });
  recorder.record({
    kind: 'tts.done',
    stage: 'tts',
    exchange: undefined,
    cause: 0,
    also: undefined,
    attrs: { index: 0, requestId: undefined, bytes: 4 },
    content: { text: undefined, sampleRateHz: 8000 },
    atUs: 1,
  });
  recorder.record({ kind: 'turn.done', stage: 'deliver', cause: 0, attrs: undefined, content: undefined, atUs: 1 });
  const [, event, last] = recorder.events;
  const attrs = { index: 0, bytes: 4 };
  // strict: a key whose value is undefined is another object
  assert.deepEqual(event, {
    kind: 'tts.done',
    stage: 'tts',
    cause: 0,
    attrs,
    content: { sampleRateHz: 8000 },
    atUs: 1,
    id: 1,
  });
  assert.deepEqual(Object.keys(event ?? {}), ['kind', 'stage', 'cause', 'attrs', 'content', 'atUs', 'id']);
  assert.deepEqual(Object.keys(event?.attrs ?? {}), ['index', 'bytes']);
  assert.deepEqual(last, { kind: 'turn.done', stage: 'deliver', cause: 0, atUs: 1, id: 2 });
});

test('an unknown cause, or a cause later than its effect, is an internal error and throws', () => {
  const recorder = createRecorder(clockAt([]), [], quiet);
  recorder.record({ kind: 'speech.start', stage: 'endpointing', atUs: 100 });
  assert.throws(() => recorder.record({ kind: 'speech.quiet', stage: 'endpointing', cause: 7, atUs: 200 }), /event 7/);
  assert.throws(() => recorder.record({ kind: 'speech.quiet', stage: 'endpointing', cause: 0, atUs: 99 }), /precedes/);
  assert.throws(
    () => recorder.record({ kind: 'speech.quiet', stage: 'endpointing', cause: 0, atUs: 200.5 }),
    /whole µs/,
  );
  // control: the same event with its cause in order is fine
  assert.equal(recorder.record({ kind: 'speech.quiet', stage: 'endpointing', cause: 0, atUs: 100 }), 1);
});

test('a join is caused by the later releaser; a tie goes to the later id', () => {
  const recorder = createRecorder(clockAt([]), [], quiet);
  const at = (atUs: number): number => recorder.record({ kind: 'speech.start', stage: 'endpointing', atUs });
  const [early, late, tied] = [at(5), at(9), at(9)];
  assert.deepEqual(join(recorder, early, late), { cause: late, also: early });
  assert.deepEqual(join(recorder, late, early), { cause: late, also: early });
  assert.deepEqual(join(recorder, late, tied), { cause: tied, also: late });
  assert.deepEqual(join(recorder, late, undefined), { cause: late });
});

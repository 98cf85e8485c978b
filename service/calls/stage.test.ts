import assert from 'node:assert/strict';
import { test } from 'node:test';
import { questionUpload } from '../../bench/programs/question.ts';
import { instantPorts } from '../../bench/programs/workload.ts';
import { createRealClock } from '../base/clock.ts';
import { InvariantError } from '../base/errors.ts';
import { DEFAULT_STRATEGY } from '../strategy/strategy.ts';
import { createRecorder } from '../turn-log/recorder.ts';
import { callProvider, createTurnScope, type TurnScope } from './stage.ts';

const clock = createRealClock();
const { signal } = new AbortController();

function scope(): TurnScope {
  const input = {
    owner: { sessionId: 's', turnIndex: 0, arm: 'a' },
    strategy: DEFAULT_STRATEGY,
    conversation: { systemPrompt: '', history: [] },
    language: 'en',
    audio: questionUpload(clock),
    reply: { audio: () => Promise.resolve() },
    sinks: [],
  };
  return createTurnScope(instantPorts(clock), input, signal);
}

test("a turn waits for stray work, also for work that this starts; a failure is the work's own, an internal error the turn’s", async () => {
  const turn = scope();
  const done: string[] = [];
  const later = Promise.withResolvers<undefined>();
  turn.stray(
    (async () => {
      await clock.sleep(1, signal);
      turn.stray(later.promise.then(() => done.push('brought')));
      done.push('stray');
      void clock.sleep(1, signal).then(() => later.resolve(undefined));
    })(),
  );
  turn.stray(Promise.reject(new Error('a superseded upload failed')));
  await turn.settled();
  assert.deepEqual(done, ['stray', 'brought']);

  turn.stray(Promise.reject(new InvariantError('an event without its cause')));
  await assert.rejects(turn.settled(), /an event without its cause/);
});

test('a provider call needs no turn: ports, an owner, a recorder and a signal', async () => {
  const { transport, random, stt } = instantPorts(clock);
  const recorder = createRecorder(clock, [], () => undefined);
  const cause = recorder.record({ kind: 'speech.start', stage: 'stt' });
  const owner = { sessionId: 's', turnIndex: 3, arm: 'a' };
  const seen: unknown[] = [];
  const watched: typeof transport = {
    ...transport,
    send(request, marks) {
      seen.push(request.context);
      return transport.send(request, marks);
    },
  };
  const { text } = await callProvider(
    { ports: { clock, transport: watched, random }, owner, recorder, signal, drain: false, calls: [] },
    { stage: 'stt', ordinal: 2, cause },
    (call) =>
      stt.transcribe(
        { method: 'transcriptions', audio: new Uint8Array(2), mimeType: 'audio/wav', language: 'en' },
        call,
      ),
  );
  assert.equal(text, 'What did you do there?');
  assert.deepEqual(seen, [{ ...owner, stage: 'stt', ordinal: 2, attempt: 0, fetchIndex: 0 }]);
});

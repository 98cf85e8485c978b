/** What the user hears when a turn fails: after what was heard of the reply, an apology if one is at hand. */
import { sampleIdentity } from '../../testing/sample-turn.ts';
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { toneUpload } from '../../testing/bare-session.ts';
import { loadProfile } from '../../sim/times/profile.ts';
import type { Scenario } from '../../sim/faults/scenario.ts';
import { createSimWorld } from '../../sim/world/world.ts';
import { apologyText, rehearseApology } from './apologize.ts';
import { createMemoryCache } from '../calls/speech-cache.ts';
import { measureTurn } from '../turn-log/metrics.ts';
import { resolveStrategy } from '../strategy/patch.ts';
import { spansOf } from '../telemetry/spans.ts';
import { observeTurn } from './observe.ts';

type Fault = Scenario['rules'][number];

async function failedTurn(rule: Fault, atHand: boolean, gone = false) {
  const scenario = { title: 'test', rules: [rule] };
  const speechCache = createMemoryCache(() => 0, { earlierSessionsOnly: true });
  const options = { profile: loadProfile('zero'), seed: 'apology', speechCache };
  const strategy = resolveStrategy([], 'test');
  const before = createSimWorld(options);
  const { signal } = new AbortController();
  const rehearse = () => rehearseApology(before.ports(strategy, 'apologies', 0), strategy, 'tr', signal);
  if (atHand) await before.clock.run(rehearse);
  const world = createSimWorld({ ...options, scenario });
  const heard: [bytes: number, piece: number][] = [];
  const ports = world.ports(strategy, 's', 0);
  const client = new AbortController();
  const turn = await world.clock.run(() => {
    const running = observeTurn(
      ports,
      {
        identity: sampleIdentity(),
        strategy,
        conversation: { systemPrompt: '', history: [] },
        language: 'tr',
        audio: toneUpload(world.clock),
        reply: {
          audio: async (pcm, piece) => {
            heard.push([pcm.byteLength, piece]);
          },
        },
        sinks: [],
        onSinkError: assert.ifError,
        signal: client.signal,
      },
      [],
    );
    if (gone) client.abort(new Error('the client went away'));
    return running;
  });
  const spans = spansOf(turn.log, measureTurn(turn.log));
  const event = turn.log.events.find(({ kind }) => kind === 'deliver.apology');
  const audioBytes = Number(event?.attrs?.['audioMs']) * 32;
  return { turn, heard, audioBytes, event, spans, turnSpan: spans[0]!, rehearse, before };
}

const stt: Fault = { route: 'stt.transcriptions', fault: { kind: 'status', status: 401 } };

test('an apology at hand is played, traced, and no part of the reply', async () => {
  const { turn, heard, audioBytes, event, spans, turnSpan } = await failedTurn(stt, true);
  assert.equal(turn.summary.failure?.kind, 'auth');
  assert.equal(event?.attrs?.['heard'], 'apology');
  assert.ok(audioBytes > 32 * 2000, 'it takes a while to say');
  assert.deepEqual(heard, [[audioBytes, 0]]);
  assert.ok(spans.some(({ name }) => name === 'apology'));
  assert.equal(turnSpan.attributes['retake.failure.heard'], 'apology');
  assert.equal(measureTurn(turn.log).summary.e2eUs, undefined, 'a failed turn has no end-to-end latency');
});

test('the heard part of the reply is not said again: the apology follows it', async () => {
  const { heard, event, audioBytes } = await failedTurn(
    { route: 'tts.stream', fault: { kind: 'reset-mid-body' } },
    true,
  );
  assert.ok(heard.length >= 2);
  assert.deepEqual(heard.at(-1)?.[0], audioBytes);
  assert.equal(event?.attrs?.['heard'], 'apology');
});

test('control: with nothing at hand the user hears nothing, and the trace says so', async () => {
  const { heard, event, spans, turnSpan } = await failedTurn(stt, false);
  assert.deepEqual([heard, event?.attrs], [[], { heard: 'nothing' }]);
  assert.ok(!spans.some(({ name }) => name === 'apology'));
  assert.equal(turnSpan.attributes['retake.failure.heard'], 'nothing');
});

test('nobody apologizes to a client that has gone', async () => {
  const { turn, heard, event } = await failedTurn(stt, true, true);
  assert.notEqual(turn.summary.failure, undefined);
  assert.deepEqual([heard, event], [[], undefined]);
});

test('every language has words', () => {
  assert.notEqual(apologyText('en'), apologyText('tr'));
  assert.equal(apologyText('en-GB'), apologyText('en'));
  assert.equal(apologyText('fi'), apologyText('en'));
});

test('an apology is synthesized ahead once and kept', async () => {
  const { rehearse, before } = await failedTurn(stt, true);
  const untilUs = before.clock.nowUs();
  await before.clock.run(rehearse);
  assert.equal(before.clock.nowUs(), untilUs, 'nobody was asked');
});

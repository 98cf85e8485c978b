import assert from 'node:assert/strict';
import { test } from 'node:test';
import { tones } from '../../testing/turn-by-hand.ts';
import { flatProfile } from '../../testing/flat-profile.ts';
import { createSimWorld, type SimWorld } from '../../sim/world/world.ts';
import { createMemoryCache, type SpeechCache } from '../calls/speech-cache.ts';
import { OPENING } from './greeting.ts';
import { createSession, type Session } from './session.ts';
import { type FinishedTurn } from './observe.ts';
import { resolveStrategy } from '../strategy/patch.ts';
import { strategyHash, type Strategy } from '../strategy/strategy.ts';

const GREETING = 'Merhaba, hoş geldiniz. Başlayalım mı?';

function sessionIn(world: SimWorld, strategy: Strategy, id: string): Session {
  return createSession({
    id,
    language: 'tr',
    greeting: GREETING,
    systemPrompt: '',
    history: [],
    strategy,
    identity: {
      runId: 'run',
      world: 'sim',
      lane: 'baseline',
      variant: 'baseline',
      arm: 'baseline',
      strategyHash: strategyHash(strategy),
      interview: 'by-hand',
    },
    ports: (turnIndex) => world.ports(strategy, id, turnIndex),
    traceIds: () => '1'.repeat(32),
    projections: [],
    onProjectionError: assert.ifError,
  });
}

const reply = { audio: async () => undefined };

async function opened(cached: boolean, speechCache: SpeechCache, id: string): Promise<FinishedTurn> {
  const world = createSimWorld({ profile: flatProfile({ tts: 400 }), seed: 'greeting', speechCache });
  const session = sessionIn(world, resolveStrategy([{ cache: { greeting: cached } }], 'test'), id);
  const turn = await world.clock.run(() => session.turn({ audio: OPENING, greeting: GREETING, reply }));
  assert.equal(turn.summary.failure, undefined);
  assert.equal(world.clock.sleeping(), 0);
  return turn;
}

test('a greeting is a turn whose zero is the opening: TTS is all its wait, and none of it is content', async () => {
  const { summary, replyText, log } = await opened(
    false,
    createMemoryCache(() => 0),
    'one',
  );
  assert.equal(summary.zero, 'opening');
  assert.equal(replyText, GREETING);
  assert.equal(summary.firstAudioByteUs, 400_000);
  assert.equal(summary.e2eUs, 400_000 + 100_000, 'and the leading silence');
  assert.equal(summary.firstContentAudibleUs, undefined);
  assert.deepEqual(
    summary.ledger.map(({ stage, phase, us }) => [stage, phase, us]),
    [
      ['tts', 'wait', 400_000],
      ['deliver', 'silence', 100_000],
    ],
  );
  assert.equal(log.events.filter(({ kind }) => kind === 'piece.ready').length, 2);
});

test('the greeting cache takes TTS off the opening from the second session on; control: without the knob it does not', async () => {
  const cache = createMemoryCache(() => 0);
  const waits: (number | undefined)[] = [];
  for (const id of ['one', 'two']) waits.push((await opened(true, cache, id)).summary.firstAudioByteUs);
  waits.push((await opened(false, cache, 'three')).summary.firstAudioByteUs);
  assert.deepEqual(waits, [400_000, 0, 400_000]);
  const [bet] = (await opened(true, cache, 'four')).summary.bets ?? [];
  assert.deepEqual([bet?.kind, bet?.outcome, bet?.savedUs], ['cache.greeting', 'hit', 400_000]);
});

test('after a greeting the user speaks the first line of the script; control: a session without one says the same', async () => {
  const { speech, audio } = tones(1500, [[100, 700]]);
  const said = { audio: '', speechStartMs: speech.fromMs, speechEndMs: speech.toMs };
  const turns = [
    { ...said, transcript: 'aaaa bbbb', reply: 'Bir.' },
    { ...said, transcript: 'cccc dddd', reply: 'İki.' },
  ];
  const interviews = [{ name: 'by-hand', language: 'tr', systemPrompt: 'Sor.', greeting: GREETING, turns }];
  for (const greeted of [true, false]) {
    const world = createSimWorld({ profile: flatProfile({}), seed: 'greeting', interviews });
    const session = sessionIn(world, resolveStrategy([], 'test'), 'one');
    const texts = await world.clock.run(async () => {
      if (greeted) await session.turn({ audio: OPENING, greeting: GREETING, reply });
      const first = await session.turn({ audio: audio(world.clock), reply });
      const second = await session.turn({ audio: audio(world.clock), reply });
      return [first, second].flatMap(({ transcript, replyText }) => [transcript, replyText]);
    });
    assert.deepEqual(texts, ['aaaa bbbb', 'Bir.', 'cccc dddd', 'İki.']);
  }
});

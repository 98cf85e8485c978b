/** Barge-in in virtual time: onset, pause, cancellation, what was heard, all added up on paper. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { tones, turnByHand, type Tones } from '../../testing/turn-by-hand.ts';
import { flatProfile } from '../../testing/flat-profile.ts';
import { heardTexts } from './barge-in.ts';
import { createMemoryCache } from '../calls/speech-cache.ts';
import type { EventKind, TurnLog } from '../base/events.ts';
import type { StrategyPatch } from '../strategy/patch.ts';

/** Speech until 1200; reply audio from 2200 (500 silence, 400 STT, 100 LLM), audible from 2300, 4.3 s long. */
const profile = flatProfile({ stt: 400, llm: 100 });
const AUDIO_FROM_MS = 2200;
const speaking = (...again: [number, number][]): Tones => ({
  ...tones(12_000, [[200, 1200], ...again]),
  speech: { fromMs: 200, toMs: 1200 },
});
const bargeIn: StrategyPatch = { client: { bargeIn: { minSpeechMs: 500 } } };
const at = (log: TurnLog, kind: EventKind): number[] =>
  log.events.filter((event) => event.kind === kind).map(({ atUs }) => atUs / 1000);

test('an onset pauses; 500 ms of speech cancel; heard, and paid but unheard, audio is recorded', async () => {
  const said: string[] = [];
  const turn = await turnByHand({
    profile,
    tones: speaking([3000, 4500]),
    patch: bargeIn,
    client: { audio: () => Promise.resolve(), control: (what) => void said.push(what) },
  });
  // three loud frames of 10 ms make an onset: in the frame that arrives at 3040
  assert.deepEqual(at(turn.log, 'interrupt.onset'), [3040]);
  assert.deepEqual(at(turn.log, 'interrupt.confirmed'), [3040 + 480]);
  assert.deepEqual(at(turn.log, 'turn.done'), [3520]);
  assert.deepEqual(said, ['pause', 'stop']);
  const { attrs, content } = turn.log.events.find(({ kind }) => kind === 'turn.interrupted')!;
  assert.equal(attrs?.['heardMs'], 3040 - AUDIO_FROM_MS);
  assert.equal(attrs['heardBasis'], 'model');
  // 840 of the first piece's 2100 ms, 30 characters: 12 of them, to a word's end
  assert.equal(content?.text, 'Bir cümle');
  assert.equal(turn.replyText, 'Bir cümle');
  assert.equal(turn.summary.unheardMs, 2100 + 2300 - 840);
  assert.equal(turn.summary.onsetToLastByteUs, 0);
  assert.equal(turn.summary.failure, undefined);
  assert.equal(turn.world.clock.sleeping(), 0);
});

test("the client's own report says better what was heard than the model", async () => {
  const turn = await turnByHand({
    profile,
    tones: speaking([3000, 4500]),
    patch: bargeIn,
    client: { audio: () => Promise.resolve(), playedMs: () => 700 },
  });
  const { attrs } = turn.log.events.find(({ kind }) => kind === 'turn.interrupted')!;
  assert.deepEqual([attrs?.['heardMs'], attrs?.['heardBasis']], [700, 'client']);
});

test('200 ms are no interruption: the reply is resumed where it stopped, and the false one is counted', async () => {
  const quiet = await turnByHand({ profile, tones: speaking(), patch: bargeIn });
  const turn = await turnByHand({ profile, tones: speaking([3000, 3200]), patch: bargeIn });
  const [onsetMs = NaN] = at(turn.log, 'interrupt.onset');
  const [resumedMs = NaN] = at(turn.log, 'interrupt.resumed');
  assert.equal(resumedMs, 3200 + 200);
  assert.deepEqual([turn.summary.falseInterruptions, turn.summary.interrupted], [1, undefined]);
  assert.deepEqual(
    at(turn.log, 'deliver.reply_end')[0],
    (at(quiet.log, 'deliver.reply_end')[0] ?? 0) + resumedMs - onsetMs,
  );
  assert.equal(turn.replyText, quiet.replyText);
});

test('control: switched off, or before the reply is heard, speech interrupts nothing', async () => {
  for (const [spans, patch] of [
    [[3000, 4500], {}],
    [[1800, 2250], bargeIn],
  ] as const) {
    const turn = await turnByHand({ profile, tones: speaking([...spans]), patch });
    assert.deepEqual(at(turn.log, 'interrupt.onset'), []);
    assert.equal(at(turn.log, 'deliver.reply_end').length, 1);
  }
});

test('a pause outlives neither its limit nor a client that has gone silent', async () => {
  // the microphone stops in the middle of a word
  const turn = await turnByHand({
    profile,
    tones: {
      ...tones(3100, [
        [200, 1200],
        [3000, 3100],
      ]),
      speech: { fromMs: 200, toMs: 1200 },
    },
    patch: bargeIn,
  });
  assert.equal(turn.summary.failure, undefined);
  assert.deepEqual([turn.summary.falseInterruptions, at(turn.log, 'deliver.reply_end').length], [1, 1]);
});

test('speech from the cache was not synthesized: only other characters were paid for in vain', async () => {
  const unheardChars = async (said: string): Promise<unknown> => {
    const speechCache = createMemoryCache(() => 0);
    const patch = { ...bargeIn, cache: { responses: true } };
    await turnByHand({ profile, tones: speaking(), patch, reply: `${said} Daha önce söylendi.`, speechCache });
    const turn = await turnByHand({ profile, tones: speaking([3000, 4500]), patch, speechCache });
    assert.equal(turn.replyText, 'Bir cümle');
    return turn.log.events.find(({ kind }) => kind === 'turn.interrupted')?.attrs?.['unheardChars'];
  };
  const [first, second] = ['Bir cümle söylendi, ve bitti.', 'İkincisi de hemen ardından geldi.'];
  assert.equal(await unheardChars(first), second.length);
  assert.equal(
    await unheardChars('Başka bir cümle.'),
    `${first} `.length + second.length - 'Bir cümle '.length,
    'control',
  );
});

test('heard text ends with a word, whole pieces count whole, an unfinished one by the usual rate', () => {
  const heardText = (...given: Parameters<typeof heardTexts>): string =>
    heardTexts(...given)
      .join('')
      .trimEnd();
  const texts = ['Bir iki. ', 'Üç dört beş.'];
  const whole = [
    { samples: 16_000, complete: true },
    { samples: 16_000, complete: true },
  ];
  assert.equal(heardText(texts, whole, 16_000, 16_000), 'Bir iki.');
  assert.equal(heardText(texts, whole, 24_000, 16_000), 'Bir iki. Üç');
  assert.equal(heardText(texts, whole, 40_000, 16_000), 'Bir iki. Üç dört beş.');
  assert.equal(heardText(texts, [{ samples: 8000, complete: false }], 8000, 16_000), 'Bir');
  assert.equal(heardText(texts, [], 8000, 16_000), '');
});

test('cancelled at any instant, under any strategy, a turn leaves no timer behind and no promise open', async () => {
  const patch = fc.record({
    client: fc.constantFrom(
      { bargeIn: 'off' },
      { bargeIn: { minSpeechMs: 500 } },
      { bargeIn: { minSpeechMs: 500 }, frameMs: 100 },
    ),
    stt: fc.record({
      upload: fc.constantFrom('whole', { atPause: { pauseMs: 200 } }, { growing: { chunkMs: 300 } }),
      format: fc.constantFrom('wav', 'webm-opus'),
    }),
    tts: fc.record({ method: fc.constantFrom('stream', 'speech'), trimSilence: fc.boolean() }),
  });
  const slow = flatProfile({ stt: 400, llm: 300, sttPerSecond: 50, sendPerKb: 1 });
  await fc.assert(
    fc.asyncProperty(
      patch,
      fc.integer({ min: 0, max: 7000 }),
      fc.boolean(),
      async (strategy, abortAtMs, interrupts) => {
        const said = speaking(...(interrupts ? [[3200, 4400] as [number, number]] : []));
        const turn = await turnByHand({ profile: slow, tones: said, patch: strategy, abortAtMs });
        assert.equal(turn.world.clock.sleeping(), 0);
        assert.equal(turn.log.events.filter(({ kind }) => kind === 'turn.done' || kind === 'turn.failed').length, 1);
      },
    ),
    { numRuns: 25, seed: 5 },
  );
});

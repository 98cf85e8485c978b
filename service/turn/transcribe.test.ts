/** Early transcripts in virtual time: what each saves can be added up on paper. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { tones, turnByHand } from '../../testing/turn-by-hand.ts';
import { flatProfile } from '../../testing/flat-profile.ts';
import type { EventKind, TurnLog } from '../base/events.ts';
import type { StrategyPatch } from '../strategy/patch.ts';
import { agreement } from './transcribe.ts';

const STT_MS = 400;
const LLM_MS = 100;
const profile = flatProfile({ stt: STT_MS, llm: LLM_MS });
/** Speech from 200 ms to 1200 ms, then silence. */
const once = tones(6000, [[200, 1200]]);
/** A hesitation of 300 ms after 600 ms of speech. */
const hesitant = tones(6000, [
  [200, 800],
  [1100, 1700],
]);
const at = (log: TurnLog, kind: EventKind): number[] =>
  log.events.filter((event) => event.kind === kind).map(({ atUs }) => atUs / 1000);
const atPause = (pauseMs: number): StrategyPatch => ({ stt: { upload: { atPause: { pauseMs } } } });

test('atPause: STT overlaps endpointing and saves min(STT, silenceMs − pauseMs)', async () => {
  const whole = await turnByHand({ profile, tones: once });
  // silence 500 ms after 1200, STT 400, LLM 100
  assert.deepEqual(at(whole.log, 'stt.done'), [1200 + 500 + STT_MS]);
  for (const [pauseMs, doneMs] of [
    [200, 1200 + 200 + STT_MS], // the text is later than the decision at 1700: 300 ms saved
    [100, 1200 + 500], // the text is there before the decision: all of STT saved
  ] as const) {
    const early = await turnByHand({ profile, tones: once, patch: atPause(pauseMs) });
    assert.deepEqual(at(early.log, 'speech.cut'), [1200 + pauseMs]);
    assert.deepEqual(at(early.log, 'stt.early'), [1200 + pauseMs + STT_MS]);
    assert.deepEqual(at(early.log, 'stt.done'), [doneMs]);
    assert.equal(whole.summary.e2eUs! - early.summary.e2eUs!, Math.min(STT_MS, 500 - pauseMs) * 1000);
    assert.deepEqual([early.summary.uploads, early.summary.uploadsWasted, early.summary.wastedBytes], [1, 0, 0]);
    assert.equal(early.summary.serviceUs.stt, STT_MS * 1000);
    assert.equal(early.transcript, 'aaaa bbbb cccc dddd eeee');
  }
});

test('atPause: when the user goes on, the upload is waste and nothing is saved for it', async () => {
  const whole = await turnByHand({ profile, tones: hesitant });
  const early = await turnByHand({ profile, tones: hesitant, patch: atPause(200) });
  assert.deepEqual(at(early.log, 'speech.cut'), [1000, 1900]);
  assert.equal(whole.summary.e2eUs! - early.summary.e2eUs!, 300_000);
  assert.deepEqual([early.summary.uploads, early.summary.uploadsWasted], [2, 1]);
  assert.equal(early.summary.wastedBytes, 44 + 1000 * 32);
  assert.equal(early.summary.uploadedBytes, 44 + 1000 * 32 + 44 + 1900 * 32);
});

test('control: a pause that no silence reaches sends nothing early', async () => {
  const longPause = await turnByHand({ profile, tones: hesitant, patch: atPause(480) });
  assert.deepEqual(at(longPause.log, 'speech.cut'), [1700 + 480]);
  const whole = await turnByHand({ profile, tones: hesitant });
  assert.equal(whole.summary.e2eUs! - longPause.summary.e2eUs!, 20_000);
});

test('growing: the audio so far is sent every chunkMs; the cut that lies in the last silence is the transcript', async () => {
  const whole = await turnByHand({ profile, tones: once });
  const growing = await turnByHand({ profile, tones: once, patch: { stt: { upload: { growing: { chunkMs: 400 } } } } });
  assert.deepEqual(at(growing.log, 'speech.cut'), [400, 800, 1200, 1600]);
  // the cut at 1600 holds everything: its text comes at 2000, 100 ms before the whole upload's
  assert.deepEqual(at(growing.log, 'stt.done'), [2000]);
  assert.equal(whole.summary.e2eUs! - growing.summary.e2eUs!, 100_000);
  assert.equal(growing.transcript, whole.transcript);
  assert.deepEqual(
    growing.log.events.flatMap(({ kind, content }) => (kind === 'stt.early' ? [content?.text] : [])),
    ['aa', 'aaaa bbbb cc', 'aaaa bbbb cccc dddd eeee', 'aaaa bbbb cccc dddd eeee'],
  );
  assert.deepEqual([growing.summary.uploads, growing.summary.uploadsWasted], [4, 3]);
});

test('an early transcript names its causes: the later of its text and the end of turn, the other beside it', async () => {
  const kindsOf = async (pauseMs: number): Promise<(string | undefined)[]> => {
    const { log } = await turnByHand({ profile, tones: once, patch: atPause(pauseMs) });
    const done = log.events.find(({ kind }) => kind === 'stt.done')!;
    return [log.events[done.cause!]?.kind, log.events[done.also!]?.kind];
  };
  assert.deepEqual(await kindsOf(200), ['stt.early', 'turn.ended']);
  assert.deepEqual(await kindsOf(100), ['turn.ended', 'stt.early']);
});

test('trim: 300 ms of silence less are sent and listened to', async () => {
  const slow = flatProfile({ stt: STT_MS, llm: LLM_MS, sttPerSecond: 100, sendPerKb: 2 });
  const whole = await turnByHand({ profile: slow, tones: once });
  const trim = await turnByHand({ profile: slow, tones: once, patch: { stt: { vad: { trim: true } } } });
  // speech from 200 to 1200 ms with 200 ms around it, of 1700 ms: 300 ms · 32 B · 2 ms/kB + 300 ms · 100 ms/s
  assert.equal(whole.summary.uploadedBytes! - trim.summary.uploadedBytes!, 300 * 32);
  assert.equal(whole.summary.e2eUs! - trim.summary.e2eUs!, 19_200 + 30_000);
  assert.equal(trim.transcript, whole.transcript);
});

test('control: trimming speech that nothing surrounds saves nothing', async () => {
  const tight = tones(6000, [[200, 1500]]);
  const vad = { silenceMs: 200 };
  const whole = await turnByHand({ profile, tones: tight, patch: { stt: { vad } } });
  const trim = await turnByHand({ profile, tones: tight, patch: { stt: { vad: { ...vad, trim: true } } } });
  assert.equal(trim.summary.uploadedBytes, whole.summary.uploadedBytes);
});

test('two texts agree up to the end of a word', () => {
  assert.equal(agreement('ben bu projede', 'ben bu proje'), 'ben bu'.length);
  assert.equal(agreement('ben bu', 'ben bu projede'), 'ben bu'.length);
  assert.equal(agreement('', 'ben'), 0);
  assert.equal(agreement('ben', 'sen'), 0);
});

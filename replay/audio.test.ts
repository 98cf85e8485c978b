import assert from 'node:assert/strict';
import { test } from 'node:test';
import { flatProfile, tones, turnByHand } from '../sim/by-hand.ts';
import { createVirtualClock } from '../sim/clock.ts';
import { capturedAudio, speakAgain } from './audio.ts';

const captured = await turnByHand({
  profile: flatProfile({ stt: 400, llm: 100 }),
  tones: {
    ...tones(9000, [
      [200, 1200],
      [3000, 4500],
    ]),
    speech: { fromMs: 200, toMs: 1200 },
  },
  patch: { client: { bargeIn: { minSpeechMs: 500 } } },
});
const AUDIBLE_MS = 2300;

/** Arrival, in ms, of the frame that arrived at `capturedMs`, in a lane whose reply is audible at `audibleMs`. */
async function arrivalMs(capturedMs: number, audibleMs: number | undefined): Promise<number> {
  const clock = createVirtualClock();
  const audio = capturedAudio(captured.log, { shaped: false });
  const index = audio.frames.findIndex(({ atUs }) => atUs === capturedMs * 1000);
  const audible =
    audibleMs === undefined ? undefined : clock.sleep(audibleMs - 20).then(() => audibleMs * 1000 - 20_000);
  const arrivals: number[] = [];
  await clock.run(async () => {
    for await (const frame of speakAgain(audio, clock, audible).frames(new AbortController().signal))
      arrivals.push(frame.atUs);
  });
  return (arrivals[index] ?? NaN) / 1000 + 20; // the first frame, captured at 20 ms, is the lane's 0
}

test('an interruption keeps its distance from the first audible, whether this lane is slower or faster', async () => {
  assert.equal(captured.log.events.find(({ kind }) => kind === 'deliver.first_audible')?.atUs, AUDIBLE_MS * 1000);
  for (const audibleMs of [AUDIBLE_MS - 600, AUDIBLE_MS, AUDIBLE_MS + 900]) {
    assert.equal(await arrivalMs(3040, audibleMs), audibleMs + (3040 - AUDIBLE_MS));
    assert.equal(await arrivalMs(1200, audibleMs), 1200);
  }
});

test('control: without the lane’s first audible everything comes as captured', async () => {
  assert.equal(await arrivalMs(3040, undefined), 3040);
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createOpusEncoder, webmOf } from '../../service/audio/opus.ts';
import type { TurnEvent } from '../../service/base/events.ts';
import type { UserAudio } from '../../service/base/ports.ts';
import { DEFAULT_STRATEGY } from '../../service/strategy/strategy.ts';
import { tones, turnByHand } from '../../testing/turn-by-hand.ts';
import { flatProfile } from '../../testing/flat-profile.ts';
import { createVirtualClock } from '../../sim/world/clock.ts';
import { capturedAudio, speakAgain } from './captured-audio.ts';
import type { CapturedSession } from '../sessions/captured-session.ts';
import { decodeToWorker, encodeMessage } from './worker-protocol.ts';

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

test('a WebM upload is passed on in a replay byte for byte, in a worker too; control: without it the PCM is encoded anew', async () => {
  const samples = Int16Array.from({ length: 48_000 }, (_, i) => Math.round(6000 * Math.sin(i / 15)));
  const encoder = createOpusEncoder(16_000);
  encoder.push(samples.filter((_, i) => i % 3 === 0));
  const recorded = await webmOf(encoder.packets, 16_000);
  const posted: UserAudio = {
    zero: 'upload',
    sampleRateHz: 48_000,
    startedUs: 0,
    recorded,
    async *frames() {
      yield { atUs: 0, samples };
    },
  };
  const uploaded = async (audio: UserAudio): Promise<{ start: TurnEvent | undefined; log: typeof captured.log }> => {
    const profile = flatProfile({ stt: 400, llm: 100 });
    const said = { speech: { fromMs: 0, toMs: 1000 }, audio: () => audio };
    const { log } = await turnByHand({ profile, tones: said, patch: { stt: { format: 'webm-opus' } } });
    return { start: log.events.find(({ kind }) => kind === 'stt.start'), log };
  };
  const first = await uploaded(posted);
  assert.equal(first.start?.attrs?.['uploadBytes'], recorded.byteLength);
  const session: CapturedSession = {
    sessionId: 's',
    language: 'tr',
    level: 'full',
    commit: 'c',
    systemPrompt: '',
    history: [],
    strategy: DEFAULT_STRATEGY,
    turns: [first.log],
  };
  const received = decodeToWorker(encodeMessage({ type: 'session', session }));
  const [log] = received?.type === 'session' ? received.session.turns : [];
  const again = capturedAudio(log ?? assert.fail('no turn'), { shaped: false });
  assert.deepEqual(again.recorded, recorded);
  const clock = createVirtualClock();
  assert.deepEqual((await uploaded(speakAgain(again, clock))).start?.attrs, first.start?.attrs);
  const { recorded: _recorded, ...bare } = again;
  const encoded = await uploaded(speakAgain(bare, clock));
  assert.notEqual(encoded.start?.attrs?.['uploadBytes'], recorded.byteLength);
});

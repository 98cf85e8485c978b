/**
 * Listening to the user: the strategy decides when the turn ends. Beside it the reference detector finds the speech
 * end.
 */
import { openAhead } from '../calls/ahead.ts';
import { samplesToPcmBytes } from '../audio/pcm.ts';
import { StageError } from '../base/errors.ts';
import type { AudioFrame } from '../base/ports.ts';
import { createEarlyCuts, createGatherer, type EarlyAudio, type Utterance } from '../audio/early-audio.ts';
import { createGrowingPcm } from '../audio/growing-pcm.ts';
import { createSpeechEndDetector, REFERENCE_DETECTOR } from '../audio/speech-end.ts';
import type { TurnScope } from '../calls/stage.ts';
import { childSignal } from '../base/streams.ts';
import { createVad } from '../audio/vad.ts';

/** 5 minutes, of audio and on the clock. A longer turn is refused. */
export const TURN_LIMIT_MS = 300_000;
/** 5 minutes of 5 ms frames. A turn of smaller frames is refused when it has so many. */
export const TURN_LIMIT_FRAMES = 60_000;
/** A turn in whose audio nobody speaks for so long ends. */
export const NO_SPEECH_LIMIT_MS = 120_000;

/** Samples whose loudness takes some milliseconds: 20 s of 48 kHz. */
const DETECTED_AT_ONCE = 960_000;

const TURN_OVER = new Error('the turn is over');

/** The audio up to the end-of-turn decision. */
export interface Heard extends Utterance {
  turnEndedId: number;
}

export interface Listening {
  /** Resolves at the end-of-turn decision. */
  ended: Promise<Heard>;
  /** Speech from this time on answers the reply: the reference detector leaves it out. */
  heardReply(firstAudibleUs: number): void;
  /** Stops listening. Records the received audio and its speech end. */
  close(): Promise<void>;
}

/** Gets the user's audio while it arrives. */
export interface Hearer {
  /** A frame before the decision. Undefined where it is done with; otherwise the next frame waits. */
  hear(samples: Int16Array): Promise<void> | undefined;
  /** `stt.upload` asks for an early transcript of the audio so far. */
  cut(audio: EarlyAudio): void;
  /** A frame after the decision: the user goes on or interrupts the reply. */
  interrupt(samples: Int16Array, atUs: number): void;
}

/**
 * Starts to listen. Frames are read until `close`, also after the decision: speech there shows that it was premature.
 * `onStart` gets the turn's first event.
 */
export function listen(
  scope: TurnScope,
  hearer: Hearer,
  onStart: (startId: number) => void = () => undefined,
): Listening {
  const { recorder, signal } = scope;
  const { clock } = scope.ports;
  const { audio, strategy } = scope.input;
  const { sampleRateHz } = audio;
  const received = createGrowingPcm();
  const frameAtUs: number[] = [];
  const frameSamples: number[] = [];
  const detector = createSpeechEndDetector(sampleRateHz);
  const vad = createVad(strategy.stt.vad, sampleRateHz);
  const isCut = createEarlyCuts(strategy.stt.upload, sampleRateHz);
  const stop = childSignal(signal);
  const ended = Promise.withResolvers<Heard>();
  let startId: number | undefined;
  let startedUs: number | undefined;
  let decided = false;
  const gatherer = createGatherer(strategy.client.frameMs, sampleRateHz);
  let samplesHeard = 0;
  let heardSpeech: Omit<Utterance, 'samples'> = {};
  let replyHeardUs = Infinity;

  /** Arrival of the frame with this sample. */
  const arrivalOf = (sample: number): number => {
    let end = 0;
    const holds = frameSamples.findIndex((samples) => sample < (end += samples));
    return frameAtUs.at(holds) ?? clock.nowUs();
  };

  const decide = (decision: 'vad' | 'client' | 'upload', cause: number): void => {
    decided = true;
    const audioMs = Math.round((samplesHeard / sampleRateHz) * 1000);
    const turnEndedId = recorder.record({
      kind: 'turn.ended',
      stage: 'endpointing',
      cause,
      attrs: { decision, audioMs },
    });
    ended.resolve({ samples: samplesHeard, turnEndedId, ...heardSpeech });
  };

  const limitExceeded = ({ samples, atUs }: AudioFrame): string | undefined => {
    const limitS = TURN_LIMIT_MS / 1000;
    if (received.length + samples.length > limitS * sampleRateHz) return `more than ${limitS} s of audio`;
    if (frameAtUs.length >= TURN_LIMIT_FRAMES) return `more than ${TURN_LIMIT_FRAMES} frames`;
    if (startedUs !== undefined && atUs - startedUs > limitS * 1e6) return `taken more than ${limitS} s`;
    return undefined;
  };

  const hear = async (frame: AudioFrame): Promise<void> => {
    if (startId === undefined) {
      startId = recorder.record({ kind: 'speech.start', stage: 'endpointing', atUs: audio.startedUs ?? frame.atUs });
      openAhead(scope, startId, stop.signal);
      onStart(startId);
    }
    const beyond = limitExceeded(frame);
    if (beyond !== undefined)
      throw new StageError('endpointing', 'oversized', `the turn has ${beyond}; end it earlier`);
    startedUs ??= frame.atUs;
    received.push(frame.samples);
    frameAtUs.push(frame.atUs);
    frameSamples.push(frame.samples.length);
    if (frame.atUs <= replyHeardUs) await detect(frame.samples);
    if (decided) hearer.interrupt(frame.samples, frame.atUs);
    const samples = decided ? undefined : gatherer.push(frame.samples);
    if (samples !== undefined) await decideOn(samples, frame.atUs);
  };

  const detect = async (samples: Int16Array): Promise<void> => {
    for (let from = 0; from < samples.length; from += DETECTED_AT_ONCE) {
      if (from > 0) await clock.giveWay(from / DETECTED_AT_ONCE);
      detector.push(samples.subarray(from, from + DETECTED_AT_ONCE));
    }
  };

  const decideOn = async (samples: Int16Array, nowUs: number): Promise<void> => {
    samplesHeard += samples.length;
    await hearer.hear(samples);
    if (audio.zero === 'upload') return;
    const decision = vad.push(samples);
    const { speechFromSample, quietSinceSample } = decision;
    heardSpeech = { speechFromSample, quietSinceSample };
    if (speechFromSample === undefined && samplesHeard > (NO_SPEECH_LIMIT_MS / 1000) * sampleRateHz) {
      const detail = `nobody spoke for ${NO_SPEECH_LIMIT_MS / 1000} s; start a turn when the user speaks`;
      throw new StageError('endpointing', 'no-speech', detail);
    }
    if (!decision.ended || quietSinceSample === undefined) {
      if (!isCut(decision, samplesHeard)) return;
      const cutId = recorder.record({ kind: 'speech.cut', stage: 'endpointing', cause: startId, atUs: nowUs });
      hearer.cut({ samples: samplesHeard, cutId, ...heardSpeech });
      return;
    }
    const atUs = arrivalOf(Math.max(0, quietSinceSample - 1));
    decide('vad', recorder.record({ kind: 'speech.quiet', stage: 'endpointing', cause: startId, atUs }));
  };

  const pump = async (): Promise<void> => {
    for await (const frame of audio.frames(stop.signal)) await hear(frame);
    if (decided || stop.signal.aborted) return;
    if (startId === undefined)
      throw new StageError(
        'endpointing',
        'no-speech',
        'the turn ended before any audio arrived; send audio before the end',
      );
    const rest = gatherer.rest();
    if (rest !== undefined) await decideOn(rest, clock.nowUs());
    if (decided) return;
    const endId = recorder.record({ kind: 'client.end', stage: 'endpointing', cause: startId });
    decide(audio.zero === 'upload' ? 'upload' : 'client', endId);
  };
  const pumped = pump().catch((error: unknown) => ended.reject(error));
  stop.signal.addEventListener('abort', () => ended.reject(signal.reason), { once: true });
  ended.promise.catch(() => undefined);

  return {
    ended: ended.promise,
    heardReply: (firstAudibleUs) => (replyHeardUs = firstAudibleUs),
    async close() {
      stop.abort(TURN_OVER);
      await pumped;
      vad.close();
      stop.release();
      if (frameAtUs.length === 0) return;
      const { endSample } = detector.result();
      if (endSample !== undefined) {
        recorder.record({
          kind: 'speech.end',
          stage: 'endpointing',
          atUs: arrivalOf(endSample),
          attrs: {
            detector: `${REFERENCE_DETECTOR.name}@${REFERENCE_DETECTOR.version}`,
            thresholdDbfs: REFERENCE_DETECTOR.thresholdDbfs,
            sample: endSample,
          },
        });
      }
      recorder.record({
        kind: 'speech.audio',
        stage: 'endpointing',
        cause: startId,
        attrs: {
          sampleRateHz,
          frameAtUs,
          frameSamples,
          ...detector.probabilities(),
        },
        content: {
          audio: samplesToPcmBytes(received.kept()),
          sampleRateHz,
          recorded: audio.recorded,
        },
      });
    },
  };
}

/** STT: the received utterance → its text, at the end of turn and, by `stt.upload`, before. */
import type { EarlyAudio, Utterance } from '../audio/early-audio.ts';
import { InvariantError, StageError } from '../base/errors.ts';
import type { Heard, Hearer } from './listen.ts';
import type { OpenCall } from '../net/exchange.ts';
import type { NewAttrs } from '../base/events.ts';
import type { SttResult } from '../base/ports.ts';
import { join } from '../turn-log/recorder.ts';
import { callProvider, type TurnScope } from '../calls/stage.ts';
import { childSignal } from '../base/streams.ts';
import { createUploadAudio, type UploadAudio } from '../audio/upload-audio.ts';

export interface Transcript {
  text: string;
  /** Of `stt.done`, or of `stt.early` for an early transcript. */
  doneId: number;
}

/** The words up to a cut. The user may go on: only `final` knows whether these were all. */
export interface EarlyTranscript extends Transcript {
  /** Ordinal of the upload. */
  part: number;
  /** The cut was in a silence: these may be all words. */
  quiet: boolean;
  /** Length of the prefix that the early transcript before has too, to a word's end. */
  agreedChars: number;
}

/** Hears the user. At a cut it uploads the audio so far, while the user may go on. */
export interface Transcriber extends Pick<Hearer, 'hear' | 'cut'> {
  /**
   * The turn's transcript: of the early upload that holds all speech, else of the whole utterance. Throws `StageError`,
   * also for audio without words.
   */
  final(heard: Heard): Promise<Transcript>;
}

interface Answer {
  /** Absent when the upload failed. */
  text?: string;
  /** The event with which it came, or which ended the wait. */
  eventId: number;
  part: number;
  attrs: NewAttrs;
}

interface EarlyUpload {
  quietSinceSample: number | undefined;
  answer: Promise<Answer>;
  cancel(reason: unknown): void;
}

/** Of one turn: the pauses of a long answer, or half a minute of growing audio. */
const EARLY_LIMIT = 64;
/** While so many early uploads run, further cuts are ignored. */
const EARLY_AT_ONCE = 4;

/** One turn's STT. `onEarly` gets each early transcript as it arrives, until the end of turn. */
export function createTranscriber(
  scope: TurnScope,
  onEarly: (early: EarlyTranscript) => void = () => undefined,
): Transcriber {
  const { recorder } = scope;
  const audio = createUploadAudio(scope.input.strategy.stt, scope.input.audio, {
    clock: scope.ports.clock,
    signal: scope.signal,
  });
  const uploads: EarlyUpload[] = [];
  let underWay = 0;
  let ended = false;
  let textBefore = '';

  const cut = (utterance: EarlyAudio): void => {
    const { cutId, quietSinceSample } = utterance;
    const part = uploads.length;
    if (ended || part >= EARLY_LIMIT || underWay >= EARLY_AT_ONCE) return;
    const own = childSignal(scope.signal);
    const quiet = quietSinceSample !== undefined;
    let last: OpenCall | undefined;
    const send = async (): Promise<Answer> => {
      underWay += 1;
      try {
        const request: UploadRequest = { part, utterance, cause: cutId, early: true, opened: (call) => (last = call) };
        return await uploadPart({ ...scope, signal: own.signal }, audio, request, (call, { text, requestId }) => {
          const agreedChars = agreement(textBefore, text);
          textBefore = text;
          const attrs = { chars: text.length, requestId };
          const eventId = recorder.record({
            kind: 'stt.early',
            stage: 'stt',
            exchange: `stt.${part}`,
            cause: call.arrival().eventId(),
            attrs: { ...attrs, agreedChars },
            content: { text },
          });
          if (!ended && text !== '') onEarly({ text, doneId: eventId, part, quiet, agreedChars });
          return { text, eventId, part, attrs };
        });
      } catch (error) {
        if (error instanceof InvariantError) throw error;
        return { eventId: last?.arrival().eventId() ?? cutId, part, attrs: {} };
      } finally {
        underWay -= 1;
        own.release();
      }
    };
    const answer = send();
    scope.stray(answer);
    uploads.push({ quietSinceSample, answer, cancel: own.abort });
  };

  const done = (
    exchange: string,
    releasedBy: { cause: number; also?: number },
    text: string,
    attrs: NewAttrs,
  ): Transcript => {
    if (text === '') throw new StageError('stt', 'empty', `${scope.ports.stt.model} heard no words in the audio`);
    const doneId = recorder.record({
      kind: 'stt.done',
      stage: 'stt',
      exchange,
      ...releasedBy,
      attrs,
      content: { text },
    });
    return { text, doneId };
  };

  return {
    hear: audio.push,
    cut,
    async final(utterance) {
      const { turnEndedId, quietSinceSample } = utterance;
      ended = true;
      const covering = uploads.findLast(
        (each) => each.quietSinceSample !== undefined && each.quietSinceSample === quietSinceSample,
      );
      for (const each of uploads) if (each !== covering) each.cancel(new Error('the user went on'));
      const answer = await covering?.answer;
      scope.signal.throwIfAborted();
      const releasedBy = join(recorder, turnEndedId, answer?.eventId);
      if (answer?.text !== undefined && answer.text !== '')
        return done(`stt.${answer.part}`, releasedBy, answer.text, answer.attrs);
      const part = uploads.length;
      return uploadPart(scope, audio, { part, utterance, cause: releasedBy.cause }, (call, { text, requestId }) => {
        const attrs = { chars: text.length, requestId };
        return done(`stt.${part}`, { cause: call.arrival().eventId() }, text, attrs);
      });
    },
  };
}

interface UploadRequest {
  /** Ordinal of the upload. */
  part: number;
  utterance: Utterance;
  /** The event that released the upload. */
  cause: number;
  /** The user may go on: the audio is not at its end. */
  early?: true;
  /** Called with the call of each attempt. */
  opened?(call: OpenCall): void;
}

/** One upload. `answered` turns its result into what the caller needs; an attempt fails where `answered` throws. */
async function uploadPart<T>(
  scope: TurnScope,
  uploadAudio: UploadAudio,
  { part, utterance, cause, early, opened }: UploadRequest,
  answered: (call: OpenCall, result: SttResult) => T,
): Promise<T> {
  const { recorder, ports, input } = scope;
  const { stt } = input.strategy;
  const { bytes: audio, mimeType, audioMs, sampleRateHz } = await uploadAudio.encode(utterance, early !== true);
  const language = stt.language === 'session' ? input.language : stt.language;
  const startId = recorder.record({
    kind: 'stt.start',
    stage: 'stt',
    exchange: `stt.${part}`,
    cause,
    attrs: {
      model: ports.stt.model,
      method: stt.method,
      language,
      audioMs,
      uploadBytes: audio.byteLength,
      mimeType,
      sampleRateHz,
      early,
    },
  });
  return callProvider(scope, { stage: 'stt', ordinal: part, cause: startId }, async (call) => {
    opened?.(call);
    const request = { method: stt.method, audio, mimeType, language, prompt: stt.prompt };
    return answered(call, await ports.stt.transcribe(request, call));
  });
}

/** Length of the longest common prefix of two texts that ends at a word's end in both. */
export function agreement(left: string, right: string): number {
  const shorter = Math.min(left.length, right.length);
  let same = 0;
  while (same < shorter && left[same] === right[same]) same += 1;
  const endsWord = (text: string, at: number): boolean => at === text.length || /\s/.test(text[at] ?? '');
  while (same > 0 && !(endsWord(left, same) && endsWord(right, same))) same -= 1;
  return same;
}

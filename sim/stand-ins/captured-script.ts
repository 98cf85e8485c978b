/** The words of captured turns, for the stand-ins to hear and say again. */
import { numberOf, numbersOf, turnKey, type TurnEvent } from '../../service/base/events.ts';
import type { Message } from '../../service/base/ports.ts';
import { loudnessOf, REFERENCE_DETECTOR, speechBounds } from '../../service/audio/speech-end.ts';
import { wordsHeard, type Heard, type SpeechSpan } from './heard.ts';
import type { DrawContext } from '../times/plan.ts';
import { filler, replyTextOf, type CapturedTurn } from '../times/captured-turn.ts';
import type { Script } from './script.ts';

/** Captured transcripts and replies by session and turn. A capture of level `timing` gets filler of the same shape. */
export function capturedScript(turns: readonly CapturedTurn[], fallback: Script): Script {
  const texts = new Map(
    turns.map(({ sessionId, turnIndex, events }) => {
      const transcript = events.find(({ kind }) => kind === 'stt.done');
      return [
        turnKey({ sessionId, turnIndex }),
        {
          transcript: transcript && (transcript.content?.text ?? filler(numberOf(transcript, 'chars') ?? 0, [], [])),
          span: transcript && speechSpanOf(events, transcript),
          reply: replyTextOf(events),
        },
      ];
    }),
  );
  return {
    transcript: (context: DrawContext, heard: Heard) => {
      const { transcript, span } = texts.get(turnKey(context)) ?? {};
      if (transcript === undefined) return fallback.transcript(context, heard);
      return span === undefined ? transcript : wordsHeard(transcript, span, heard);
    },
    reply: (context: DrawContext, messages: readonly Message[]) =>
      texts.get(turnKey(context))?.reply ?? fallback.reply(context, messages),
  };
}

/** The speech within the upload of a captured transcript. Undefined where the capture does not hold it. */
function speechSpanOf(events: readonly TurnEvent[], done: TurnEvent): SpeechSpan | undefined {
  const received = events.find(({ kind }) => kind === 'speech.audio');
  const start = events.find(({ kind, exchange }) => kind === 'stt.start' && exchange === done.exchange);
  const audioMs = numberOf(start, 'audioMs');
  const onDbfs = numberOf(received, 'onDbfs');
  if (audioMs === undefined || onDbfs === undefined) return undefined;
  const { frameMs } = REFERENCE_DETECTOR;
  const levels = (numbersOf(received, 'speechProbability') ?? []).map((probability) => loudnessOf(probability, onDbfs));
  const { first, last } = speechBounds(levels.slice(0, Math.ceil(audioMs / frameMs)));
  return first === undefined || last === undefined
    ? undefined
    : { fromMs: first * frameMs, toMs: (last + 1) * frameMs };
}

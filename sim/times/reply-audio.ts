/**
 * How much audio a piece of a captured reply takes. A reply's audio lies along its characters, so however a strategy cuts the reply, its pieces
 * add up to what was captured.
 */
import { numberOf, turnKey, type TurnEvent } from '../../service/base/events.ts';
import { replyTextOf, type CapturedTurn } from './captured-turn.ts';
import type { DrawContext, Facts } from './plan.ts';
import { AUDIO_RATE_HZ, BYTES_PER_MS } from './speech-audio.ts';

/** Bytes at the stand-ins' rate for a request to speak; undefined where its turn has no captured speech. */
export type ReplyAudio = (context: DrawContext, facts: SpeechFacts) => number | undefined;
type SpeechFacts = Extract<Facts, { operation: 'tts' }>;

/** Characters `from` to `to` of the reply, and the audio of them. */
interface Spoken {
  from: number;
  to: number;
  silentBytes: number;
  /** At speed 1. */
  spokenBytes: number;
}

interface Reply {
  text: string;
  spoken: readonly Spoken[];
}

/**
 * A piece lies behind the piece that was asked for before it, in the same turn and arm. Text that is not the reply's, such as an opener, takes as
 * long a character as the whole reply does. Leading silence counts as the audio of its piece, and does not change with the speed.
 */
export function replyAudio(turns: readonly CapturedTurn[]): ReplyAudio {
  const replies = new Map<string, Reply | undefined>();
  const byKey = new Map(turns.map((turn) => [turnKey(turn), turn]));
  const replyIn = (key: string): Reply | undefined => {
    if (!replies.has(key)) replies.set(key, spokenReply(byKey.get(key)));
    return replies.get(key);
  };
  const placesOf = new Map<string, Map<string, number>>();
  const ends = new Map<string, number>();
  return (context, { text, speed }) => {
    const reply = replyIn(turnKey(context));
    if (reply === undefined) return undefined;
    const turn = `${context.arm} ${turnKey(context)}`;
    const places = placesOf.get(turn) ?? new Map<string, number>();
    placesOf.set(turn, places);
    // a repeated request speaks the same place again
    const request = `${context.ordinal} ${text}`;
    const from = places.get(request) ?? placeOf(reply.text, text, ends.get(turn) ?? 0);
    places.set(request, from);
    if (from >= 0) ends.set(turn, from + text.length);
    const { silentBytes, spokenBytes } = from < 0 ? pace(reply, text.length) : audioBetween(reply, from, text.length);
    return 2 * Math.round((silentBytes + spokenBytes / speed) / 2);
  };
}

/** Behind `after`, else the first such place: a reply may be begun again. −1 where the reply does not say the text. */
function placeOf(reply: string, text: string, after: number): number {
  const next = reply.indexOf(text, after);
  return next >= 0 ? next : reply.indexOf(text);
}

type Amount = Omit<Spoken, 'from' | 'to'>;

/** As much of the whole reply's audio as the characters are of its spoken ones. */
function pace({ spoken }: Reply, chars: number): Amount {
  const sum = (of: (each: Spoken) => number): number => spoken.reduce((all, each) => all + of(each), 0);
  const share = chars / sum(({ from, to }) => to - from);
  return {
    silentBytes: share * sum(({ silentBytes }) => silentBytes),
    spokenBytes: share * sum(({ spokenBytes }) => spokenBytes),
  };
}

function audioBetween(reply: Reply, from: number, chars: number): Amount {
  const to = from + chars;
  const parts = reply.spoken.map((each) => {
    const common = Math.max(0, Math.min(to, each.to) - Math.max(from, each.from));
    return { each, common, share: common / (each.to - each.from) };
  });
  // pieces that came from the cache, or failed, have no audio in the capture
  const other = pace(reply, chars - parts.reduce((sum, { common }) => sum + common, 0));
  return parts.reduce(
    (sum, { each, share }) => ({
      silentBytes: sum.silentBytes + share * each.silentBytes,
      spokenBytes: sum.spokenBytes + share * each.spokenBytes,
    }),
    other,
  );
}

function spokenReply(turn: CapturedTurn | undefined): Reply | undefined {
  if (turn === undefined) return undefined;
  const pieces = turn.events.filter(({ kind }) => kind === 'piece.ready');
  const text = replyTextOf(turn.events) ?? pieces.map((piece) => piece.content?.text ?? '').join('');
  const audio = audioByPiece(turn);
  let end = 0;
  const spoken = pieces.flatMap((piece): Spoken[] => {
    const from = startOf(piece, text, end);
    const chars = piece.content?.text?.length ?? numberOf(piece, 'chars') ?? 0;
    if (from < 0 || chars === 0) return [];
    end = from + chars;
    const amount = audio.get(numberOf(piece, 'index'));
    return amount === undefined ? [] : [{ from, to: end, ...amount }];
  });
  return spoken.length === 0 ? undefined : { text, spoken };
}

/** A capture without text holds the lengths of its pieces alone. */
function startOf({ content }: TurnEvent, reply: string, end: number): number {
  return content?.text === undefined ? end : reply.indexOf(content.text, end);
}

function audioByPiece({ events }: CapturedTurn): ReadonlyMap<number | undefined, Amount> {
  const speeds = new Map(
    events.flatMap((event) => (event.kind === 'tts.start' ? [[event.exchange, numberOf(event, 'speed')]] : [])),
  );
  return new Map(
    events.flatMap((event) => {
      if (event.kind !== 'tts.done') return [];
      const seconds = (numberOf(event, 'bytes') ?? 0) / 2 / (numberOf(event, 'sampleRateHz') ?? AUDIO_RATE_HZ);
      const bytes = 2 * Math.round(AUDIO_RATE_HZ * seconds);
      const silentBytes = Math.min(bytes, BYTES_PER_MS * (numberOf(event, 'leadingSilenceMs') ?? 0));
      const spokenBytes = (bytes - silentBytes) * (speeds.get(event.exchange) ?? 1);
      return [[numberOf(event, 'index'), { silentBytes, spokenBytes }] as const];
    }),
  );
}

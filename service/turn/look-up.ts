/** Whether a piece has been spoken before: its audio out of the speech cache, each look-up an event and a settled bet. */
import { settleBet } from '../turn-log/bets.ts';
import { CACHEABLE_CHARS, speechKey, type CachedSpeech } from '../calls/speech-cache.ts';
import type { Piece } from './pieces.ts';
import type { TurnInput, TurnPorts, TurnScope } from '../calls/stage.ts';

export interface LookedUp {
  /** The `cache.looked` event. */
  eventId: number;
  /** Absent on a miss. */
  speech?: CachedSpeech;
}

interface Found extends LookedUp {
  outcome: 'hit' | 'miss' | 'broken';
}

/** The key under which the strategy keeps a text's speech; undefined where it keeps none. */
function keyOf({ ports, input }: TurnScope, text: string, origin: Piece['origin']): string | undefined {
  const { cache } = input.strategy;
  if (ports.speechCache === undefined) return undefined;
  if (origin === 'greeting' ? !cache.greeting : !cache.responses || text.length > CACHEABLE_CHARS) return undefined;
  return speechKeyOf(ports, input, text);
}

/** The name of a text's speech as the strategy has it spoken. */
export function speechKeyOf(
  ports: Pick<TurnPorts, 'origins' | 'tts'>,
  { strategy, language }: Pick<TurnInput, 'strategy' | 'language'>,
  text: string,
): string {
  const { tts } = strategy;
  return speechKey({
    endpoint: ports.origins.tts,
    method: tts.method,
    voice: tts.voice,
    speed: tts.speed,
    format: tts.format,
    rateHz: ports.tts.sampleRateHz,
    language,
    text,
  });
}

/** Looks a piece up and settles the bet on it; undefined, at once, where the strategy does not cache it. */
export function lookUp(scope: TurnScope, piece: Piece): Promise<LookedUp> | undefined {
  const key = keyOf(scope, piece.text, piece.origin);
  return key === undefined ? undefined : look(scope, piece, key).then((found) => settled(scope, piece, found));
}

/**
 * The same for words that may be said, ahead of them; `cause` is the event that allowed it. They are the opener's bet, not
 * one more of the cache's.
 */
export function lookUpAhead(
  scope: TurnScope,
  index: number,
  text: string,
  cause: number,
): Promise<LookedUp> | undefined {
  const key = keyOf(scope, text, 'predicted');
  return key === undefined ? undefined : look(scope, { index, readyId: cause }, key);
}

/** `readyId`: the event since which it could be looked up. */
async function look(
  { ports, recorder, owner }: TurnScope,
  piece: Pick<Piece, 'index' | 'readyId'>,
  key: string,
): Promise<Found> {
  const found = await ports.speechCache?.get(key, owner.sessionId);
  const speech = found === 'broken' ? undefined : found;
  const outcome = found === 'broken' ? 'broken' : speech === undefined ? 'miss' : 'hit';
  const eventId = recorder.record({
    kind: 'cache.looked',
    stage: 'tts',
    cause: piece.readyId,
    attrs: { index: piece.index, outcome, bytes: speech?.pcm.byteLength },
    content: speech && { audio: speech.pcm, sampleRateHz: speech.sampleRateHz },
  });
  return { eventId, outcome, speech };
}

function settled({ recorder }: TurnScope, { origin, readyId }: Piece, found: Found): LookedUp {
  const { speech, outcome } = found;
  settleBet(recorder, {
    kind: origin === 'greeting' ? 'cache.greeting' : 'cache.responses',
    outcome: speech === undefined ? 'miss' : 'hit',
    attempts: 1,
    fromUs: recorder.atUs(readyId),
    wastedTokens: 0,
    wastedChars: 0,
    estimated: true,
    savedUs: speech?.ttfbUs,
    reason: outcome === 'broken' ? 'the cache file was broken: removed, and synthesized again' : undefined,
  });
  return found;
}

/** Keeps a complete synthesis where the strategy caches its text. */
export function keep(scope: TurnScope, text: string, origin: Piece['origin'], speech: CachedSpeech): void {
  const key = keyOf(scope, text, origin);
  if (key === undefined) return;
  const kept = scope.ports.speechCache?.put(key, speech, scope.owner.sessionId);
  if (kept !== undefined) scope.stray(kept);
}

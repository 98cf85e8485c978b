/** Pieces in the speech cache. Each look-up is an event, and a bet that is settled at once. */
import { settleBet } from '../turn-log/bets.ts';
import { CACHEABLE_CHARS, speechKey, type CachedSpeech } from '../calls/speech-cache.ts';
import type { Piece } from './pieces.ts';
import type { TurnInput, TurnPorts, TurnScope } from '../calls/stage.ts';

export interface LookedUp {
  /** Of `cache.looked`. */
  eventId: number;
  /** Absent on a miss. */
  speech?: CachedSpeech;
}

interface Found extends LookedUp {
  outcome: 'hit' | 'miss' | 'broken';
}

/** Undefined where the strategy does not cache the text. */
function keyOf({ ports, input }: TurnScope, text: string, origin: Piece['origin']): string | undefined {
  const { cache } = input.strategy;
  if (ports.speechCache === undefined) return undefined;
  if (origin === 'greeting' ? !cache.greeting : !cache.responses || text.length > CACHEABLE_CHARS) return undefined;
  return speechKeyOf(ports, input, text);
}

/** The cache's key of a text, spoken as the strategy says. */
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

/** Looks a piece up and settles its bet. Undefined, at once, where the strategy does not cache the piece. */
export function lookUp(scope: TurnScope, piece: Piece): Promise<LookedUp> | undefined {
  const key = keyOf(scope, piece.text, piece.origin);
  return key === undefined ? undefined : look(scope, piece, key).then((found) => settled(scope, piece, found));
}

/**
 * The same for an opener, before it is certain. `cause` is the event that allowed the look-up. The cache settles no
 * bet: the opener has one.
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

/** `readyId` is the event that released the look-up. */
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
    reason:
      outcome === 'broken' ? 'the cache file was broken; it was removed, and the text synthesized again' : undefined,
  });
  return found;
}

/** Puts a complete synthesis into the cache, where the strategy caches its text. */
export function keep(scope: TurnScope, text: string, origin: Piece['origin'], speech: CachedSpeech): void {
  const key = keyOf(scope, text, origin);
  if (key === undefined) return;
  const kept = scope.ports.speechCache?.put(key, speech, scope.owner.sessionId);
  if (kept !== undefined) scope.stray(kept);
}

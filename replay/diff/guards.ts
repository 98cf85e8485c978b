/** Guards: harm that a faster lane must not have done. Pure. */
import type { TurnSummary } from '../../service/turn-log/metrics.ts';
import type { Alignment, TurnPair } from './align.ts';
import { mcNemarWorse, mean, signed } from './stats.ts';

export interface Guard {
  name: string;
  holds: boolean;
  detail: string;
}

/** Two lanes did other work where transcript or reply lengths differ by more. */
const EQUAL_WORK_SHARE = 0.1;
/** Share of the captured words that a lane may hear wrong. */
const TRANSCRIPT_ERROR_MARGIN = 0.05;
/** Share of words in which two lanes' transcripts may differ, as a mean over turns. */
const TRANSCRIPT_CHANGE_MARGIN = 0.05;
/** Nobody hears a shorter stall. */
const STALL_MARGIN_MS = 1;

export function guardsOf({ pairs, both }: Alignment): Guard[] {
  const contentMs = meanDifferenceMs(pairs, (turn) => turn.firstContentAudibleUs);
  const stallsMs = meanDifferenceMs(pairs, (turn) => turn.stallUs);
  const worse = both.filter(({ a, b }) => a.failure === undefined && b.failure !== undefined).length;
  const better = both.filter(({ a, b }) => a.failure !== undefined && b.failure === undefined).length;
  const moreFailed = worse - better > both.length / 100 || (worse > better && mcNemarWorse(worse, better) < 0.05);
  return [
    guardOf('first content audible', contentMs, 0, 'ms'),
    guardOf('stalls', stallsMs, STALL_MARGIN_MS, 'ms a turn'),
    { name: 'failed turns', holds: !moreFailed, detail: `${worse} more, ${better} fewer of ${both.length}` },
    prematureEnds(both),
    equalWork('transcript length', pairs, (turn) => turn.transcriptChars),
    equalWork('reply length', pairs, (turn) => turn.replyChars),
    ...transcriptChangeGuard(pairs),
    ...broken('transcript errors', transcriptErrors(pairs)),
    ...broken('refusals', refusals(pairs)),
    ...broken('reply silence', replySilence(pairs)),
    ...broken('served model', otherModels(pairs)),
    ...broken('connections', inheritedConnections(pairs)),
  ];
}

/** A shorter silence is not faster when it cuts people off. */
function prematureEnds(both: readonly TurnPair[]): Guard {
  const more = both.filter(({ a, b }) => b.premature && !a.premature).length;
  const fewer = both.filter(({ a, b }) => a.premature && !b.premature).length;
  return { name: 'premature ends', holds: more <= fewer, detail: `${more} more, ${fewer} fewer of ${both.length}` };
}

/** A guard that is shown only when it does not hold. */
function broken(name: string, detail: string | undefined): Guard[] {
  return detail === undefined ? [] : [{ name, holds: false, detail }];
}

/** No row where no pair has both transcripts. */
function transcriptChangeGuard(pairs: readonly TurnPair[]): Guard[] {
  const known = pairs.map(({ b }) => b.transcriptChange).filter((share) => share !== undefined);
  if (known.length === 0) return [];
  const share = mean(known);
  const changed = known.filter((each) => each > 0).length;
  return [
    {
      name: 'transcript change',
      holds: share <= TRANSCRIPT_CHANGE_MARGIN,
      detail: `${(share * 100).toFixed(1)} % of words, in ${changed} of ${known.length} turns`,
    },
  ];
}

function transcriptErrors(pairs: readonly TurnPair[]): string | undefined {
  const known = pairs.filter(
    (pair) => pair.a.transcriptErrorShare !== undefined && pair.b.transcriptErrorShare !== undefined,
  );
  if (known.length === 0) return undefined;
  const more = mean(known.map(({ a, b }) => (b.transcriptErrorShare ?? 0) - (a.transcriptErrorShare ?? 0)));
  return more > TRANSCRIPT_ERROR_MARGIN ? `${signed(more * 100)} points of the captured words` : undefined;
}

/**
 * B's speech is longer for the same text. The figure is audio received per character sent to TTS: cached pieces, and early pieces that
 * nobody heard, are in neither. Shorter speech is no silence, since half-made pieces count all their characters.
 */
function replySilence(pairs: readonly TurnPair[]): string | undefined {
  const known = pairs.filter(({ a, b }) => msPerCharacter([a]) !== undefined && msPerCharacter([b]) !== undefined);
  const [a, b] = [msPerCharacter(known.map((pair) => pair.a)), msPerCharacter(known.map((pair) => pair.b))];
  if (a === undefined || b === undefined || b - a <= EQUAL_WORK_SHARE * a) return undefined;
  return `${signed((b / a - 1) * 100)} % of audio a character`;
}

function msPerCharacter(turns: readonly TurnSummary[]): number | undefined {
  const sum = (figure: (turn: TurnSummary) => number | undefined): number =>
    turns.reduce((total, turn) => total + (figure(turn) ?? Number.NaN), 0);
  const [audioMs, characters] = [sum((turn) => turn.replyAudioMs), sum((turn) => turn.characters)];
  return audioMs > 0 && characters > 0 ? audioMs / characters : undefined;
}

function refusals(pairs: readonly TurnPair[]): string | undefined {
  const more = pairs.filter(({ a, b }) => b.refused === true && a.refused !== true).length;
  const fewer = pairs.filter(({ a, b }) => a.refused === true && b.refused !== true).length;
  return more > fewer && more - fewer > pairs.length / 100 ? `${more} more, ${fewer} fewer` : undefined;
}

/** Both lanes asked for one model, and two models answered. */
function otherModels(pairs: readonly TurnPair[]): string | undefined {
  const swapped = pairs.filter(
    ({ a, b }) =>
      a.model?.served !== undefined &&
      b.model?.served !== undefined &&
      a.model.requested === b.model.requested &&
      a.model.served !== b.model.served,
  );
  const [example] = swapped;
  return example === undefined
    ? undefined
    : `substituted in ${swapped.length} turns: ${example.b.model?.served ?? ''} for ${example.a.model?.served ?? ''}`;
}

/** In the first turn of a session every arm sets up its own connections, or none does. */
function inheritedConnections(pairs: readonly TurnPair[]): string | undefined {
  const firsts = new Map<string, TurnPair>();
  for (const pair of pairs) {
    const known = firsts.get(pair.a.sessionId);
    if (known === undefined || pair.a.turnIndex < known.a.turnIndex) firsts.set(pair.a.sessionId, pair);
  }
  const count = [...firsts.values()].filter(({ a, b }) => a.reusedFirst === false && b.reusedFirst === true).length;
  return count === 0 ? undefined : `${count} sessions began on a connection of another arm`;
}

/** Over the turns in which both lanes have the figure: absent is not 0. */
function meanDifferenceMs(
  pairs: readonly TurnPair[],
  us: (turn: TurnSummary) => number | undefined,
): number | undefined {
  const known = pairs.filter(({ a, b }) => us(a) !== undefined && us(b) !== undefined);
  return known.length === 0 ? undefined : mean(known.map(({ a, b }) => ((us(b) ?? 0) - (us(a) ?? 0)) / 1000));
}

function guardOf(name: string, deltaMs: number | undefined, limitMs: number, unit: string): Guard {
  if (deltaMs === undefined) return { name, holds: true, detail: 'not measured' };
  return { name, holds: deltaMs <= limitMs, detail: `${signed(deltaMs)} ${unit}` };
}

function equalWork(name: string, pairs: readonly TurnPair[], chars: (turn: TurnSummary) => number | undefined): Guard {
  const known = pairs.filter(({ a, b }) => chars(a) !== undefined && chars(b) !== undefined);
  if (known.length === 0) return { name, holds: true, detail: 'not measured' };
  const [a, b] = [mean(known.map((pair) => chars(pair.a) ?? 0)), mean(known.map((pair) => chars(pair.b) ?? 0))];
  const share = a === b ? 0 : b / a - 1;
  return { name, holds: Math.abs(b - a) <= EQUAL_WORK_SHARE * a, detail: `${signed(share * 100)} %` };
}

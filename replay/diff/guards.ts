/** What a faster lane must not have bought its speed with. Pure. */
import type { TurnSummary } from '../../service/turn-log/metrics.ts';
import type { Alignment, TurnPair } from './align.ts';
import { mcNemarWorse, mean } from './stats.ts';

export interface Guard {
  name: string;
  holds: boolean;
  detail: string;
}

/** Transcript and reply lengths that differ by more are other work. */
const EQUAL_WORK_SHARE = 0.1;
/** Words heard wrong, of all captured words: more than this is another transcript. */
const TRANSCRIPT_ERROR_MARGIN = 0.05;
/** Words that differ between the lanes' transcripts: more than this, on average over turns, is another transcript. */
const TRANSCRIPT_CHANGE_MARGIN = 0.05;
/** A stall shorter than this cannot be heard. */
const STALL_MARGIN_MS = 1;

/** What a faster lane must not have bought its speed with. */
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
    ...[
      equalWork('transcript length', pairs, (turn) => turn.transcriptChars),
      equalWork('reply length', pairs, (turn) => turn.replyChars),
    ],
    ...transcriptChange(pairs),
    ...broken('transcript errors', transcriptErrors(pairs)),
    ...broken('refusals', refusals(pairs)),
    ...broken('reply silence', replySilence(pairs)),
    ...broken('served model', substitutions(pairs)),
    ...broken('connections', inherited(pairs)),
  ];
}

/** Turns decided to have ended while the user went on: a shorter silence is not faster when it cuts people off. */
function prematureEnds(both: readonly TurnPair[]): Guard {
  const more = both.filter(({ a, b }) => b.premature && !a.premature).length;
  const fewer = both.filter(({ a, b }) => a.premature && !b.premature).length;
  return { name: 'premature ends', holds: more <= fewer, detail: `${more} more, ${fewer} fewer of ${both.length}` };
}

/** Guards that are shown only when they do not hold. */
function broken(name: string, detail: string | undefined): Guard[] {
  return detail === undefined ? [] : [{ name, holds: false, detail }];
}

/** Words that B heard otherwise than A, a turn; no row where no pair has both transcripts. */
function transcriptChange(pairs: readonly TurnPair[]): Guard[] {
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

/** B hears the captured words worse than A, by more of them than the margin. */
function transcriptErrors(pairs: readonly TurnPair[]): string | undefined {
  const known = pairs.filter(
    (pair) => pair.a.transcriptErrorShare !== undefined && pair.b.transcriptErrorShare !== undefined,
  );
  if (known.length === 0) return undefined;
  const more = mean(known.map(({ a, b }) => (b.transcriptErrorShare ?? 0) - (a.transcriptErrorShare ?? 0)));
  return more > TRANSCRIPT_ERROR_MARGIN ? `${signed(more * 100)} points of the captured words` : undefined;
}

/**
 * B's speech is longer for the same text: audio received per character sent to TTS, over all pairs. Per character, since pieces
 * out of a cache and early pieces that nobody heard are in neither. Shorter is no silence: half-made pieces count characters.
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

/** Both lanes asked for one model and were served by two. */
function substitutions(pairs: readonly TurnPair[]): string | undefined {
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

/** In a session's first turn every arm sets up its own connections, or none does. */
function inherited(pairs: readonly TurnPair[]): string | undefined {
  const firsts = new Map<string, TurnPair>();
  for (const pair of pairs) {
    const known = firsts.get(pair.a.sessionId);
    if (known === undefined || pair.a.turnIndex < known.a.turnIndex) firsts.set(pair.a.sessionId, pair);
  }
  const count = [...firsts.values()].filter(({ a, b }) => a.reusedFirst === false && b.reusedFirst === true).length;
  return count === 0 ? undefined : `${count} sessions began on a connection that another arm had paid for`;
}

/** Over the turns that both lanes measured: absent is not 0. */
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

function signed(value: number): string {
  return `${value >= 0 ? '+' : '−'}${Math.abs(value).toFixed(1)}`;
}

/**
 * The speculation ledger of one turn: work done before it was certain to be needed, and what came of it. Each bet is
 * settled by one event; what was staked on it and lost is named in the unit it is paid in.
 */
import { numberOf, type Recorder, type Stage, type TurnEvent } from '../base/events.ts';
import { definedOnly, fieldOf, numberIn, parsedJson, textIn } from '../base/json.ts';

/** The reply's own request; the one that hedges it; the one that warms the prompt cache; those on early transcripts. */
export const ORDINALS = { reply: 0, hedge: 1, prompt: 2, partial: 10 } as const;
/** Syntheses ahead count from here: no reply has so many pieces. */
export const AHEAD_ORDINAL = 10_000;

export const BET_KINDS = [
  'partial',
  'predict',
  'prefill',
  'prompt',
  'hedge',
  'cache.greeting',
  'cache.responses',
] as const;
export type BetKind = (typeof BET_KINDS)[number];

/** `refused`: nothing was staked, since it could not have won (a prompt below the provider's cache minimum). */
const BET_OUTCOMES = ['hit', 'miss', 'refused'] as const;
export type BetOutcome = (typeof BET_OUTCOMES)[number];

export interface Bet {
  kind: BetKind;
  outcome: BetOutcome;
  /** Requests made for it. */
  attempts: number;
  /** From the bet to its settlement, on the turn's clock. */
  fromUs: number;
  /** Time that a hit took off the critical path. Absent where the turn cannot tell, never 0 for unknown. */
  savedUs?: number;
  /** LLM tokens paid for and not used; estimated from characters where no answer counted them. */
  wastedTokens: number;
  /** Characters synthesized and not spoken. Their price is not known: they are never turned into money. */
  wastedChars: number;
  /** Of the wasted tokens; absent where the model's price is not known. */
  wastedUsd?: number;
  /** Figures that rest on an estimate (tokens from characters, a synthesis' time from an earlier one). */
  estimated: boolean;
  /** Why it was refused, or what broke. */
  reason?: string;
}

/** Records a bet's settlement. Nobody waits for a settlement, so its cause is the turn's first event. */
export function settleBet(recorder: Pick<Recorder, 'record'>, bet: Bet): void {
  const { kind, wastedUsd, savedUs, reason, ...rest } = bet;
  const stage: Stage = kind === 'partial' || kind === 'prompt' || kind === 'hedge' ? 'llm' : 'tts';
  recorder.record({
    kind: 'bet.settled',
    stage,
    cause: 0,
    attrs: { bet: kind, ...rest, wastedUsd, savedUs, reason },
  });
}

/** The bets of a turn, in order of settlement. */
export function betsOf(events: readonly TurnEvent[]): Bet[] {
  return events.flatMap((event) => betOf(event, events) ?? []);
}

/** Where the gateway's own record of a hedge's loser is there, it stands for the estimate of what the loser cost. */
function withBilledLoss(bet: Bet, events: readonly TurnEvent[]): Bet {
  if (bet.kind !== 'hedge' || bet.wastedTokens === 0) return bet;
  const loser = `llm.${bet.outcome === 'hit' ? ORDINALS.reply : ORDINALS.hedge}`;
  const record = events.find(({ kind, exchange }) => kind === 'llm.record' && exchange === loser);
  const wastedUsd = numberOf(record, 'totalCostUsd');
  const [prompt, completion] = [numberOf(record, 'nativePromptTokens'), numberOf(record, 'nativeCompletionTokens')];
  if (wastedUsd === undefined) return bet;
  if (prompt === undefined || completion === undefined) return { ...bet, wastedUsd };
  return { ...bet, wastedUsd, wastedTokens: prompt + completion, estimated: false };
}

/** The bet that an event of a turn settles; undefined for every other event. */
export function betOf(event: TurnEvent, events: readonly TurnEvent[]): Bet | undefined {
  if (event.kind !== 'bet.settled') return undefined;
  const bet = betFrom({ fromUs: event.atUs, ...event.attrs, kind: event.attrs?.['bet'] });
  return bet === undefined ? undefined : withBilledLoss(bet, events);
}

/** Bets as a span carries them; undefined when the text is something else. */
export function parseBets(json: string): Bet[] | undefined {
  const rows = parsedJson(json);
  if (!Array.isArray(rows)) return undefined;
  const bets = rows.flatMap((row: unknown) => betFrom(row) ?? []);
  return bets.length === rows.length ? bets : undefined;
}

function betFrom(fields: unknown): Bet | undefined {
  const kind = BET_KINDS.find((each) => each === textIn(fields, 'kind'));
  const outcome = BET_OUTCOMES.find((each) => each === textIn(fields, 'outcome'));
  if (kind === undefined || outcome === undefined) return undefined;
  return definedOnly<Bet>({
    kind,
    outcome,
    attempts: numberIn(fields, 'attempts') ?? 1,
    fromUs: numberIn(fields, 'fromUs') ?? 0,
    savedUs: numberIn(fields, 'savedUs'),
    wastedTokens: numberIn(fields, 'wastedTokens') ?? 0,
    wastedChars: numberIn(fields, 'wastedChars') ?? 0,
    wastedUsd: numberIn(fields, 'wastedUsd'),
    estimated: fieldOf(fields, 'estimated') === true,
    reason: textIn(fields, 'reason'),
  });
}

export interface BetTotals {
  kind: BetKind;
  turns: number;
  attempts: number;
  hits: number;
  misses: number;
  refused: number;
  savedMs?: number;
  wastedTokens: number;
  wastedChars: number;
  wastedUsd?: number;
  /** Hit rate above which the bet is worth its stakes; absent where a saving or a price is not known. */
  breakEvenHitRate?: number;
  /** All wasted money over all time saved; absent where either is not known, or nothing was saved. */
  usdPer100Ms?: number;
  estimated: boolean;
}

/**
 * Bets of many turns, a row a kind. `worthUsdPer100Ms` is what 100 ms are worth. A bet costs c when it misses and saves s ms when it
 * hits. So it breaks even at the hit rate h with h · s/100 · worth = (1 − h) · c, that is h = c / (c + s/100 · worth).
 */
export function totalBets(turns: readonly (readonly Bet[])[], worthUsdPer100Ms: number): BetTotals[] {
  return BET_KINDS.flatMap((kind): BetTotals[] => {
    const withKind = turns.map((bets) => bets.filter((bet) => bet.kind === kind)).filter((bets) => bets.length > 0);
    const bets = withKind.flat();
    if (bets.length === 0) return [];
    const count = (outcome: BetOutcome): number => bets.filter((bet) => bet.outcome === outcome).length;
    const hits = bets.filter((bet) => bet.outcome === 'hit');
    const misses = bets.filter((bet) => bet.outcome === 'miss');
    const savedMs = knownSum(hits.map(({ savedUs }) => (savedUs === undefined ? undefined : savedUs / 1000)));
    const wastedUsd = knownSum(bets.map((bet) => bet.wastedUsd));
    const stakeUsd = misses.length === 0 ? undefined : knownSum(misses.map((bet) => bet.wastedUsd));
    const savedEachMs = savedMs === undefined || hits.length === 0 ? undefined : savedMs / hits.length;
    const stakeEachUsd = stakeUsd === undefined ? undefined : stakeUsd / misses.length;
    const worthUsd = savedEachMs === undefined ? undefined : (savedEachMs / 100) * worthUsdPer100Ms;
    const breakEvenHitRate =
      stakeEachUsd === undefined || worthUsd === undefined || stakeEachUsd + worthUsd === 0
        ? undefined
        : stakeEachUsd / (stakeEachUsd + worthUsd);
    const usdPer100Ms =
      wastedUsd === undefined || savedMs === undefined || savedMs <= 0 ? undefined : wastedUsd / (savedMs / 100);
    return [
      {
        kind,
        turns: withKind.length,
        attempts: bets.reduce((sum, bet) => sum + bet.attempts, 0),
        hits: hits.length,
        misses: misses.length,
        refused: count('refused'),
        savedMs,
        wastedTokens: bets.reduce((sum, bet) => sum + bet.wastedTokens, 0),
        wastedChars: bets.reduce((sum, bet) => sum + bet.wastedChars, 0),
        wastedUsd,
        breakEvenHitRate,
        usdPer100Ms,
        estimated: bets.some((bet) => bet.estimated),
      },
    ];
  });
}

/** The sum, where every term is known; 0 of none. */
export function knownSum(values: readonly (number | undefined)[]): number | undefined {
  return values.reduce<number | undefined>(
    (sum, value) => (sum === undefined || value === undefined ? undefined : sum + value),
    0,
  );
}

/** Stake and gain of each speculation, from the turn's log. Pure; `bets.ts` explains the rows. */
import type { Asked } from '../calls/ask.ts';
import { knownSum, ORDINALS, type Bet } from '../turn-log/bets.ts';
import { estimateUsd, tokensOf } from '../strategy/models.ts';
import { firstOf, numberOf, stringOf, type TurnEvent } from '../base/events.ts';
import type { Prepared } from './pieces.ts';

/** A reply begun on an early transcript. */
export interface Begun {
  text: string;
  asked: Asked;
}

type Events = readonly TurnEvent[];

const startOf = (events: Events, { startId }: Asked): number => events[startId]?.atUs ?? 0;
const contentUsOf = (events: Events, { exchange }: Asked): number | undefined =>
  events.find((event) => event.kind === 'llm.content' && event.exchange === exchange)?.atUs;

/** Tokens and money of a request whose answer is thrown away. `chars` of the answer are charged. */
function lost(asked: Asked, chars: number): { wastedTokens: number; wastedUsd?: number } {
  const [prompt, completion] = [tokensOf(asked.promptChars), tokensOf(chars)];
  const wastedUsd = estimateUsd(asked.model, prompt, completion);
  return { wastedTokens: prompt + completion, wastedUsd };
}

function total(parts: readonly ReturnType<typeof lost>[]): ReturnType<typeof lost> {
  return {
    wastedTokens: parts.reduce((all, each) => all + each.wastedTokens, 0),
    wastedUsd: knownSum(parts.map((each) => each.wastedUsd)),
  };
}

/**
 * A hit began its request before the transcript was final. Without the bet the first content would have come one TTFT
 * after the transcript: saved = final + TTFT − the later of first content and final.
 */
export function partialBet(begun: readonly Begun[], taken: Begun | undefined, events: Events): Bet {
  const fromUs = Math.min(...begun.map(({ asked }) => startOf(events, asked)));
  const wasted = total(begun.filter((each) => each !== taken).map(({ asked }) => lost(asked, asked.chars())));
  const finalUs = firstOf(events, 'stt.done')?.atUs;
  const contentUs = taken === undefined ? undefined : contentUsOf(events, taken.asked);
  const bet = { kind: 'partial', attempts: begun.length, fromUs, wastedChars: 0, estimated: true, ...wasted } as const;
  if (taken === undefined || finalUs === undefined || contentUs === undefined) return { ...bet, outcome: 'miss' };
  const ttftUs = contentUs - startOf(events, taken.asked);
  return { ...bet, outcome: 'hit', savedUs: Math.max(0, finalUs + ttftUs - Math.max(contentUs, finalUs)) };
}

/** Nobody knows the saving or the cost of a stopped request: the bet is charged at the winner's full length. */
export function hedgeBet(winner: Asked, loser: Asked | undefined, events: Events): Bet {
  const won = winner.exchange === `llm.${ORDINALS.hedge}`;
  const second = won ? winner : loser;
  return {
    kind: 'hedge',
    outcome: won ? 'hit' : 'miss',
    attempts: 1,
    fromUs: second === undefined ? startOf(events, winner) : startOf(events, second),
    wastedChars: 0,
    estimated: true,
    ...(loser === undefined ? { wastedTokens: 0 } : lost(loser, winner.chars())),
  };
}

/** The provider says whether it had the prompt cached. One turn cannot tell how much earlier the answer came. */
export function promptBet(
  warmed: { fromUs: number; promptTokens: number; refused?: string },
  model: string,
  events: Events,
): Bet {
  const { fromUs, promptTokens, refused } = warmed;
  const bet = { kind: 'prompt', fromUs, wastedChars: 0, estimated: true } as const;
  if (refused !== undefined) {
    return { ...bet, outcome: 'refused', attempts: 0, wastedTokens: 0, wastedUsd: 0, reason: refused };
  }
  const cached = numberOf(firstOf(events, 'llm.done'), 'cachedTokens') ?? 0;
  const wastedUsd = estimateUsd(model, promptTokens, 1);
  return {
    ...bet,
    outcome: cached > 0 ? 'hit' : 'miss',
    attempts: 1,
    wastedTokens: promptTokens + 1,
    wastedUsd,
  };
}

/**
 * The audio of a predicted opener that came true is there when its piece is ready, not one TTFB later. A prefilled
 * opener is always said. Its words are not the model's content, so no saving is claimed.
 */
export function openersBet(openers: readonly Prepared[], events: Events): Bet {
  const said = events.find((event) => event.kind === 'piece.ready' && stringOf(event, 'origin') !== undefined);
  const prefilled = stringOf(said, 'origin') === 'prefilled';
  const text = said?.content?.text?.trim();
  const used = openers.find((each) => each.text === text && !each.failed());
  const firstUs = used?.firstAudioUs();
  const paidFor = openers.filter((each) => each !== used && each.cachedTtfbUs() === undefined);
  const saved =
    said === undefined || used === undefined || firstUs === undefined || prefilled
      ? {}
      : {
          savedUs: Math.max(
            0,
            said.atUs + (used.cachedTtfbUs() ?? firstUs - used.startUs) - Math.max(firstUs, said.atUs),
          ),
        };
  return {
    kind: openers.length === 1 ? 'prefill' : 'predict',
    outcome: used === undefined ? 'miss' : 'hit',
    attempts: openers.length,
    fromUs: openers[0]?.startUs ?? 0,
    wastedTokens: 0,
    wastedChars: paidFor.reduce((all, each) => all + each.text.length, 0),
    estimated: used?.cachedTtfbUs() !== undefined,
    ...saved,
  };
}

/** A captured session as data, from any store. */
import type { Message } from '../../service/base/ports.ts';
import type { TurnEvent, TurnLog } from '../../service/base/events.ts';
import type { Strategy } from '../../service/strategy/strategy.ts';
import type { CapturedTurn } from '../../sim/times/captured-turn.ts';

/** How sessions are chosen. `sample`: a random sample, spread over time; `latency`: the slowest; `error`: those with most failed turns. */
export const CHOSEN_BY = ['sample', 'latency', 'error'] as const;
export type ChosenBy = (typeof CHOSEN_BY)[number];

export interface CapturedSession {
  sessionId: string;
  language: string;
  /** `timing` captures hold no text and no audio. */
  level: 'full' | 'timing';
  commit: string;
  systemPrompt: string;
  /** The conversation before the session's first captured turn. */
  history: readonly Message[];
  interview?: string;
  profile?: string;
  strategy: Strategy;
  turns: readonly TurnLog[];
}

const TEXT_LIMIT_CHARS = 10_000_000;

/** In place of a text of which only the length was captured: `xxx…`. Empty for an impossible length. */
export function asLongAs(chars: number): string {
  return 'x'.repeat(chars > 0 && chars <= TEXT_LIMIT_CHARS ? chars : 0);
}

/**
 * The captured conversation up to a turn: the same history for every lane, so that a lane's own replies change no later prompt. Where the capture
 * holds no text, `asLongAs` stands in, so that the prompt keeps its captured size.
 */
export function historyBefore(session: Pick<CapturedSession, 'history' | 'turns'>, turnIndex: number): Message[] {
  const said = (log: TurnLog, kind: TurnEvent['kind']): string | undefined => {
    const event = log.events.find((each) => each.kind === kind);
    const chars = event?.attrs?.['chars'];
    return event?.content?.text ?? (typeof chars === 'number' ? asLongAs(chars) : undefined);
  };
  const earlier = session.turns.filter((log) => log.identity.turnIndex < turnIndex);
  return [
    ...session.history,
    ...earlier.flatMap((log): Message[] => {
      const transcript = said(log, 'stt.done');
      const reply = said(log, 'turn.interrupted') ?? said(log, 'llm.done');
      return [
        ...(transcript === undefined ? [] : [{ role: 'user' as const, content: transcript }]),
        ...(reply === undefined ? [] : [{ role: 'assistant' as const, content: reply }]),
      ];
    }),
  ];
}

/** Its turns as stand-ins need them. */
export function capturedTurnsOf({ sessionId, turns }: CapturedSession): CapturedTurn[] {
  return turns.map(({ identity, events, anchorUs }) => ({
    sessionId,
    turnIndex: identity.turnIndex,
    events,
    anchorUs,
  }));
}

/** When the captured turn began, in µs since 1970. */
export function startEpochUs(log: TurnLog): number {
  return log.anchorUs + (log.events.find((event) => event.kind === 'speech.start')?.atUs ?? 0);
}

/** Whether idle connections of the turn before had been closed when this one began. */
export function outlivesSockets(session: CapturedSession, log: TurnLog, { network: { keepAlive } }: Strategy): boolean {
  const before = session.turns.findLast(({ identity }) => identity.turnIndex < log.identity.turnIndex);
  if (before === undefined || keepAlive === false) return false;
  const endUs = before.anchorUs + Math.max(0, ...before.events.map(({ atUs }) => atUs));
  return startEpochUs(log) - endUs > keepAlive.idleMs * 1000;
}

/**
 * Tickets: what a browser's page sends in place of the key, because it can set no header of a WebSocket. A ticket opens one socket of
 * one session, once, within 30 s. A URL ends up in histories and logs of proxies, so it holds nothing that lasts.
 */
import type { Clock } from '../base/ports.ts';
import { unpredictableHex } from '../base/random.ts';
import { ProblemError } from './problem.ts';

export interface Ticket {
  ticket: string;
  /** How long it is valid. */
  validMs: number;
}

export interface Tickets {
  /** Throws `ProblemError` (503) where too many wait to be used. */
  issue(sessionId: string): Ticket;
  /** Uses the ticket up. Throws `ProblemError` (401) unless it was issued for the session, is unused and still valid. */
  use(ticket: string, sessionId: string): void;
}

export const TICKET_VALID_MS = 30_000;
/** Unused ones that are kept: one for each of 1,000 sessions, ten times over. */
export const TICKETS_LIMIT = 10_000;

export function createTickets(clock: Pick<Clock, 'nowUs'>): Tickets {
  /** From the oldest to the newest. */
  const issued = new Map<string, { sessionId: string; untilUs: number }>();
  const dropStale = (): void => {
    for (const [ticket, { untilUs }] of issued) {
      if (untilUs > clock.nowUs()) return;
      issued.delete(ticket);
    }
  };
  return {
    issue(sessionId) {
      dropStale();
      if (issued.size >= TICKETS_LIMIT) {
        throw new ProblemError({
          status: 503,
          title: 'Too many tickets',
          detail: `${TICKETS_LIMIT} tickets wait to be used; use one, or try again in ${TICKET_VALID_MS / 1000} s`,
          limit: `${TICKETS_LIMIT} tickets`,
          headers: { 'retry-after': String(TICKET_VALID_MS / 1000) },
        });
      }
      const ticket = unpredictableHex(40);
      issued.set(ticket, { sessionId, untilUs: clock.nowUs() + TICKET_VALID_MS * 1000 });
      return { ticket, validMs: TICKET_VALID_MS };
    },
    use(ticket, sessionId) {
      const found = issued.get(ticket);
      issued.delete(ticket);
      if (found !== undefined && found.sessionId === sessionId && found.untilUs > clock.nowUs()) return;
      throw new ProblemError({
        status: 401,
        title: 'Unauthorized',
        detail: `the ticket is of another session, used, or older than ${TICKET_VALID_MS / 1000} s; get a new one with POST /v1/sessions/:id/ticket`,
        field: 'ticket',
      });
    },
  };
}

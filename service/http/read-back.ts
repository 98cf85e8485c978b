/**
 * Sessions and turns as a link shows them: from memory, and from the capture once they are no longer there. Few read the disk at
 * once, each holds one turn without its audio, and an answer has a page of turns, so that reading starves no turn.
 */
import { bareTurns, readSessionHeader, type TurnWindow } from '../capture/bundle-reader.ts';
import type { CaptureStore, SessionFiles } from '../capture/store.ts';
import { InputError } from '../base/errors.ts';
import { fieldOf } from '../base/json.ts';
import { measureTurn, type TurnSummary } from '../turn-log/metrics.ts';
import { otlpLineOf } from '../telemetry/otel.ts';
import { createGate } from './gate.ts';
import { LIMITS } from './limits.ts';
import { notFound, ProblemError } from './problem.ts';
import type { Registry, TurnRecord } from './registry.ts';

export interface SessionPage {
  id: string;
  language: string;
  busy: boolean;
  /** Those of the window, by index. */
  turns: readonly TurnSummary[];
  /** Where the next page begins; absent on the last one. */
  next?: number;
}

export interface ReadBack {
  /** Throws `ProblemError` (404) when the session is neither open nor captured. */
  session(id: string, window: TurnWindow): Promise<SessionPage>;
  /** A finished turn. Throws `ProblemError` (404) as well when the session has no turn of that index. */
  turn(id: string, index: string): Promise<TurnRecord>;
  /** Erases a session as `Registry.erase` does. */
  erase(id: string): Promise<boolean>;
}

/** Requests that search the disk at once. */
const AT_ONCE = 2;
const WAITING_LIMIT = 30;

export function createReadBack(registry: Registry, store: CaptureStore): ReadBack {
  const gate = createGate({ atOnce: AT_ONCE, waitingLimit: WAITING_LIMIT, what: 'search the captures' });
  // whoever reads a lot keeps nobody from erasing
  const erasing = createGate({ atOnce: AT_ONCE, waitingLimit: WAITING_LIMIT, what: 'erase captures' });
  /** Undefined where there is no such capture, or none that can be read. */
  const captured = <Read>(id: string, read: (files: SessionFiles) => Promise<Read>): Promise<Read | undefined> =>
    gate.pass(async () => {
      try {
        return await read(await store.find(id));
      } catch (error) {
        if (error instanceof InputError) return undefined;
        throw error;
      }
    });
  const capturedPage = (id: string, window: TurnWindow): Promise<SessionPage | undefined> =>
    captured(id, async (files) => {
      const { sessionId, language } = await readSessionHeader(files);
      const turns: TurnSummary[] = [];
      const seen = new Set<number>();
      for await (const log of bareTurns(files, window, seen)) turns.push(measureTurn(log).summary);
      const next = [...seen].some((index) => index >= window.to) ? window.to : undefined;
      return { id: sessionId, language, busy: false, turns: turns.sort(byIndex), next };
    });
  return {
    async session(id, window) {
      const open = registry.find(id);
      if (open === undefined) {
        const page = await capturedPage(id, window);
        if (page !== undefined) return page;
        throw notFound(`there is no session ${JSON.stringify(id.slice(0, 80))}, open or captured`);
      }
      const { language, busy, turnsOver } = open;
      const turns = registry.turnsOf(id).filter(({ turnIndex: index }) => index >= window.from && index < window.to);
      const inMemory = new Set(turns.map(({ turnIndex }) => turnIndex));
      const older = inMemory.size < Math.min(window.to, turnsOver) - window.from;
      const onDisk = older ? ((await capturedPage(id, window))?.turns ?? []) : [];
      turns.push(...onDisk.filter(({ turnIndex }) => !inMemory.has(turnIndex)));
      const next = turnsOver > window.to ? window.to : undefined;
      return { id, language, busy, turns: turns.sort(byIndex), next };
    },
    async turn(id, index) {
      const summary = registry.turnsOf(id).find((each) => String(each.turnIndex) === index);
      const number = wholeNumber(index);
      const log =
        number === undefined
          ? undefined
          : await captured(id, async (files) => {
              await readSessionHeader(files); // without it, no bundle of ours
              for await (const turn of bareTurns(files, { from: number, to: number + 1 })) return turn;
              return undefined;
            });
      if (log === undefined && summary !== undefined && registry.find(id) !== undefined)
        return registry.turn(summary.traceId);
      if (log === undefined) {
        throw notFound(`session ${JSON.stringify(id.slice(0, 80))} has no turn ${JSON.stringify(index.slice(0, 20))}`);
      }
      const measured = measureTurn(log);
      return { summary: measured.summary, trace: JSON.parse(otlpLineOf(log, measured)) };
    },
    erase: (id) => erasing.pass(() => registry.erase(id)),
  };
}

/** The turns that a query such as `?from=100&limit=20` asks for. Throws `ProblemError` (400). */
export function windowIn(query: unknown): TurnWindow {
  const most = LIMITS.turnsRead.value;
  const numberFor = (name: string, absent: number): number => {
    const value = fieldOf(query, name);
    if (value === undefined) return absent;
    const number = typeof value === 'string' ? wholeNumber(value) : undefined;
    if (number !== undefined) return number;
    throw badQuery(name, 'is no whole number from 0 on');
  };
  const from = numberFor('from', 0);
  const limit = numberFor('limit', most);
  if (limit < 1 || limit > most) throw badQuery('limit', `must be from 1 to ${most}; ask for the rest with "from"`);
  return { from, to: from + limit };
}

function badQuery(field: string, says: string): ProblemError {
  return new ProblemError({ status: 400, title: 'Bad request', detail: `"${field}" ${says}`, field });
}

/** Up to nine digits, as in no other way of writing. */
function wholeNumber(text: string): number | undefined {
  return /^(0|[1-9]\d{0,8})$/.test(text) ? Number(text) : undefined;
}

const byIndex = (a: TurnSummary, b: TurnSummary): number => a.turnIndex - b.turnIndex;

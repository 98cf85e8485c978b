/**
 * Sessions and turns as a link shows them: from memory, and from the capture once they are no longer there. Few read the disk at
 * once, and each holds one turn without its audio, so that reading starves no turn.
 */
import { bareTurns, readSessionHeader } from '../capture/bundle-reader.ts';
import type { CaptureStore, SessionFiles } from '../capture/store.ts';
import { InputError } from '../base/errors.ts';
import { measureTurn, type TurnSummary } from '../turn-log/metrics.ts';
import { otlpLineOf } from '../telemetry/otel.ts';
import { createGate } from './gate.ts';
import { notFound } from './problem.ts';
import type { Registry, TurnRecord } from './registry.ts';

export interface SessionPage {
  id: string;
  language: string;
  busy: boolean;
  turns: readonly TurnSummary[];
}

export interface ReadBack {
  /** Throws `ProblemError` (404) when the session is neither open nor captured. */
  session(id: string): Promise<SessionPage>;
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
  return {
    async session(id) {
      const open = registry.find(id);
      if (open !== undefined) {
        const { language, busy, finished } = open;
        return { id: open.id, language, busy, turns: finished };
      }
      const page = await captured(id, async (files) => {
        const { sessionId, language } = await readSessionHeader(files);
        const turns: TurnSummary[] = [];
        for await (const log of bareTurns(files)) turns.push(measureTurn(log).summary);
        return { id: sessionId, language, busy: false, turns: turns.sort((a, b) => a.turnIndex - b.turnIndex) };
      });
      if (page === undefined)
        throw notFound(`there is no session ${JSON.stringify(id.slice(0, 80))}, open or captured`);
      return page;
    },
    async turn(id, index) {
      const summary = registry.find(id)?.finished.find((each) => String(each.turnIndex) === index);
      const number = /^(0|[1-9]\d{0,8})$/.test(index) ? Number(index) : undefined;
      const log =
        number === undefined
          ? undefined
          : await captured(id, async (files) => {
              await readSessionHeader(files); // without it, no bundle of ours
              for await (const turn of bareTurns(files, number)) return turn;
              return undefined;
            });
      if (log === undefined && summary !== undefined) return registry.turn(summary.traceId);
      if (log === undefined) {
        throw notFound(`session ${JSON.stringify(id.slice(0, 80))} has no turn ${JSON.stringify(index.slice(0, 20))}`);
      }
      const measured = measureTurn(log);
      return { summary: measured.summary, trace: JSON.parse(otlpLineOf(log, measured)) };
    },
    erase: (id) => gate.pass(() => registry.erase(id)),
  };
}

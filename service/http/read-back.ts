/** Sessions and turns as a link shows them: from memory, and from the capture once they are no longer there. */
import { readBundle, type Bundle } from '../capture/bundle-reader.ts';
import type { CaptureStore } from '../capture/store.ts';
import { InputError } from '../base/errors.ts';
import { measureTurn, type TurnSummary } from '../turn-log/metrics.ts';
import { otlpLineOf } from '../telemetry/otel.ts';
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
}

export function createReadBack(registry: Registry, store: CaptureStore): ReadBack {
  const captured = async (id: string): Promise<Bundle | undefined> => {
    try {
      return await readBundle(await store.find(id));
    } catch (error) {
      if (error instanceof InputError) return undefined;
      throw error;
    }
  };
  return {
    async session(id) {
      const open = registry.find(id);
      if (open !== undefined) {
        const { language, busy, finished } = open;
        return { id: open.id, language, busy, turns: finished };
      }
      const bundle = await captured(id);
      if (bundle === undefined)
        throw notFound(`there is no session ${JSON.stringify(id.slice(0, 80))}, open or captured`);
      const { sessionId, language } = bundle.session;
      return { id: sessionId, language, busy: false, turns: bundle.turns.map((log) => measureTurn(log).summary) };
    },
    async turn(id, index) {
      const summary = registry.find(id)?.finished.find((each) => String(each.turnIndex) === index);
      const log = (await captured(id))?.turns.find(({ identity }) => String(identity.turnIndex) === index);
      if (log === undefined && summary !== undefined) return registry.turn(summary.traceId);
      if (log === undefined) {
        throw notFound(`session ${JSON.stringify(id.slice(0, 80))} has no turn ${JSON.stringify(index.slice(0, 20))}`);
      }
      const measured = measureTurn(log);
      return { summary: measured.summary, trace: JSON.parse(otlpLineOf(log, measured)) };
    },
  };
}

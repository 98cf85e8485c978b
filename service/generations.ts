/**
 * Generation records: what the gateway says of a turn's answers some seconds later. The service asks when the turn is over. The
 * turn's projection waits for the answer, at most 5 s; the next turn does not.
 */
import { measureTurn, type MeasuredTurn } from './turn-log/metrics.ts';
import { openCall } from './net/exchange.ts';
import type { EventSink, TurnEvent, TurnLog } from './base/events.ts';
import type { GenerationRecord } from './providers/generation.ts';
import { createRecorder } from './turn-log/recorder.ts';
import type { Projection } from './turn/observe.ts';
import type { TurnPorts } from './calls/stage.ts';
import { childSignal } from './base/streams.ts';
import type { Strategy } from './strategy/strategy.ts';

/** One before each question: the gateway needs a moment to write its record. */
const PAUSES_MS = [500, 1000, 2000] as const;
/** After the end of the turn. A record that comes later is absent. */
const LIMIT_MS = 5000;
/** Turns that may wait for records; one more is closed without them. */
const WAITING_LIMIT = 64;
/** Answers of one turn. */
const ANSWERS_LIMIT = 8;
/** Ids go into URLs. */
const GENERATION_ID = /^[\w-]{1,100}$/;

export interface Generations {
  /** `inner`, closed once the turn's records are there. Its sink gets them as events `llm.record`. */
  before(inner: Projection, sessionId: string, ports: (turnIndex: number) => TurnPorts): Projection;
  /** Stops asking for a session, or for all; resolves when the session's turns, or all, are closed. */
  stop(sessionId?: string): Promise<void>;
  /** Resolves when no turn waits. */
  settled(): Promise<void>;
}

/** The strategy under which questions are asked: over connections of their own, so that no turn finds its own busy or warmed. */
export function apart(strategy: Strategy): Strategy {
  return { ...strategy, network: { ...strategy.network, keepAlive: false } };
}

export function createGenerations(onError: (error: unknown) => void): Generations {
  const waiting = new Set<{ sessionId: string; giveUp: () => void; closed: Promise<void> }>();
  let stopped = false;

  const before: Generations['before'] = (inner, sessionId, ports) => {
    const sinks = new Map<number, EventSink>();
    const close = (log: TurnLog, measured: MeasuredTurn, records: readonly TurnEvent[]): void => {
      const { turnIndex } = log.identity;
      const sink = sinks.get(turnIndex);
      sinks.delete(turnIndex);
      if (records.length === 0) {
        inner.closed(log, measured);
        return;
      }
      for (const event of records) sink?.(event);
      const whole = { ...log, events: [...log.events, ...records] };
      inner.closed(whole, measureTurn(whole));
    };
    return {
      opened(identity, zero, anchorUs) {
        const sink = inner.opened(identity, zero, anchorUs);
        if (sink !== undefined) sinks.set(identity.turnIndex, sink);
        return sink;
      },
      closed(log, measured) {
        if (stopped || waiting.size >= WAITING_LIMIT || answersOf(log).length === 0) {
          close(log, measured, []);
          return;
        }
        const limit = new AbortController();
        const closed = recordsOf(log, ports(log.identity.turnIndex), limit.signal)
          .then((records) => close(log, measured, records))
          .catch(onError)
          .finally(() => waiting.delete(entry));
        const entry = {
          sessionId,
          giveUp: () => limit.abort(new Error('nobody waits for the records any more')),
          closed,
        };
        waiting.add(entry);
      },
    };
  };
  const settled = async (): Promise<void> => {
    await Promise.all([...waiting].map(({ closed }) => closed));
  };
  return {
    before,
    settled,
    async stop(sessionId) {
      stopped ||= sessionId === undefined;
      const meant = [...waiting].filter((each) => sessionId === undefined || each.sessionId === sessionId);
      for (const { giveUp } of meant) giveUp();
      await Promise.all(meant.map(({ closed }) => closed));
    },
  };
}

interface KnownAnswer {
  /** `llm.<ordinal>`. */
  call: string;
  id: string;
  /** The event that named it. */
  named: TurnEvent;
}

/** The last answer of each call, named by a header or by the answer's end. The loser of a hedge has only the header. */
function answersOf({ events }: TurnLog): KnownAnswer[] {
  const byCall = new Map<string, KnownAnswer>();
  for (const named of events) {
    const id = named.attrs?.['generationId'];
    if (named.stage !== 'llm' || typeof id !== 'string' || !GENERATION_ID.test(id)) continue;
    const call = (named.exchange ?? 'llm.0').split('.').slice(0, 2).join('.');
    byCall.set(call, { call, id, named });
  }
  return [...byCall.values()].slice(0, ANSWERS_LIMIT);
}

/** Never rejects because of the gateway: an answer whose record does not come has none. */
async function recordsOf(log: TurnLog, ports: TurnPorts, signal: AbortSignal): Promise<TurnEvent[]> {
  const limit = childSignal(signal);
  const over = new AbortController();
  ports.clock.sleep(LIMIT_MS, over.signal).then(
    () => limit.abort(new Error(`no generation record within ${LIMIT_MS} ms`)),
    () => undefined,
  );
  const answers = answersOf(log);
  const records = await Promise.all(answers.map((answer) => askFor(answer, log, ports, limit.signal)));
  over.abort(new Error('the records are there'));
  limit.release();
  return answers
    .flatMap(({ call, named }, index) => {
      const record = records[index];
      return record === undefined || Object.keys(record).length === 0 ? [] : [{ call, named, record }];
    })
    .map(({ call, named, record }, index): TurnEvent => {
      const id = log.events.length + index;
      // dated like the answer that it describes: the turn was over when it was fetched
      const { id: cause, atUs } = named;
      return { id, kind: 'llm.record', stage: 'llm', exchange: call, atUs, cause, attrs: { ...record } };
    });
}

async function askFor(
  { call, id }: KnownAnswer,
  { identity }: TurnLog,
  { clock, transport, generationRecord }: TurnPorts,
  signal: AbortSignal,
): Promise<GenerationRecord | undefined> {
  if (generationRecord === undefined) return undefined;
  const { sessionId, turnIndex, arm, traceId } = identity;
  // an ordinal that no call of the turn has: a stand-in would draw the same for both
  const ordinal = 1000 + Number(call.split('.')[1]);
  for (const [attempt, pauseMs] of PAUSES_MS.entries()) {
    // the exchange is no part of the turn: its events go nowhere
    const recorder = createRecorder(clock, [], () => undefined);
    const cause = recorder.record({ kind: 'llm.done', stage: 'llm' });
    const context = { sessionId, turnIndex, stage: 'llm' as const, ordinal, attempt, arm, traceId };
    const asking = openCall({ transport, clock, recorder, signal, context, drain: false, cause });
    try {
      await clock.sleep(pauseMs, signal);
      const record = await generationRecord(id, asking);
      if (record !== undefined) return record;
    } catch {
      asking.abandon(); // the next question may be answered
    }
    await asking.settled();
    if (signal.aborted) return undefined;
  }
  return undefined;
}

/** Runs a plan: each lane has an arm of its own. The scheduler orders and measures; arms run turns. */
import { InputError } from '../../service/base/errors.ts';
import { measureTurn, type TurnSummary } from '../../service/turn-log/metrics.ts';
import type { Clock } from '../../service/base/ports.ts';
import type { Lane } from '../../service/base/events.ts';
import { otlpLineOf } from '../../service/telemetry/otel.ts';
import type { Arm, TurnTask } from '../arms/arm.ts';
import type { CapturedSession } from '../sessions/captured-session.ts';
import type { Journal, JournalState } from './journal.ts';
import {
  type JournaledTurn,
  compareTranscripts,
  type ReplayedTurn,
  type OnTurn,
  type ToldTurn,
} from '../arms/replayed-turn.ts';
import { plannedPairs } from '../plan/order.ts';
import { pairKey, runKey, type PlannedRun } from '../arms/planned.ts';
import { createPurse, type Purse } from '../plan/purse.ts';
import { workOf } from '../arms/work.ts';
import { laneOf, type ReplayLane } from '../plan/lanes.ts';
import { RunnerError } from '../arms/worker-client.ts';

export interface ReplayOptions {
  sessions: readonly CapturedSession[];
  lanes: readonly ReplayLane[];
  /** From `planRuns`, over the same sessions and lanes. */
  plan: readonly PlannedRun[];
  /** Starts the arm of a lane, for the whole run. Called again when the arm's process has died. */
  armFor(lane: ReplayLane): Promise<Arm>;
  runId: string;
  pace: TurnTask['pace'];
  promptNonce?: boolean;
  /** Keeps what was said, in the journal too. */
  withText: boolean;
  /** Turns without traces: their `otlp` is empty. */
  isBare?: boolean;
  journal?: Journal;
  /** The journal's state when the run was resumed. */
  before?: JournalState;
  /** In `sim` a world holds virtual time and modelled sockets, so only whole sessions are resumed. */
  resumeWholeSessions: boolean;
  clock: Clock;
  /** Before a pair that met a rate limit is run again. */
  cooldownMs: number;
  /** Least time between the starts of two turns, for a rate limit of the user's. */
  spacingMs?: number;
  /** The run ends before a pair that would exceed the limit. `purse` takes the place of an own one. `priceUsd` is undefined where unknown. */
  budget: { limitUsd?: number; purse?: Purse; priceUsd(planned: PlannedRun): number | undefined };
  onTurn?: OnTurn;
  /** Hears all turns so far after each session whose turns have all been run. True ends the run. */
  isEnough?(turns: readonly ReplayedTurn[]): boolean;
  signal?: AbortSignal;
}

export interface Replayed {
  /** In plan order. Turns that fail are turns. */
  turns: readonly ReplayedTurn[];
  /** Pairs that were run twice, and why. */
  repeated: ReadonlyMap<string, string>;
  /** Pairs of which one part was run before a crash and the other after it. */
  split: number;
  /** Turns that a crash cut off, and which were run again. */
  paidTwice: readonly string[];
  /** Planned turns that were not run, since the budget was spent. */
  unpaid: number;
}

/** Runs every planned turn that the journal does not hold yet. */
export async function runReplay(options: ReplayOptions): Promise<Replayed> {
  const { plan, before, signal } = options;
  const pairs = plannedPairs(plan);
  const arms = createArms(options);
  const turns: ReplayedTurn[] = [];
  const repeated = new Map(before?.repeated);
  const paidTwice = new Set<string>(options.resumeWholeSessions ? [] : before?.inFlight);
  const kept = keptOf(options);
  const { limitUsd, priceUsd } = options.budget;
  const purse = options.budget.purse ?? createPurse(limitUsd, spentBefore(options, kept));
  let [split, unpaid] = [0, 0];
  let lastStartUs = Number.NEGATIVE_INFINITY;

  const runOne = async (planned: PlannedRun, attempt: number, earlier: ToldTurn[]): Promise<ToldTurn> => {
    const spacingUs = lastStartUs + (options.spacingMs ?? 0) * 1000 - options.clock.nowUs();
    if (spacingUs > 0 && Number.isFinite(spacingUs)) await options.clock.sleep(spacingUs / 1000, signal);
    lastStartUs = options.clock.nowUs();
    signal?.throwIfAborted();
    const key = attemptKey(planned, attempt);
    const usd = priceUsd(planned);
    options.journal?.begin(key, usd);
    purse.charge(usd);
    const onTheseWords = earlier.filter(
      (other) => laneOf(options.lanes, other.planned).words === laneOf(options.lanes, planned).words,
    );
    const turn = compareTranscripts({ planned, ...(await arms.turn(planned)) }, onTheseWords, (changed) => {
      earlier[earlier.findIndex((other) => other.planned === changed.planned)] = changed;
      options.journal?.change(attemptKey(changed.planned, attempt), changed.summary.transcriptChange ?? 0);
    });
    options.journal?.done(key, turn);
    purse.settle(usd, turn.summary);
    return turn;
  };

  try {
    for (const [at, pair] of pairs.entries()) {
      signal?.throwIfAborted();
      const [first] = pair;
      if (first === undefined) continue;
      const attempt = repeated.has(pairKey(first)) ? 1 : 0;
      const known = (planned: PlannedRun): JournaledTurn | undefined => kept.get(attemptKey(planned, attempt));
      const missing = pair.filter((planned) => known(planned) === undefined);
      if (missing.length > 0 && !purse.affords(missing.map(priceUsd))) {
        unpaid += missing.length;
        continue;
      }
      if (missing.length > 0 && missing.length < pair.length) split++;
      const result = await runPair(pair, known, attempt);
      for (const turn of result) {
        const { planned, summary, otlp, text } = turn;
        turns.push({ planned, summary, otlp, text });
        options.onTurn?.(turn, turns.length, plan.length);
      }
      const isSessionOver = unpaid === 0 && pairs[at + 1]?.[0]?.sessionId !== first.sessionId;
      if (isSessionOver && options.isEnough?.(turns) === true) break;
    }
  } finally {
    await arms.close();
  }
  return { turns, repeated, split, paidTwice: [...paidTwice], unpaid };

  async function runPair(
    pair: readonly PlannedRun[],
    known: (planned: PlannedRun) => JournaledTurn | undefined,
    attempt: number,
  ): Promise<ToldTurn[]> {
    const result: ToldTurn[] = [];
    let fault: string | undefined;
    for (const planned of pair) {
      const journaled = known(planned);
      try {
        result.push(journaled === undefined ? await runOne(planned, attempt, result) : { planned, ...journaled });
      } catch (error) {
        if (!(error instanceof RunnerError) || attempt > 0) throw error;
        fault = error.message;
        break;
      }
    }
    const limited = result.find(({ summary }) => summary.failure?.kind === 'rate-limited');
    if (limited !== undefined) fault ??= `${limited.planned.lane} ${limited.planned.variant} met a rate limit`;
    const [first] = pair;
    if (fault === undefined || attempt > 0 || first === undefined) return result;
    if (!purse.affords(pair.map(priceUsd))) {
      unpaid += pair.length;
      return [];
    }
    // the whole pair, once: one lane alone would run at another time than the other
    repeated.set(pairKey(first), fault);
    options.journal?.repeat(pairKey(first), fault);
    if (limited !== undefined) await options.clock.sleep(options.cooldownMs, signal);
    return runPair(pair, () => undefined, 1);
  }
}

/** In `sim` only kept turns were spent: the others are run as if for the first time. */
function spentBefore({ plan, before, resumeWholeSessions, budget }: ReplayOptions, kept: KeptTurns): number {
  if (!resumeWholeSessions) return before?.spentUsd ?? 0;
  return plan.reduce((sum, planned) => {
    const turn = kept.get(attemptKey(planned, 0)) ?? kept.get(attemptKey(planned, 1));
    return turn === undefined ? sum : sum + (turn.summary.costUsd ?? budget.priceUsd(planned) ?? 0);
  }, 0);
}

type KeptTurns = ReadonlyMap<string, JournaledTurn>;

/** Journaled turns that count: in `sim` only those of finished sessions. */
function keptOf({ plan, before, resumeWholeSessions }: ReplayOptions): KeptTurns {
  if (before === undefined) return new Map();
  if (!resumeWholeSessions) return before.done;
  const whole = Map.groupBy(plan, ({ sessionId, run }) => `${sessionId}/${run}`).values();
  const finished = [...whole]
    .map((session) => session.map((each) => attemptKey(each, before.repeated.has(pairKey(each)) ? 1 : 0)))
    .filter((keys) => keys.every((key) => before.done.has(key)))
    .flat();
  return new Map(
    finished.flatMap((key) => {
      const turn = before.done.get(key);
      return turn === undefined ? [] : [[key, turn] as const];
    }),
  );
}

function attemptKey(planned: PlannedRun, attempt: number): string {
  return attempt === 0 ? runKey(planned) : `${runKey(planned)}#${attempt + 1}`;
}

/** One arm a lane, started at its first turn. An arm that died is started anew. */
function createArms(options: ReplayOptions): {
  turn(planned: PlannedRun): Promise<Omit<ToldTurn, 'planned'>>;
  close(): Promise<void>;
} {
  const sessions = new Map(options.sessions.map((session) => [session.sessionId, session]));
  const lastTurn = new Map(options.plan.map(({ sessionId, turnIndex }) => [sessionId, turnIndex]));
  const arms = new Map<ReplayLane, Promise<Arm>>();
  return {
    async turn(planned) {
      const session = sessions.get(planned.sessionId);
      const lane = laneOf(options.lanes, planned);
      if (session === undefined) throw new InputError(`session ${planned.sessionId} is not in this replay`);
      const starting = arms.get(lane) ?? options.armFor(lane);
      arms.set(lane, starting);
      try {
        const arm = await starting;
        const { log, transcript, replyText } = await arm.turn(session, {
          planned,
          strategy: lane.strategyOf(session.strategy),
          arm: lane.arm,
          runId: options.runId,
          pace: options.pace,
          words: lane.words,
          promptNonce: options.promptNonce,
          last: lastTurn.get(planned.sessionId) === planned.turnIndex,
        });
        const measured = measureTurn(log);
        const summary = { ...measured.summary, ...workOf(session, planned, { transcript, replyText }) };
        const text = options.withText ? { transcript, reply: replyText } : undefined;
        const otlp = options.isBare === true ? '' : otlpLineOf(log, measured);
        return { summary, otlp, text, ran: { log, summary, transcript, replyText } };
      } catch (error) {
        if (error instanceof RunnerError) {
          arms.delete(lane);
          await starting.then((arm) => arm.close()).catch(() => undefined);
        }
        throw error;
      }
    },
    async close() {
      const started = await Promise.allSettled(arms.values());
      await Promise.all(started.map((each) => (each.status === 'fulfilled' ? each.value.close() : undefined)));
    },
  };
}

/** Of one lane, in plan order. */
export function summariesOf(replayed: readonly ReplayedTurn[], lane: Lane, variant: string): TurnSummary[] {
  return replayed
    .filter(({ planned }) => planned.lane === lane && planned.variant === variant)
    .map(({ summary }) => summary);
}

/**
 * Attempts of one provider call: bounded, on the clock, each visible in the log. The SDKs' own retries are off.
 *
 * A request is repeated when it was not answered: no connection, no headers, 429, 5xx, a broken connection. Nothing of
 * an answer may have been used: once the chunker has a word, or audio was handed on, the attempt clears `mayRepeat`.
 * STT and TTS requests change nothing at the provider but the bill.
 */
import { StageError } from '../base/errors.ts';
import type { Clock, Random } from '../base/ports.ts';
import type { CallStage, Recorder } from '../base/events.ts';
import { untilSettled, withDeadline } from '../base/streams.ts';
import { createWatchdog, type Deadlines, type Watchdog } from '../net/watchdog.ts';

export interface RetryPolicy extends Deadlines {
  attempts: number;
  /** Wait before the first repetition. Doubled each time up to `capMs`, ±25 % jitter. */
  baseMs: number;
  capMs: number;
  /** All waits of one call together. A `Retry-After` beyond the rest of the budget ends the call at once. */
  backoffBudgetMs: number;
  /** The whole stage, repetitions and waits included. */
  stageMs: number;
}

export const RETRY_POLICIES: Readonly<Record<CallStage, RetryPolicy>> = {
  stt: {
    attempts: 2,
    baseMs: 150,
    capMs: 1000,
    backoffBudgetMs: 2000,
    connectMs: 3000,
    headersMs: 6000,
    firstContentMs: 10_000,
    betweenContentsMs: 10_000,
    stageMs: 15_000,
  },
  llm: {
    attempts: 2,
    baseMs: 150,
    capMs: 1000,
    backoffBudgetMs: 2000,
    connectMs: 3000,
    headersMs: 6000,
    firstContentMs: 10_000,
    betweenContentsMs: 5000,
    stageMs: 60_000,
  },
  tts: {
    attempts: 2,
    baseMs: 150,
    capMs: 1000,
    backoffBudgetMs: 2000,
    connectMs: 3000,
    headersMs: 6000,
    firstContentMs: 15_000,
    betweenContentsMs: 5000,
    stageMs: 30_000,
  },
};

/** Time for an aborted attempt to end before the next one begins. */
const LET_GO_MS = 500;

export interface AttemptsOptions {
  stage: CallStage;
  /** Of the call, within its stage. */
  ordinal: number;
  clock: Clock;
  random: Random;
  recorder: Recorder;
  signal: AbortSignal;
  /** The event that released the first attempt. */
  cause: number;
  /** Attempts beyond the policy's, each with another model of `llm.fallback`. */
  alternatives?: number;
}

export interface Attempt {
  number: number;
  /** The event that released this attempt. */
  cause: number;
  watchdog: Watchdog;
  /** Aborts at a deadline, and with the turn. */
  signal: AbortSignal;
  /** False once something was done that must not happen twice, such as a word shown or audio played. */
  mayRepeat: boolean;
  /** The last event of a failed attempt. The backoff follows it. */
  endedBy: number;
}

/** Runs `work` until it succeeds or fails for good: by a final failure, or without attempts, budget or time left. */
export async function withAttempts<T>(options: AttemptsOptions, work: (attempt: Attempt) => Promise<T>): Promise<T> {
  const { stage, clock, recorder } = options;
  const policy = RETRY_POLICIES[stage];
  const late = (): StageError =>
    new StageError(stage, 'timeout', `${stage}: no complete answer within ${policy.stageMs} ms`);
  return withDeadline(clock, policy.stageMs, options.signal, late, async (signal) => {
    let { cause } = options;
    let budgetMs = policy.backoffBudgetMs;
    for (let number = 0; ; number++) {
      const watchdog = createWatchdog(clock, stage, policy, signal);
      const attempt: Attempt = { number, cause, watchdog, signal: watchdog.signal, mayRepeat: true, endedBy: cause };
      try {
        return await untilSettled(clock, LET_GO_MS, watchdog.signal, work(attempt));
      } catch (error) {
        if (signal.aborted || !attempt.mayRepeat || !(error instanceof StageError)) throw error;
        const elsewhere = number < (options.alternatives ?? 0) && ELSEWHERE.has(error.kind);
        const again = error.retryable && number + 1 < policy.attempts;
        if (!again && !elsewhere) throw error;
        const waitMs = elsewhere ? 0 : backoffMs(policy, number, error.retryAfterMs, options.random);
        if (waitMs > budgetMs) throw error;
        budgetMs -= waitMs;
        watchdog.release();
        if (waitMs > 0) await clock.sleep(waitMs, signal);
        const attrs = { attempt: number + 1, reason: error.kind, waitMs: Math.round(waitMs) };
        const exchange = `${stage}.${options.ordinal}`;
        cause = recorder.record({ kind: 'retry.wait', stage, exchange, cause: attempt.endedBy, attrs });
      } finally {
        watchdog.release();
      }
    }
  });
}

/** Failures of one model that another model may not have. */
const ELSEWHERE: ReadonlySet<StageError['kind']> = new Set([
  'rejected',
  'rate-limited',
  'provider',
  'timeout',
  'reset',
  'malformed',
  'empty',
  'oversized',
]);

/** The provider's own wish, else exponential backoff with ±25 % seeded jitter. */
function backoffMs(policy: RetryPolicy, number: number, retryAfterMs: number | undefined, random: Random): number {
  const jitter = 0.75 + random() / 2;
  return retryAfterMs ?? Math.min(policy.capMs, policy.baseMs * 2 ** number) * jitter;
}

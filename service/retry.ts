/** Attempts of one provider call: bounded, on the clock, each visible in the log. The SDKs' own retries are off. */
import { StageError } from './errors.ts';
import type { Clock, Random, Recorder } from './ports.ts';
import { withDeadline } from './streams.ts';

export interface RetryPolicy {
  attempts: number;
  baseMs: number;
  capMs: number;
  /** For one attempt, from its first byte of work to its last. */
  deadlineMs: number;
}

/** One row a stage. */
export const RETRY_POLICIES: Readonly<Record<'stt' | 'llm' | 'tts', RetryPolicy>> = {
  stt: { attempts: 2, baseMs: 150, capMs: 1000, deadlineMs: 15_000 },
  llm: { attempts: 2, baseMs: 150, capMs: 1000, deadlineMs: 60_000 },
  tts: { attempts: 2, baseMs: 150, capMs: 1000, deadlineMs: 30_000 },
};

export interface AttemptsOptions {
  stage: 'stt' | 'llm' | 'tts';
  clock: Clock;
  random: Random;
  recorder: Recorder;
  signal: AbortSignal;
  /** The event that released the first attempt. */
  cause: number;
}

export interface Attempt {
  number: number;
  /** The event that released this attempt. */
  cause: number;
  /** Aborts at the deadline and with the turn. */
  signal: AbortSignal;
  /** Set to false once something was done that must not be done twice: a word shown, audio played. */
  mayRepeat: boolean;
  /** The last event of a failed attempt: what a backoff follows. */
  endedBy: number;
}

/** Runs `work` until it succeeds, its failure is final, or the policy's attempts are used up. */
export async function withAttempts<T>(options: AttemptsOptions, work: (attempt: Attempt) => Promise<T>): Promise<T> {
  const { stage, clock, recorder, signal } = options;
  const policy = RETRY_POLICIES[stage];
  let { cause } = options;
  for (let number = 0; ; number++) {
    const attempt: Attempt = { number, cause, signal, mayRepeat: true, endedBy: cause };
    try {
      return await withDeadline(clock, policy.deadlineMs, signal, late, (child) => {
        attempt.signal = child;
        return work(attempt);
      });
    } catch (error) {
      const repeatable = error instanceof StageError && error.retryable && attempt.mayRepeat;
      if (!repeatable || number + 1 >= policy.attempts || signal.aborted) throw error;
      const jitter = 0.75 + options.random() / 2;
      await clock.sleep(error.retryAfterMs ?? Math.min(policy.capMs, policy.baseMs * 2 ** number) * jitter, signal);
      const attrs = { attempt: number + 1, reason: error.kind };
      cause = recorder.record({ kind: 'retry.wait', stage, cause: attempt.endedBy, attrs });
    }
  }

  function late(): StageError {
    return new StageError(stage, 'timeout', `${stage}: no complete answer within ${policy.deadlineMs} ms`);
  }
}

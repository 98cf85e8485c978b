/** The deadlines of one attempt at a provider call, all on the clock. */
import { StageError } from '../base/errors.ts';
import type { CallStage } from '../base/events.ts';
import type { Clock } from '../base/ports.ts';
import { childSignal, NO_LONGER_NEEDED } from '../base/streams.ts';

/** In ms. Each runs by itself, and aborts the attempt when it passes. */
export interface Deadlines {
  /** From each fetch of the attempt to its connection, set-up included. */
  connectMs: number;
  /** From the first sent byte of each fetch to its response headers. */
  headersMs: number;
  /** From the attempt's start to its first content: text, a delta that is not reasoning, audio. */
  firstContentMs: number;
  /** From one content to the next, or to the end. */
  betweenContentsMs: number;
}

export type Deadline = keyof Deadlines;

export interface Watchdog {
  /** Aborts with its parent, or with a `StageError` of kind `timeout`. */
  signal: AbortSignal;
  /** The deadline runs from now on. */
  start(deadline: Deadline): void;
  /** The deadline was met. */
  stop(deadline: Deadline): void;
  /** Content arrived: the next content is awaited now. */
  content(): void;
  /** Ends all deadlines and their timer. */
  release(): void;
}

const NOUNS: Readonly<Record<Deadline, string>> = {
  connectMs: 'no connection',
  headersMs: 'no response headers',
  firstContentMs: 'no content',
  betweenContentsMs: 'nothing more',
};
/** Repeating may help where no answer had begun. A provider that has begun to work is not asked twice. */
const REPEATABLE: ReadonlySet<Deadline> = new Set(['connectMs', 'headersMs']);

/** One sleeping timer for all deadlines. Armed anew only when a deadline is due earlier than the awaited one. */
export function createWatchdog(clock: Clock, stage: CallStage, deadlines: Deadlines, parent: AbortSignal): Watchdog {
  const child = childSignal(parent);
  const dueUs = new Map<Deadline, number>();
  let sleeping: { untilUs: number; wake: AbortController } | undefined;
  let released = false;

  const fire = (deadline: Deadline): void => {
    const message = `${stage}: ${NOUNS[deadline]} within ${deadlines[deadline]} ms`;
    child.abort(new StageError(stage, 'timeout', message, { retryable: REPEATABLE.has(deadline) }));
    release();
  };
  const check = (): void => {
    sleeping = undefined;
    if (released) return;
    const earliest = [...dueUs].sort((a, b) => a[1] - b[1])[0];
    if (earliest === undefined) return;
    const [deadline, atUs] = earliest;
    const leftUs = atUs - clock.nowUs();
    if (leftUs <= 0) {
      fire(deadline);
      return;
    }
    const wake = new AbortController();
    sleeping = { untilUs: atUs, wake };
    clock.sleep(leftUs / 1000, wake.signal).then(check, () => undefined);
  };
  const start = (deadline: Deadline): void => {
    if (released) return;
    const atUs = clock.nowUs() + deadlines[deadline] * 1000;
    dueUs.set(deadline, atUs);
    if (sleeping !== undefined && sleeping.untilUs <= atUs) return;
    sleeping?.wake.abort(NO_LONGER_NEEDED);
    check();
  };
  const release = (): void => {
    released = true;
    sleeping?.wake.abort(NO_LONGER_NEEDED);
    child.release();
  };
  start('firstContentMs');
  return {
    signal: child.signal,
    start,
    stop: (deadline) => void dueUs.delete(deadline),
    content() {
      dueUs.delete('firstContentMs');
      start('betweenContentsMs');
    },
    release,
  };
}

/** Runs a turn under observation: its log goes to projections, and no failure of theirs reaches the turn. */
import { measureTurn, type MeasuredTurn, type TurnSummary } from '../turn-log/metrics.ts';
import { InputError } from '../base/errors.ts';
import type { EventSink, TurnIdentity, TurnLog } from '../base/events.ts';
import { lacksPrompt } from '../strategy/strategy.ts';
import type { CallOwner, UserAudio } from '../base/ports.ts';
import type { TurnInput, TurnPorts } from '../calls/stage.ts';
import { runTurn } from './turn.ts';

/** Turns a log into something else, such as spans or a capture. It cannot throw into the turn. */
export interface Projection {
  /** Before the turn's first event. */
  opened(identity: TurnIdentity, zero: UserAudio['zero'], anchorUs: number): EventSink | undefined;
  /** After the turn's last event. */
  closed(log: TurnLog, measured: MeasuredTurn): void;
}

export interface FinishedTurn {
  log: TurnLog;
  summary: TurnSummary;
  /** User content. */
  transcript: string;
  replyText: string;
  /** Onset of the user's interruption, on the turn's clock. */
  interruptedUs?: number;
}

/** A turn to run, with its whole identity. */
export interface ObservedTurn extends Omit<TurnInput, 'owner'>, Pick<CallOwner, 'userTurn'> {
  identity: TurnIdentity;
  onSinkError: (error: unknown) => void;
}

/**
 * Runs one turn and hands its log to the projections. Their errors go to `onSinkError` and no further. Throws `InputError` where the
 * strategy's prompt is not here, before anything is sent.
 */
export async function observeTurn(
  ports: TurnPorts,
  { identity, userTurn, ...input }: ObservedTurn,
  projections: readonly Projection[],
): Promise<FinishedTurn> {
  const { audio, strategy, onSinkError } = input;
  const lacking = lacksPrompt(strategy, identity.world);
  if (lacking !== undefined) throw new InputError(lacking);
  const { sessionId, turnIndex, interview, arm, traceId } = identity;
  const owner: CallOwner = { sessionId, turnIndex, userTurn, interview, arm, traceId };
  const guarded = <T>(work: () => T): T | undefined => {
    try {
      return work();
    } catch (error) {
      onSinkError(error);
      return undefined;
    }
  };
  // read once: a second reading would differ by the time between them
  const anchorUs = ports.clock.epochUs() - ports.clock.nowUs();
  const sinks = projections.flatMap((each) => guarded(() => each.opened(identity, audio.zero, anchorUs)) ?? []);
  const observed = { ...input, owner, sinks: [...sinks, ...input.sinks] };
  const { events, transcript, replyText, interruption } = await runTurn(ports, observed);
  const log: TurnLog = { identity, zero: audio.zero, anchorUs, events };
  const measured = measureTurn(log);
  for (const each of projections) guarded(() => each.closed(log, measured));
  return { log, summary: measured.summary, transcript, replyText, interruptedUs: interruption?.onsetUs };
}

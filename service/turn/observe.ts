/** One turn run under observation: its log goes to projections, whose failures never reach the turn. */
import { measureTurn, type MeasuredTurn, type TurnSummary } from '../turn-log/metrics.ts';
import type { EventSink, TurnIdentity, TurnLog } from '../base/events.ts';
import type { UserAudio } from '../base/ports.ts';
import type { TurnInput, TurnPorts } from '../calls/stage.ts';
import { runTurn } from './turn.ts';

/** What a turn's log becomes beside the turn itself: spans, a capture. None of it can throw into the turn. */
export interface Projection {
  /** Before the turn's first event. */
  opened(identity: TurnIdentity, zero: UserAudio['zero'], anchorUs: number): EventSink | undefined;
  /** After its last. */
  closed(log: TurnLog, measured: MeasuredTurn): void;
}

export interface FinishedTurn {
  log: TurnLog;
  summary: TurnSummary;
  /** User content. */
  transcript: string;
  replyText: string;
  /** When the user began to interrupt the reply, on the turn's clock. */
  interruptedUs?: number;
}

/** Runs one turn and hands its log to the projections. What a projection throws goes to `onSinkError` and no further. */
export async function observeTurn(
  ports: TurnPorts,
  input: TurnInput & Required<Pick<TurnInput, 'onSinkError'>>,
  projections: readonly Projection[],
): Promise<FinishedTurn> {
  const { identity, audio, onSinkError } = input;
  const guarded = <T>(work: () => T): T | undefined => {
    try {
      return work();
    } catch (error) {
      onSinkError(error);
      return undefined;
    }
  };
  const anchorUs = ports.clock.epochUs() - ports.clock.nowUs();
  const sinks = projections.flatMap((each) => guarded(() => each.opened(identity, audio.zero, anchorUs)) ?? []);
  const observed = { ...input, sinks: [...sinks, ...input.sinks] };
  const { log, transcript, replyText, interruption } = await runTurn(ports, observed, anchorUs);
  const measured = measureTurn(log);
  for (const each of projections) guarded(() => each.closed(log, measured));
  const interruptedUs = interruption?.onsetUs;
  return {
    log,
    summary: measured.summary,
    transcript,
    replyText,
    ...(interruptedUs === undefined ? {} : { interruptedUs }),
  };
}

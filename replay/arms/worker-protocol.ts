/**
 * The protocol between the scheduler and an arm's worker process: one JSON object a line, over the worker's stdin and stdout. A
 * commit that speaks another version, or none, cannot be an arm (docs/experiment.md#worker-protocol).
 *
 *   worker    {type: hello, protocol}                           on start
 *   scheduler {type: start, world, strategy, defaults}          whom to call; what to warm up under
 *   worker    {type: ready}
 *   scheduler {type: session, session}                          before its first turn; audio as base64
 *   scheduler {type: turn, id, sessionId, task}
 *   worker    {type: done, id, turn} or {type: failed, id, message}
 */
import type { Strategy } from '../../service/strategy/strategy.ts';
import type { Content, TurnEvent, TurnLog, World } from '../../service/base/events.ts';
import type { ArmTurn, ArmWorld, TurnTask } from './arm.ts';
import type { CapturedSession } from '../sessions/captured-session.ts';

export const WORKER_PROTOCOL = 2;
/** Version 1 says the same, but its workers begin every prompt of `wire` and `live` with a key that models read. Stand-ins do not mind. */
const OLDEST_PROTOCOL = 1;

/** Why a worker of this version cannot run against the world; undefined where it can. */
export function protocolComplaint(protocol: number, world: World): string | undefined {
  if (protocol < OLDEST_PROTOCOL || protocol > WORKER_PROTOCOL)
    return `speaks worker protocol ${protocol}, this commit speaks ${WORKER_PROTOCOL}: choose a commit with the same protocol`;
  if (protocol < WORKER_PROTOCOL && world === 'live')
    return `speaks worker protocol ${protocol}, which writes a key into every prompt that models read aloud: choose a later commit, or replay it with --world wire`;
  return undefined;
}

/** In every commit that speaks the protocol. */
export const WORKER_FILE = 'replay/worker.ts';

export type ToWorker =
  | { type: 'start'; world: ArmWorld; strategy: Strategy; defaults: Strategy }
  | { type: 'session'; session: CapturedSession }
  | { type: 'turn'; id: number; sessionId: string; task: TurnTask };

export type FromWorker =
  | { type: 'hello'; protocol: number }
  | { type: 'ready' }
  | { type: 'done'; id: number; turn: ArmTurn }
  | { type: 'failed'; id?: number; message: string; input: boolean };

/** One line, newline included. */
export function encodeMessage(message: ToWorker | FromWorker): string {
  if (message.type !== 'session') return `${JSON.stringify(message)}\n`;
  const { session } = message;
  const turns = session.turns.map((log) => ({ ...log, events: log.events.map(packed) }));
  return `${JSON.stringify({ type: 'session', session: { ...session, turns } })}\n`;
}

/** A line of the scheduler. Undefined for any other line. */
export function decodeToWorker(line: string): ToWorker | undefined {
  const message = objectOf(line);
  if (message === undefined) return undefined;
  if (message.type === 'start' || message.type === 'turn') return message as ToWorker; // written by the scheduler
  if (message.type !== 'session') return undefined;
  const { session } = message as unknown as {
    session: CapturedSession & { turns: (TurnLog & { events: Packed[] })[] };
  };
  return {
    type: 'session',
    session: { ...session, turns: session.turns.map((log) => ({ ...log, events: log.events.map(unpacked) })) },
  };
}

/** A line of a worker. Undefined for anything else that the worker printed. */
export function decodeFromWorker(line: string): FromWorker | undefined {
  const message = objectOf(line);
  const known = ['hello', 'ready', 'done', 'failed'];
  return message !== undefined && known.includes(message.type) ? (message as FromWorker) : undefined;
}

type Packed = Omit<TurnEvent, 'content'> & {
  content?: Omit<Content, 'audio' | 'recorded'> & { audioBase64?: string; recordedBase64?: string };
};

function packed({ content, ...event }: TurnEvent): Packed {
  if (content === undefined) return event;
  const { audio, recorded, ...rest } = content;
  return {
    ...event,
    content: { ...rest, audioBase64: base64Of(audio), recordedBase64: base64Of(recorded) },
  };
}

function unpacked({ content, ...event }: Packed): TurnEvent {
  if (content === undefined) return event;
  const { audioBase64, recordedBase64, ...rest } = content;
  return { ...event, content: { ...rest, audio: bytesOf(audioBase64), recorded: bytesOf(recordedBase64) } };
}

function base64Of(bytes: Uint8Array | undefined): string | undefined {
  return bytes && Buffer.from(bytes).toString('base64');
}

/** A copy: PCM is read as 16-bit samples, which must be aligned. */
function bytesOf(base64: string | undefined): Uint8Array | undefined {
  return base64 === undefined ? undefined : new Uint8Array(Buffer.from(base64, 'base64'));
}

function objectOf(line: string): { type: string } | undefined {
  try {
    const json: unknown = JSON.parse(line);
    return typeof json === 'object' && json !== null && 'type' in json && typeof json.type === 'string'
      ? (json as { type: string })
      : undefined;
  } catch {
    return undefined;
  }
}

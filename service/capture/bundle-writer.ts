/** Writes a session's bundle while its turns run: append-only, off the turn's path. A kill costs the running turn at most. */
import { createHash } from 'node:crypto';
import { setImmediate } from 'node:timers/promises';
import { InvariantError } from '../base/errors.ts';
import { isObject } from '../base/json.ts';
import type { EventSink, TurnEvent, TurnIdentity, TurnLog, ZeroKind } from '../base/events.ts';
import type { BundleLevel, Line, SessionHeader, StoredContent } from './format.ts';
import { redactEvent, redactHeader } from './redact.ts';
import type { CaptureStore, SessionFiles } from './store.ts';

export interface BundleWriter {
  /** Opens a turn; what its sink gets is written while the turn runs. */
  opened(identity: TurnIdentity, zero: ZeroKind, anchorUs: number): EventSink;
  /** Closes a turn: everything of it is on disk, and survives a crash, once `flushed` resolves. */
  closed(log: TurnLog, otlpLine: string): void;
  /** Resolves when all that was handed over has been written; rejects with the first failure since the last call. */
  flushed(): Promise<void>;
}

/** A type with everything in it read-only: events are written as they are, not copied. */
type Frozen<T> = T extends readonly (infer Item)[]
  ? readonly Frozen<Item>[]
  : T extends object
    ? { readonly [Key in keyof T]: Frozen<T[Key]> }
    : T;

/** One write, for one turn. */
interface Write {
  turn: number;
  /** The turn's last one. */
  last?: boolean;
  write: (files: SessionFiles) => Promise<void>;
}

/** Writes that may wait for the disk, at some ten a turn: a disk that is further behind is an error to report. */
const WAITING_LIMIT = 20_000;
/** Lines wait to be written together: this long, for this many characters, or until the turn closes. */
const HOLD_US = 5_000_000;
const HOLD_CHARS = 64 * 1024;

/**
 * Begins a bundle. Nothing is written before the first turn opens, so that an empty session leaves no folder. A write that
 * fails costs the rest of its turn; the next turn tries again, so that a full disk costs only the turns it was full for. A folder that
 * somebody deletes meanwhile is made again: `tell` hears of it, and the turns that it held a part of are lost.
 */
export function createBundleWriter(
  store: CaptureStore,
  header: SessionHeader,
  tell: (what: string) => void = () => undefined,
): BundleWriter {
  const level: BundleLevel = header.level;
  let files: SessionFiles | undefined;
  const waiting: Write[] = [];
  let working: Promise<void> | undefined;
  let failure: { error: unknown } | undefined;
  /** Turns that miss something: the rest of them would be useless. */
  const lost = new Set<number>();
  /** Turns of which something is in the folder, and not all. */
  const begun = new Set<number>();

  const begin = async (): Promise<SessionFiles> => {
    const begun = await store.create(header.sessionId, header.startedEpochUs);
    await begun.writeOnce('session.json', `${JSON.stringify(redactHeader(header), null, 2)}\n`);
    return begun;
  };
  const attempt = async (what: Write, again = false): Promise<void> => {
    const { turn, last, write } = what;
    if (lost.has(turn)) return;
    try {
      files ??= onWholeLines(await begin());
      await write(files);
      if (last === true) begun.delete(turn);
      else begun.add(turn);
    } catch (error) {
      if (files !== undefined && !again && isObject(error) && error['code'] === 'ENOENT') {
        files = undefined;
        for (const each of begun) lost.add(each);
        begun.clear();
        tell(`the capture of session ${header.sessionId} was deleted while the session is open; it begins again`);
        return attempt(what, true);
      }
      failure ??= { error };
      lost.add(turn);
    }
  };
  const work = async (): Promise<void> => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) await attempt(next);
    working = undefined; // in one step with the last look, so that no write is left behind
  };
  const enqueue = (turn: number, write: Write['write'], last?: boolean): void => {
    if (waiting.length >= WAITING_LIMIT)
      throw new InvariantError(`capture: more than ${WAITING_LIMIT} writes wait for the disk`);
    waiting.push({ turn, last, write });
    working ??= work();
  };
  /** By turn: one turn may close while the next one runs. */
  const held = new Map<number, { lines: (string | Promise<string>)[]; chars: number }>();
  const textOf = (value: Frozen<Line>): string => `${JSON.stringify(value)}\n`;
  const hold = (turn: number, text: string | Promise<string>): number => {
    const ofTurn = held.get(turn) ?? { lines: [], chars: 0 };
    held.set(turn, ofTurn);
    ofTurn.lines.push(text);
    return (ofTurn.chars += typeof text === 'string' ? text.length : 0);
  };
  const release = (turn: number, durable?: 'durable'): void => {
    const lines = held.get(turn)?.lines;
    held.delete(turn);
    if (lines === undefined) return;
    enqueue(turn, async (into) => into.append('events.jsonl', (await Promise.all(lines)).join(''), durable));
  };

  return {
    opened(identity, zero, anchorUs) {
      const turn = identity.turnIndex;
      let heldSinceUs: number | undefined;
      hold(turn, textOf({ line: 'turn', turn, identity, zero, anchorUs }));
      return (event) => {
        const kept = redactEvent(event, level);
        const { content, ...rest } = kept;
        const lineOf = (stored: StoredContent | undefined): string =>
          textOf({ line: 'event', turn, event: stored === undefined ? rest : { ...rest, content: stored } });
        const text =
          content?.audio === undefined
            ? lineOf(content && { text: content.text })
            : storeContent(content, (write) => enqueue(turn, write)).then(lineOf);
        const chars = hold(turn, text);
        heldSinceUs ??= event.atUs;
        if (event.atUs - heldSinceUs < HOLD_US && chars < HOLD_CHARS) return;
        heldSinceUs = undefined;
        release(turn);
      };
    },
    closed(log, otlpLine) {
      const turn = log.identity.turnIndex;
      hold(turn, textOf({ line: 'end', turn, events: log.events.length }));
      release(turn, 'durable');
      enqueue(turn, (into) => into.append('trace.otlp.jsonl', otlpLine, 'durable'), true);
    },
    async flushed() {
      while (working !== undefined) await working;
      if (failure === undefined) return;
      const { error } = failure;
      failure = undefined;
      throw error;
    },
  };
}

/** An append that failed may have left half a line: the next one to that file begins on a line of its own. */
function onWholeLines(files: SessionFiles): SessionFiles {
  const torn = new Set<string>();
  return {
    ...files,
    async append(name, text, durable) {
      const isTorn = torn.has(name);
      torn.add(name);
      await files.append(name, isTorn ? `\n${text}` : text, durable);
      torn.delete(name);
    },
  };
}

/** Audio goes to a file named by its hash. The audio is written first, so that no line refers to a missing file. */
async function storeContent(
  { text, audio, sampleRateHz, recorded }: NonNullable<TurnEvent['content']>,
  enqueue: (write: Write['write']) => void,
): Promise<StoredContent> {
  const kept = (bytes: Uint8Array, extension: string): Promise<string> => {
    const sha256 = sha256Of(bytes);
    enqueue(async (into) => into.writeOnce(`audio/${await sha256}.${extension}`, bytes));
    return sha256;
  };
  const hashes = [audio && kept(audio, 'pcm'), recorded && kept(recorded, 'webm')] as const;
  const [audioSha256, recordedSha256] = await Promise.all(hashes);
  return {
    text,
    audioSha256,
    audioBytes: audio?.byteLength,
    sampleRateHz: audio && sampleRateHz,
    recordedSha256,
    recordedBytes: recorded?.byteLength,
  };
}

/** The hash of so much takes some milliseconds. */
const HASHED_AT_ONCE_BYTES = 4_000_000;

async function sha256Of(bytes: Uint8Array): Promise<string> {
  const hash = createHash('sha256');
  for (let from = 0; from < bytes.length; from += HASHED_AT_ONCE_BYTES) {
    if (from > 0) await setImmediate();
    hash.update(bytes.subarray(from, from + HASHED_AT_ONCE_BYTES));
  }
  return hash.digest('hex');
}

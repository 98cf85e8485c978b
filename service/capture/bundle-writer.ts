/** Writes a session's bundle while its turns run: append-only, off the turn's path, safe against a kill at any instant. */
import { createHash } from 'node:crypto';
import { InvariantError } from '../errors.ts';
import type { EventSink, TurnEvent, TurnIdentity, TurnLog, ZeroKind } from '../ports.ts';
import type { CaptureLevel, Line, SessionHeader, StoredContent } from './format.ts';
import { redactEvent } from './redact.ts';
import type { CaptureStore, SessionFiles } from './store.ts';

export interface BundleWriter {
  /** Opens a turn; what its sink gets is written while the turn runs. */
  opened(identity: TurnIdentity, zero: ZeroKind, anchorUs: number): EventSink;
  /** Closes a turn: everything of it is on disk, and survives a crash, once `flushed` resolves. */
  closed(log: TurnLog, otlpLine: string): void;
  /** Resolves when all that was handed over has been written; rejects with the first failure since the last call. */
  flushed(): Promise<void>;
}

/** Writes that may wait for the disk. A turn has some ten; a disk that is this far behind is a fault to report. */
const WAITING_LIMIT = 20_000;
/** Lines are written together: until a turn closes they wait this long, or until there are this many characters. */
const HOLD_US = 100_000;
const HOLD_CHARS = 64 * 1024;

/** Begins a bundle. Nothing is written before the first turn opens, so that an empty session leaves no folder. */
export function createBundleWriter(store: CaptureStore, header: SessionHeader): BundleWriter {
  const level: Exclude<CaptureLevel, 'off'> = header.level;
  let files: Promise<SessionFiles> | undefined;
  let waiting: ((files: SessionFiles) => Promise<void>)[] = [];
  let working: Promise<void> | undefined;
  let failure: { error: unknown } | undefined;

  const begin = async (): Promise<SessionFiles> => {
    const begun = await store.create(header.sessionId, header.startedEpochUs);
    await begun.writeOnce('session.json', `${JSON.stringify(header, null, 2)}\n`);
    return begun;
  };
  const work = async (): Promise<void> => {
    try {
      files ??= begin();
      const into = await files;
      while (waiting.length > 0) {
        const batch = waiting;
        waiting = [];
        for (const task of batch) await task(into);
      }
    } catch (error) {
      failure ??= { error };
    } finally {
      working = undefined; // in the same step as the last look: what is handed over later starts anew
    }
  };
  const enqueue = (task: (files: SessionFiles) => Promise<void>): void => {
    if (waiting.length >= WAITING_LIMIT)
      throw new InvariantError(`capture: more than ${WAITING_LIMIT} writes wait for the disk`);
    waiting.push(task);
    working ??= work();
  };
  let held = '';
  const hold = (value: Line): void => {
    held += `${JSON.stringify(value)}\n`;
  };
  const release = (durable?: 'durable'): void => {
    const text = held;
    held = '';
    if (text !== '') enqueue((into) => into.append('events.jsonl', text, durable));
  };

  return {
    opened(identity, zero, anchorUs) {
      let heldSinceUs: number | undefined;
      hold({ line: 'turn', turn: identity.turnIndex, identity, zero, anchorUs });
      return (event) => {
        const kept = redactEvent(event, level);
        const { content, attrs, ...rest } = kept;
        const stored = content === undefined ? undefined : storeContent(content, enqueue);
        hold({
          line: 'event',
          turn: identity.turnIndex,
          event: { ...rest, ...copied(attrs), ...(stored === undefined ? {} : { content: stored }) },
        });
        heldSinceUs ??= event.atUs;
        if (event.atUs - heldSinceUs < HOLD_US && held.length < HOLD_CHARS) return;
        heldSinceUs = undefined;
        release();
      };
    },
    closed(log, otlpLine) {
      hold({ line: 'end', turn: log.identity.turnIndex, events: log.events.length });
      release('durable');
      enqueue((into) => into.append('trace.otlp.jsonl', otlpLine, 'durable'));
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

/** Audio goes to a file named by its hash, written before the line that refers to it. */
function storeContent(
  { text, audio, sampleRateHz }: NonNullable<TurnEvent['content']>,
  enqueue: (task: (files: SessionFiles) => Promise<void>) => void,
): StoredContent {
  const stored: StoredContent = text === undefined ? {} : { text };
  if (audio === undefined) return stored;
  const audioSha256 = createHash('sha256').update(audio).digest('hex');
  enqueue((into) => into.writeOnce(`audio/${audioSha256}.pcm`, audio));
  return {
    ...stored,
    audioSha256,
    audioBytes: audio.byteLength,
    ...(sampleRateHz === undefined ? {} : { sampleRateHz }),
  };
}

/** Attributes with arrays that the line's schema may own. */
function copied(attrs: TurnEvent['attrs']): {
  attrs?: Record<string, string | number | boolean | number[] | string[]>;
} {
  if (attrs === undefined) return {};
  const copy: Record<string, string | number | boolean | number[] | string[]> = {};
  for (const [key, value] of Object.entries(attrs)) {
    if (typeof value !== 'object') copy[key] = value;
    else if (value.every((each) => typeof each === 'number')) copy[key] = value.map(Number);
    else copy[key] = value.map(String);
  }
  return { attrs: copy };
}

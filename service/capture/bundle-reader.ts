/** Reads bundles back. What a crash left torn is reported and skipped; the rest is returned. */
import { InputError } from '../base/errors.ts';
import { definedOnly, parsedJson } from '../base/json.ts';
import { EVENT_KINDS, type Content, type EventKind, type TurnEvent, type TurnLog } from '../base/events.ts';
import {
  parseHeader,
  parseLine,
  type Line,
  type SessionHeader,
  type StoredContent,
  type StoredEvent,
} from './format.ts';
import type { SessionFiles } from './store.ts';

export interface Bundle {
  session: SessionHeader;
  /** Finished turns, by index. */
  turns: readonly TurnLog[];
  /** What was skipped and why, one line each. */
  problems: readonly string[];
}

/** Only `session.json`: what listing needs. Throws `InputError` naming file and field. */
export async function readSessionHeader(files: SessionFiles): Promise<SessionHeader> {
  const where = `${files.where}/session.json`;
  const bytes = await files.read('session.json');
  if (bytes === undefined) throw new InputError(`${where} is missing; name a folder that holds a capture bundle`);
  const json = parsedJson(Buffer.from(bytes).toString('utf8'));
  if (json === undefined) throw new InputError(`${where}: not JSON; it is torn or was edited`);
  return parseHeader(json, where);
}

/**
 * The whole bundle. A line that the format does not know is a problem. A turn that lacks a line is skipped and reported; the
 * other turns are returned. Throws `InputError` for the header, and for a file that is not read (`FILE_LIMITS`).
 */
export async function readBundle(files: SessionFiles): Promise<Bundle> {
  const session = await readSessionHeader(files);
  const problems: string[] = [];
  const where = `${files.where}/events.jsonl`;
  const bytes = await files.read('events.jsonl');
  if (bytes === undefined) return { session, turns: [], problems: [`${where} is missing: no turn was captured`] };
  const open = new Map<number, { opening: Line & { line: 'turn' }; events: TurnEvent[] }>();
  const closed = new Set<number>();
  const turns: TurnLog[] = [];
  for (const { line, number } of parsedLines(Buffer.from(bytes).toString('utf8'), where, problems)) {
    if (line.line === 'turn') {
      open.set(line.turn, { opening: line, events: [] });
      continue;
    }
    const turn = open.get(line.turn);
    if (turn === undefined) {
      if (!closed.has(line.turn)) problems.push(`${where}:${number}: turn ${line.turn} was never opened: skipped`);
      closed.add(line.turn);
      continue;
    }
    if (line.line === 'event') {
      const event = await eventOf(line.event, files, `${where}:${number}`, problems);
      if (event !== undefined) turn.events.push(event);
      continue;
    }
    const { identity, zero, anchorUs } = turn.opening;
    open.delete(line.turn);
    closed.add(line.turn);
    if (turn.events.length === line.events) turns.push({ identity, zero, anchorUs, events: turn.events });
    else
      problems.push(
        `${where}:${number}: turn ${line.turn} has ${turn.events.length} of ${line.events} events: skipped`,
      );
  }
  for (const turnIndex of open.keys()) problems.push(`${where}: turn ${turnIndex} was not finished: skipped`);
  turns.sort((a, b) => a.identity.turnIndex - b.identity.turnIndex);
  return { session, turns, problems };
}

function* parsedLines(text: string, where: string, problems: string[]): Generator<{ line: Line; number: number }> {
  const lines = text.split('\n');
  for (const [index, raw] of lines.entries()) {
    if (raw === '') continue;
    const number = index + 1;
    const isLast = index === lines.length - 1; // a whole last line ends with a newline
    const json = parsedJson(raw);
    if (json === undefined) {
      problems.push(`${where}:${number}: ${isLast ? 'the last line is torn' : 'not JSON; torn or edited'}: skipped`);
      continue;
    }
    const line = parseLine(json);
    if (typeof line === 'string') problems.push(`${where}:${number}: ${line}: skipped`);
    else yield { line, number };
  }
}

async function eventOf(
  stored: StoredEvent,
  files: SessionFiles,
  where: string,
  problems: string[],
): Promise<TurnEvent | undefined> {
  const { content, kind, ...rest } = stored;
  if (!isKind(kind)) {
    problems.push(`${where}: there is no event kind ${JSON.stringify(kind.slice(0, 40))}: skipped`);
    return undefined;
  }
  const read = content === undefined ? undefined : await contentOf(content, files, where, problems);
  return read === undefined ? { ...rest, kind } : { ...rest, kind, content: read };
}

async function contentOf(
  stored: StoredContent,
  files: SessionFiles,
  where: string,
  problems: string[],
): Promise<Content> {
  const { text, sampleRateHz } = stored;
  const read = async (sha256: string | undefined, extension: string, bytes = 0): Promise<Uint8Array | undefined> => {
    if (sha256 === undefined) return undefined;
    const name = `audio/${sha256}.${extension}`;
    let found: Uint8Array | undefined;
    try {
      found = await files.read(name);
    } catch (error) {
      if (!(error instanceof InputError)) throw error;
      problems.push(`${where}: ${error.message}: the audio is left out`);
      return undefined;
    }
    if (found?.byteLength === bytes) return found;
    problems.push(`${where}: ${name} has ${found?.byteLength ?? 0} of ${bytes} bytes: the audio is left out`);
    return undefined;
  };
  const audio = await read(stored.audioSha256, 'pcm', stored.audioBytes);
  const recorded = await read(stored.recordedSha256, 'webm', stored.recordedBytes);
  return definedOnly({ text, audio, sampleRateHz: audio === undefined ? undefined : sampleRateHz, recorded });
}

const KINDS: ReadonlySet<string> = new Set(EVENT_KINDS);

function isKind(kind: string): kind is EventKind {
  return KINDS.has(kind);
}

/** Reads bundles back. Torn lines of a crash are reported and skipped; the rest is returned. */
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
import type { FileLine } from '../base/file-lines.ts';
import type { SessionFiles } from './store.ts';

export interface Bundle {
  session: SessionHeader;
  /** Finished turns, by index. */
  turns: readonly TurnLog[];
  /** Skipped lines and turns with the reason, one line each. */
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
  const seen = new Set<number>();
  const turns: TurnLog[] = [];
  for await (const log of finishedTurns(files, { audio: true, tell: (problem) => void problems.push(problem), seen }))
    turns.push(log);
  problems.push(...gaps(seen, `${files.where}/events.jsonl`));
  turns.sort((a, b) => a.identity.turnIndex - b.identity.turnIndex);
  return { session, turns, problems };
}

/** Turns by index: `from` is the first, `to` is beyond the last. */
export interface TurnWindow {
  from: number;
  to: number;
}

/**
 * The finished turns of the window without their audio, in order of their ends: held one at a time. Problems are not told. `seen`
 * gets the indexes of all turns of which there is a line, those outside the window too.
 */
export function bareTurns(
  files: SessionFiles,
  window: TurnWindow,
  seen = new Set<number>(),
): AsyncGenerator<TurnLog, undefined> {
  return finishedTurns(files, { audio: false, window, tell: () => undefined, seen });
}

interface Reading {
  audio: boolean;
  /** The turns that are wanted; all of them where it is absent. */
  window?: TurnWindow;
  tell: (problem: string) => void;
  /** Gets the indexes of all turns of which there is a line. */
  seen: Set<number>;
}

/** How lines that Retake writes begin: so those of other turns need not be parsed. */
const LINE_OF_TURN = /^\{"line":"(?:turn|event|end)","turn":(\d{1,9}),/;

async function* finishedTurns(files: SessionFiles, reading: Reading): AsyncGenerator<TurnLog, undefined> {
  const { window, tell, seen } = reading;
  const isWanted = (turn: number): boolean => window === undefined || (turn >= window.from && turn < window.to);
  const where = `${files.where}/events.jsonl`;
  const open = new Map<number, { opening: Line & { line: 'turn' }; events: TurnEvent[] }>();
  const closed = new Set<number>();
  let number = 0;
  for await (const raw of files.lines('events.jsonl')) {
    number++;
    if (raw.bytes.length === 0) continue;
    const turnOfLine = window === undefined ? undefined : LINE_OF_TURN.exec(raw.bytes.toString('latin1', 0, 60))?.[1];
    if (turnOfLine !== undefined && !isWanted(Number(turnOfLine))) {
      seen.add(Number(turnOfLine));
      continue;
    }
    const line = parsedLine(raw, `${where}:${number}`, tell);
    if (line === undefined) continue;
    seen.add(line.turn);
    if (!isWanted(line.turn)) continue;
    if (line.line === 'turn') {
      open.set(line.turn, { opening: line, events: [] });
      continue;
    }
    const turn = open.get(line.turn);
    if (turn === undefined) {
      if (!closed.has(line.turn)) tell(`${where}:${number}: turn ${line.turn} was never opened: skipped`);
      closed.add(line.turn);
      continue;
    }
    if (line.line === 'event') {
      const event = await eventOf(line.event, { files, where: `${where}:${number}`, ...reading });
      if (event !== undefined) turn.events.push(event);
      continue;
    }
    const { identity, zero, anchorUs } = turn.opening;
    open.delete(line.turn);
    closed.add(line.turn);
    if (turn.events.length === line.events) yield { identity, zero, anchorUs, events: turn.events };
    else tell(`${where}:${number}: turn ${line.turn} has ${turn.events.length} of ${line.events} events: skipped`);
  }
  if (number === 0) tell(`${where} is missing or empty: no turn was captured`);
  for (const turnIndex of open.keys()) tell(`${where}: turn ${turnIndex} was not finished: skipped`);
}

function parsedLine({ bytes, torn }: FileLine, where: string, tell: (problem: string) => void): Line | undefined {
  const json = parsedJson(bytes.toString('utf8'));
  if (json === undefined) {
    tell(`${where}: ${torn ? 'the last line is torn' : 'not JSON; torn or edited'}: skipped`);
    return undefined;
  }
  const line = parseLine(json);
  if (typeof line !== 'string') return line;
  tell(`${where}: ${line}: skipped`);
  return undefined;
}

/** Turns of which there is no line, before or between others: lost to a full disk, or deleted while the session ran. */
function gaps(seen: ReadonlySet<number>, where: string): string[] {
  let next = 0;
  return [...seen]
    .sort((a, b) => a - b)
    .flatMap((turn) => {
      const [first, last] = [next, turn - 1];
      next = turn + 1;
      if (first > last) return [];
      return `${where}: ${first === last ? `turn ${first} is` : `turns ${first} to ${last} are`} missing: never captured, or deleted`;
    });
}

interface ContentSource {
  files: SessionFiles;
  where: string;
  audio: boolean;
  tell: (problem: string) => void;
}

async function eventOf(stored: StoredEvent, source: ContentSource): Promise<TurnEvent | undefined> {
  const { content, kind, ...rest } = stored;
  if (!isKind(kind)) {
    source.tell(`${source.where}: there is no event kind ${JSON.stringify(kind.slice(0, 40))}: skipped`);
    return undefined;
  }
  const read = content === undefined ? undefined : await contentOf(content, source);
  return read === undefined ? { ...rest, kind } : { ...rest, kind, content: read };
}

async function contentOf(
  stored: StoredContent,
  { files, where, audio: wanted, tell }: ContentSource,
): Promise<Content> {
  const { text, sampleRateHz } = stored;
  if (!wanted) return definedOnly({ text });
  const read = async (sha256: string | undefined, extension: string, bytes = 0): Promise<Uint8Array | undefined> => {
    if (sha256 === undefined) return undefined;
    const name = `audio/${sha256}.${extension}`;
    let found: Uint8Array | undefined;
    try {
      found = await files.read(name);
    } catch (error) {
      if (!(error instanceof InputError)) throw error;
      tell(`${where}: ${error.message}: the audio is left out`);
      return undefined;
    }
    if (found?.byteLength === bytes) return found;
    tell(`${where}: ${name} has ${found?.byteLength ?? 0} of ${bytes} bytes: the audio is left out`);
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

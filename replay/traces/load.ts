/** Turns to compare: from memory, a run folder, a bundle or OTLP JSON lines; of Retake or of another pipeline. */
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { readBundle, type Bundle } from '../../service/capture/bundle-reader.ts';
import { filesIn } from '../../service/capture/store.ts';
import { createRealClock } from '../../service/base/clock.ts';
import { InputError, InvariantError } from '../../service/base/errors.ts';
import { whenUnreadable } from '../../service/base/input-file.ts';
import { measureTurn, type MeasuredTurn, type TurnSummary } from '../../service/turn-log/metrics.ts';
import type { EventKind, TurnLog } from '../../service/base/events.ts';
import { ATTRIBUTES } from '../../service/telemetry/names.ts';
import { spansOf } from '../../service/telemetry/spans.ts';
import { summaryOf } from '../../service/telemetry/turn-attributes.ts';
import { presentPath } from './renamed-spans.ts';
import { LEVELS_LIMIT, tracedTurnKey, spansOfRecords, treesOf, turnSpansOf, type TurnSpans } from './trace-tree.ts';
import { foreignTurns, numberTurns, TRACE_TURNS, type ForeignTurn } from './foreign.ts';
import type { Node } from './foreign-shapes.ts';
import { gatherTraces, NO_PROBLEMS, problemLines } from './gather.ts';
import { isJaegerSource, jaegerSourceOf, jaegerTraces, withoutPassword } from './jaeger.ts';
import { jsonLines, type Located } from './otlp.ts';

export interface TurnTrace {
  summary: TurnSummary;
  spans: TurnSpans;
  /** Start of the turn's span, in µs since 1970. */
  startUs: number;
  /** Of the attribute that the reader asked for, where the turn's span has it. */
  attribute?: string;
}

/** What was said in a turn, where the capture holds it. Untrusted. */
export interface TurnText {
  transcript?: string;
  reply?: string;
}

export interface LoadedTurns {
  turns: readonly TurnTrace[];
  /** One line for each thing that was left out, with the reason. */
  problems: readonly string[];
  /** By `tracedTurnKey`. Only bundles hold texts. */
  texts: ReadonlyMap<string, TurnText>;
  /** Of the service that captured the turns. Only bundles tell, and not all. Untrusted. */
  commit?: string;
}

const NEXT = 'name a run folder, a capture, an OTLP file or jaeger:URL?service=…&from=…';

/**
 * Reads turns from a path or from `jaeger:URL?…`. `attribute` of each turn's span is kept. Throws `InputError` where the input holds no turn
 * or cannot be read.
 */
export async function loadTurns(
  path: string,
  signal = new AbortController().signal,
  attribute?: string,
): Promise<LoadedTurns> {
  if (isJaegerSource(path))
    return readTurns(jaegerTraces(jaegerSourceOf(path, createRealClock().epochUs()), signal), withoutPassword(path), {
      attribute,
    });
  const isFolder = (await stat(path).catch(whenUnreadable(path, NEXT))).isDirectory();
  if (!isFolder) return readTurns(jsonLines(path), path, { attribute });
  const names = await readdir(path).catch(whenUnreadable(path));
  if (names.includes('session.json')) {
    return bundleTurns(await readBundle(filesIn(path)).catch(whenUnreadable(path)), attribute);
  }
  const file = join(path, 'trace.otlp.jsonl');
  if (names.includes('trace.otlp.jsonl')) return readTurns(jsonLines(file), file, { attribute });
  throw new InputError(`${path}: neither a run folder (trace.otlp.jsonl) nor a capture bundle (session.json); ${NEXT}`);
}

/** A bundle may come from anywhere: a turn whose events make no sense is left out and told. */
export function bundleTurns({ session, turns: logs, problems: before }: Bundle, attribute?: string): LoadedTurns {
  const turns: TurnTrace[] = [];
  const problems = [...before];
  for (const log of logs) {
    try {
      const trace = traceOfTurn(log, measureTurn(log), attribute);
      checkIndex(trace.summary);
      turns.push(trace);
    } catch (error) {
      if (!(error instanceof InputError || error instanceof InvariantError)) throw error;
      problems.push(`turn ${log.identity.turnIndex} cannot be measured: left out (${error.message})`);
    }
  }
  const texts = new Map(logs.map((log) => [tracedTurnKey(log.identity), turnText(log)]));
  const commit = ['', 'unknown'].includes(session.commit) ? undefined : session.commit;
  return { turns, problems, texts, commit };
}

/** A finished turn that no file holds yet. */
export function traceOfTurn(log: TurnLog, measured: MeasuredTurn = measureTurn(log), attribute?: string): TurnTrace {
  const records = spansOf(log, measured);
  const [turn] = records;
  return {
    summary: measured.summary,
    spans: spansOfRecords(records),
    startUs: turn?.startUs ?? log.anchorUs,
    attribute: attributeText({ ...turn?.identity, ...turn?.attributes }, attribute),
  };
}

function attributeText(attributes: Readonly<Record<string, unknown>>, name: string | undefined): string | undefined {
  const value = name !== undefined && Object.hasOwn(attributes, name) ? attributes[name] : undefined;
  return value === undefined || value === '' ? undefined : String(value);
}

export function turnText({ events }: Pick<TurnLog, 'events'>): TurnText {
  const said = (kind: EventKind): string | undefined => events.find((event) => event.kind === kind)?.content?.text;
  return { transcript: said('stt.done'), reply: said('llm.done') };
}

/** Of one side. More do not fit beside each other into memory. */
const SIDE_TURNS = 250_000;
const SIDE_SPANS = 10_000_000;
/** Different paths of one side: beyond these, spans are left out of the comparison of spans. */
const SIDE_PATHS = 200_000;

/** Turns from a stream of OTLP JSON documents. `where` names the stream in messages. */
export async function readTurns(
  source: AsyncIterable<Located>,
  where: string,
  {
    turns: turnsLimit = SIDE_TURNS,
    spans: spansLimit = SIDE_SPANS,
    paths = SIDE_PATHS,
    attribute,
  }: { turns?: number; spans?: number; paths?: number; attribute?: string } = {},
): Promise<LoadedTurns> {
  const own: TurnTrace[] = [];
  const foreign: ForeignTurn[] = [];
  const gathered = { ...NO_PROBLEMS };
  const interned = interner(paths);
  const damaged: string[] = [];
  let [traces, spans, circular, deep, longTraces] = [0, 0, 0, 0, 0];
  for await (const trace of gatherTraces(source, gathered, { attribute })) {
    const tree = treesOf(trace.spans);
    circular += tree.circular;
    deep += tree.deep;
    traces++;
    spans += trace.spans.length;
    const turn = tree.roots.find(isOwnTurn);
    if (turn !== undefined) {
      try {
        const summary = summaryOf({ traceId: turn.span.traceId, attributes: turn.span.attributes });
        checkIndex(summary);
        const { startUs, attributes } = turn.span;
        const spansOfTurn = turnSpansOf(turn, (path) => interned.path(presentPath(path)));
        own.push({ summary, spans: spansOfTurn, startUs, attribute: attributeText(attributes, attribute) });
        spans += summary.ledger.length;
      } catch (error) {
        if (!(error instanceof InputError)) throw error;
        damaged.push(`${trace.where}: ${error.message}`);
      }
    } else
      for (const root of tree.roots) {
        const turns = foreignTurns(root, interned.path, attribute);
        if (turns === undefined) longTraces++;
        else foreign.push(...turns);
      }
    if (Math.max(traces, own.length + foreign.length) > turnsLimit || spans > spansLimit)
      throw new InputError(
        `${where}: more than ${turnsLimit.toLocaleString('en')} turns or ${spansLimit.toLocaleString('en')} spans; compare a shorter time, or a part of the sessions`,
      );
  }
  const turns = [...own, ...numberTurns(foreign)];
  const problems = [
    ...problemLines(gathered),
    damaged.length === 0
      ? undefined
      : `${damaged.length} turn spans are damaged: left out; the first: ${damaged[0] ?? ''}`,
    circular === 0 ? undefined : `${circular} spans are their own ancestors: left out`,
    deep === 0 ? undefined : `${deep} spans lie more than ${LEVELS_LIMIT} levels deep: left out`,
    longTraces === 0
      ? undefined
      : `${longTraces} traces hold more than ${TRACE_TURNS.toLocaleString('en')} turns: left out; export a trace for each conversation`,
    interned.leftOut() === 0
      ? undefined
      : `${interned.leftOut()} spans are not compared: there are more than ${paths.toLocaleString('en')} different paths; keep ids out of the names of spans`,
  ].filter((each) => each !== undefined);
  if (turns.length === 0)
    throw new InputError(
      `${where}: ${['there is no span of a turn', ...problems, 'docs/foreign-traces.md says which are read'].join('; ')}`,
    );
  return { turns, problems: problems.map((each) => `${where}: ${each}`), texts: new Map() };
}

function isOwnTurn({ span }: Node): boolean {
  return span.name === 'turn' && ATTRIBUTES.zero.key in span.attributes;
}

/** A file may say anything. */
function checkIndex({ turnIndex }: TurnSummary): void {
  if (!Number.isSafeInteger(turnIndex) || turnIndex < 0)
    throw new InputError(`${ATTRIBUTES.turnIndex.key} is ${turnIndex}, not a whole number from 0`);
}

/** Keeps one string for equal strings: thousands of turns have the same paths. A new one beyond `limit` is counted and not kept. */
function interner(limit: number): { path(text: string): string | undefined; leftOut(): number } {
  const known = new Map<string, string>();
  let leftOut = 0;
  return {
    leftOut: () => leftOut,
    path(text) {
      const first = known.get(text);
      if (first !== undefined) return first;
      if (known.size >= limit) {
        leftOut++;
        return undefined;
      }
      known.set(text, text);
      return text;
    },
  };
}

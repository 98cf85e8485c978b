/** Turns to compare: from memory, a run folder, a bundle or OTLP JSON lines; of Retake or of another pipeline. */
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { readBundle } from '../../service/capture/bundle-reader.ts';
import { filesIn } from '../../service/capture/store.ts';
import { createRealClock } from '../../service/base/clock.ts';
import { InputError } from '../../service/base/errors.ts';
import { whenUnreadable } from '../../service/base/input-file.ts';
import { measureTurn, type MeasuredTurn, type TurnSummary } from '../../service/turn-log/metrics.ts';
import type { EventKind, TurnLog } from '../../service/base/events.ts';
import { ATTRIBUTES } from '../../service/telemetry/names.ts';
import { spansOf } from '../../service/telemetry/spans.ts';
import { summaryOf } from '../../service/telemetry/turn-attributes.ts';
import { tracedTurnKey, spansOfRecords, treesOf, turnSpansOf, type TurnSpans } from './trace-tree.ts';
import { foreignTurns, numberTurns, type ForeignTurn } from './foreign.ts';
import type { Node } from './foreign-shapes.ts';
import { gatherTraces } from './gather.ts';
import { isJaegerSource, jaegerSourceOf, jaegerTraces, withoutPassword } from './jaeger.ts';
import { jsonLines, type Located } from './otlp.ts';

export interface TurnTrace {
  summary: TurnSummary;
  spans: TurnSpans;
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
}

/** Reads turns from a path or from `jaeger:URL?…`. Throws `InputError` where the input holds no turn or cannot be read. */
export async function loadTurns(path: string, signal = new AbortController().signal): Promise<LoadedTurns> {
  if (isJaegerSource(path))
    return readTurns(jaegerTraces(jaegerSourceOf(path, createRealClock().epochUs()), signal), withoutPassword(path));
  const isFolder = (await stat(path).catch(whenUnreadable(path))).isDirectory();
  if (!isFolder) return readTurns(jsonLines(path), path);
  const names = await readdir(path).catch(whenUnreadable(path));
  if (names.includes('session.json')) {
    const { turns, problems } = await readBundle(filesIn(path)).catch(whenUnreadable(path));
    const texts = new Map(turns.map((log) => [tracedTurnKey(log.identity), turnText(log)]));
    return { turns: turns.map((log) => traceOfTurn(log)), problems, texts };
  }
  const file = join(path, 'trace.otlp.jsonl');
  if (names.includes('trace.otlp.jsonl')) return readTurns(jsonLines(file), file);
  throw new InputError(`${path}: neither a run folder (trace.otlp.jsonl) nor a capture bundle (session.json)`);
}

/** A finished turn that no file holds yet. */
export function traceOfTurn(log: TurnLog, measured: MeasuredTurn = measureTurn(log)): TurnTrace {
  return { summary: measured.summary, spans: spansOfRecords(spansOf(log, measured)) };
}

export function turnText({ events }: Pick<TurnLog, 'events'>): TurnText {
  const said = (kind: EventKind): string | undefined => events.find((event) => event.kind === kind)?.content?.text;
  return { transcript: said('stt.done'), reply: said('llm.done') };
}

/** Turns from a stream of OTLP JSON documents. `where` names the stream in messages. */
export async function readTurns(source: AsyncIterable<Located>, where: string): Promise<LoadedTurns> {
  const own: TurnTrace[] = [];
  const foreign: ForeignTurn[] = [];
  const late = { lateSpans: 0 };
  const intern = interner();
  let circularSpans = 0;
  for await (const trace of gatherTraces(source, late)) {
    const { roots, circular } = treesOf(trace.spans);
    circularSpans += circular.length;
    const turn = roots.find(isOwnTurn);
    if (turn !== undefined) own.push({ summary: summaryAt(turn, trace.where), spans: turnSpansOf(turn, intern) });
    else for (const root of roots) foreign.push(...foreignTurns(root, intern));
  }
  const turns = [...own, ...numberTurns(foreign)];
  if (turns.length === 0) throw new InputError(`${where}: there is no span of a turn`);
  const problems = [
    ...(late.lateSpans === 0
      ? []
      : [`${where}: ${late.lateSpans} spans came long after the rest of their trace: left out`]),
    ...(circularSpans === 0 ? [] : [`${where}: ${circularSpans} spans are their own ancestors: left out`]),
  ];
  return { turns, problems, texts: new Map() };
}

function isOwnTurn({ span }: Node): boolean {
  return span.name === 'turn' && ATTRIBUTES.zero.key in span.attributes();
}

function summaryAt({ span }: Node, where: string): TurnSummary {
  try {
    return summaryOf({ traceId: span.traceId, attributes: span.attributes() });
  } catch (error) {
    throw error instanceof InputError ? new InputError(`${where}: ${error.message}`) : error;
  }
}

/** Keeps one string for equal strings: thousands of turns have the same paths. */
function interner(): (text: string) => string {
  const known = new Map<string, string>();
  return (text) => {
    const first = known.get(text);
    if (first === undefined) known.set(text, text);
    return first ?? text;
  };
}

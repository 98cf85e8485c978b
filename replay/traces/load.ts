/** Turns to compare, from wherever they are: memory, a run folder, a bundle, OTLP JSON lines; ours or another pipeline's. */
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
import { isJaegerSource, jaegerSourceOf, jaegerTraces } from './jaeger.ts';
import { jsonLines, type Located } from './otlp.ts';

/** One turn as a diff takes it. */
export interface TurnTrace {
  summary: TurnSummary;
  spans: TurnSpans;
}

/** What was said in a turn, where the capture kept it. Untrusted. */
export interface TurnText {
  transcript?: string;
  reply?: string;
}

export interface LoadedTurns {
  turns: readonly TurnTrace[];
  /** What was left out and why, one line each. */
  problems: readonly string[];
  /** By `tracedTurnKey`; bundles alone hold texts. */
  texts: ReadonlyMap<string, TurnText>;
}

/** Reads turns from a path or from `jaeger:URL?…`; throws `InputError` that says what the input is not. */
export async function loadTurns(path: string, signal = new AbortController().signal): Promise<LoadedTurns> {
  if (isJaegerSource(path))
    return turnsOf(jaegerTraces(jaegerSourceOf(path, createRealClock().epochUs()), signal), path);
  const isFile = (await stat(path).catch(whenUnreadable(path))).isFile();
  if (isFile) return turnsOf(jsonLines(path), path);
  const names = await readdir(path).catch(whenUnreadable(path));
  if (names.includes('session.json')) {
    const { turns, problems } = await readBundle(filesIn(path)).catch(whenUnreadable(path));
    const texts = new Map(turns.map((log) => [tracedTurnKey(log.identity), textOf(log)]));
    return { turns: turns.map((log) => traceOfTurn(log)), problems, texts };
  }
  const file = join(path, 'trace.otlp.jsonl');
  if (names.includes('trace.otlp.jsonl')) return turnsOf(jsonLines(file), file);
  throw new InputError(`${path}: neither a run folder (trace.otlp.jsonl) nor a capture bundle (session.json)`);
}

/** A finished turn from memory. */
export function traceOfTurn(log: TurnLog, measured: MeasuredTurn = measureTurn(log)): TurnTrace {
  return { summary: measured.summary, spans: spansOfRecords(spansOf(log, measured)) };
}

/** What was said in a finished turn, from memory. */
export function textOf({ events }: Pick<TurnLog, 'events'>): TurnText {
  const said = (kind: EventKind): string | undefined => events.find((event) => event.kind === kind)?.content?.text;
  const [transcript, reply] = [said('stt.done'), said('llm.done')];
  return { ...(transcript === undefined ? {} : { transcript }), ...(reply === undefined ? {} : { reply }) };
}

/** Turns of a stream of OTLP JSON documents; `where` names the stream. */
export async function turnsOf(source: AsyncIterable<Located>, where: string): Promise<LoadedTurns> {
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
  if (turns.length === 0) throw new InputError(`${where}: holds no span of a turn`);
  const problems = [
    ...(late.lateSpans === 0 ? [] : [`${where}: ${late.lateSpans} spans came long after their trace: left out`]),
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

/** Equal texts of many turns as one text. */
function interner(): (text: string) => string {
  const known = new Map<string, string>();
  return (text) => {
    const first = known.get(text);
    if (first === undefined) known.set(text, text);
    return first ?? text;
  };
}

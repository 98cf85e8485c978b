/**
 * Traces of other pipelines as turns. Such a trace holds no ledger and no causes. So the wait is cut along the critical path
 * (critical-path.ts), and the name of a span decides its stage. How a pipeline names things is a row of foreign-shapes.ts.
 */
import type { LedgerRow, StageServiceUs, TurnSummary } from '../../service/turn-log/metrics.ts';
import type { Attrs, LedgerStage, Phase } from '../../service/base/events.ts';
import { criticalPath, type PathPart } from './critical-path.ts';
import { DAY_S, SHAPES, type ForeignShape, type Node } from './foreign-shapes.ts';
import type { TraceSpan } from './otlp.ts';
import { below, turnSpansOf, type TraceNode, type TurnSpans } from './trace-tree.ts';

/** Some pipelines trace their HTTP exchanges as deeply as Retake does. */
const PHASES: readonly (readonly [name: RegExp, phase: Phase])[] = [
  [/^http\.queue$|wait_for_connection/i, 'queue'],
  [/\bdns\b/i, 'dns'],
  [/^tcp\.connect$|socket connect/i, 'connect'],
  [/\btls\b/i, 'tls'],
  [/^http\.send$/, 'send'],
  [/^http\.body$/, 'body'],
];

export interface ForeignTurn {
  summary: TurnSummary;
  spans: TurnSpans;
  startUs: number;
  /** Of the attribute that the reader asked for, of the turn's span or the nearest above that has it. */
  attribute?: string;
  /** False where the trace does not number its turns; `turnIndex` is then 0. */
  isNumbered: boolean;
}

/** Of one trace. The wait of a turn is cut along the spans of the whole conversation. */
export const TRACE_TURNS = 1000;

type Intern = (path: string) => string | undefined;

/** The turns of one trace, measured as far as the trace allows. `intern` as for `turnSpansOf`. Undefined beyond `TRACE_TURNS`. */
export function foreignTurns(
  root: Node,
  intern?: Intern,
  attribute?: string,
  shapes: readonly ForeignShape[] = SHAPES,
): ForeignTurn[] | undefined {
  for (const shape of shapes) {
    const turns = shape.turns(root);
    if (turns.length > TRACE_TURNS) return undefined;
    if (turns.length === 0) continue;
    const stageOf = stagesBy(shape);
    return turns.map((node) => foreignTurn(node, { shape, stageOf, intern, attribute }));
  }
  return [];
}

/** Numbers the turns that the trace did not number, in order of time within their session. */
export function numberTurns(turns: readonly ForeignTurn[]): Omit<ForeignTurn, 'isNumbered'>[] {
  const next = new Map<string, number>();
  return [...turns]
    .sort((a, b) => a.startUs - b.startUs)
    .map(({ isNumbered, summary, ...turn }) => {
      const { sessionId } = summary;
      const turnIndex = isNumbered ? summary.turnIndex : (next.get(sessionId) ?? 0);
      next.set(sessionId, Math.max(next.get(sessionId) ?? 0, turnIndex + 1));
      return { ...turn, summary: { ...summary, turnIndex } };
    });
}

interface Reading {
  shape: ForeignShape;
  stageOf: StageOf;
  intern?: Intern;
  attribute?: string;
}

function foreignTurn(node: Node, { shape, stageOf, intern, attribute }: Reading): ForeignTurn {
  const attributes = [...lineage(node)].map(({ span }) => span.attributes);
  const index = firstAttribute(attributes, shape.indexKeys);
  const wanted = attribute === undefined ? undefined : firstAttribute(attributes, [attribute]);
  const isNumbered = typeof index === 'number' && Number.isSafeInteger(index) && index >= 0;
  const sessionId = String(firstAttribute(attributes, shape.sessionKeys) ?? node.span.traceId);
  return {
    summary: summaryOfForeign(node, sessionId, isNumbered ? index : 0, { shape, stageOf }),
    spans: turnSpansOf(node, intern),
    startUs: node.span.startUs,
    attribute: wanted === undefined ? undefined : String(wanted),
    isNumbered,
  };
}

function summaryOfForeign(
  node: Node,
  sessionId: string,
  turnIndex: number,
  { shape, stageOf }: Pick<Reading, 'shape' | 'stageOf'>,
): TurnSummary {
  const window = shape.window(node);
  const parts = window === undefined ? undefined : criticalPath(shape.scope(node), window);
  return {
    sessionId,
    turnIndex,
    traceId: node.span.traceId,
    lane: 'captured',
    variant: 'captured',
    world: 'live',
    zero: 'audio',
    e2eUs: window === undefined ? undefined : window.toUs - window.fromUs,
    ledger: (parts ?? []).map((part) => ledgerRow(part, stageOf(part.node))),
    serviceUs: serviceOf(node, shape),
    failure: node.span.failed ? { stage: stageOf(node), kind: 'error', message: "the turn's span failed" } : undefined,
  };
}

function ledgerRow({ node, fromUs, toUs }: PathPart<TraceSpan>, stage: LedgerStage): LedgerRow {
  const phase = PHASES.find(([name]) => name.test(node.span.name))?.[1];
  return { stage, phase: stage === 'our code' ? 'our code' : (phase ?? 'wait'), us: toUs - fromUs };
}

type StageOf = (node: TraceNode) => LedgerStage;

/** The stage of the nearest span, from the node upward, whose name tells one. Each span is asked once. */
function stagesBy({ stages }: ForeignShape): StageOf {
  const known = new Map<TraceNode, LedgerStage>();
  return (node) => {
    const asked: TraceNode[] = [];
    let found: LedgerStage | undefined;
    for (const each of lineage(node)) {
      found = known.get(each) ?? stages.find(([name]) => name.test(each.span.name))?.[1];
      asked.push(each);
      if (found !== undefined) break;
    }
    for (const each of asked) known.set(each, found ?? 'our code');
    return found ?? 'our code';
  };
}

/** Of the first span of each stage: the latency that the pipeline reports, else the duration of the span. */
function serviceOf(turn: Node, { stages, serviceSecondsKeys }: ForeignShape): StageServiceUs {
  const service: StageServiceUs = {};
  for (const { span } of [...below(turn)].slice(1)) {
    const stage = stages.find(([name]) => name.test(span.name))?.[1];
    if (stage !== 'endpointing' && stage !== 'stt' && stage !== 'llm' && stage !== 'tts') continue;
    if (service[stage] !== undefined) continue;
    const told = firstAttribute([span.attributes], serviceSecondsKeys);
    const isTold = typeof told === 'number' && told >= 0 && told <= DAY_S;
    service[stage] = isTold ? Math.round(told * 1e6) : span.endUs - span.startUs;
  }
  return service;
}

function* lineage<Span extends TraceNode['span']>(node: TraceNode<Span>): Generator<TraceNode<Span>> {
  for (let each: TraceNode<Span> | undefined = node; each !== undefined; each = each.parent) yield each;
}

function firstAttribute(attributes: readonly Attrs[], keys: readonly string[]): Attrs[string] | undefined {
  for (const each of attributes) for (const key of keys) if (Object.hasOwn(each, key)) return each[key];
  return undefined;
}

/** Rules for every turn, under any strategy, fault and timing. Each rule is a row. */
import type { Facts, DrawContext } from '../../sim/times/plan.ts';
import { numberOf, type TurnEvent } from '../../service/base/events.ts';
import { modelFacts, tokensOf } from '../../service/strategy/models.ts';
import { MAX_SPANS } from '../../service/telemetry/names.ts';
import { spansOf, type SpanRecord } from '../../service/telemetry/spans.ts';
import { pathComplaints } from '../../testing/jaeger-critical-path.ts';
import { orderKept, type Handed } from './order.ts';
import type { SimTurn } from '../../sim/world/session.ts';

/** One request as a stand-in saw it. */
export interface Served {
  context: DrawContext;
  facts: Facts;
}

export interface CheckedTurn {
  turn: SimTurn;
  /** The turn's line of `trace.otlp.jsonl`. */
  otlpLine: string;
  handed: readonly Handed[];
  served: readonly Served[];
  /** A fault met the model's answer, so its bill may be lost. */
  billLost: boolean;
  /** When the user hung up, if he did. */
  cancelledUs?: number;
  /** After the turn: sleeps under way, connections held. */
  sleeping: number;
  held: number;
}

export interface Violation {
  rule: string;
  detail: string;
}

interface Rule {
  name: string;
  /** Complaints; none when the rule holds. */
  check(checked: CheckedTurn, spans: readonly SpanRecord[]): string[];
}

export const RULES: readonly Rule[] = [
  { name: 'spans nest', check: (_checked, spans) => nesting(spans) },
  { name: 'path is the ledger', check: ({ turn }, spans) => pathOfLedger(turn, spans) },
  { name: 'errors tell the failure', check: ({ turn }, spans) => errorsOf(turn, spans) },
  { name: 'phases sum', check: (_checked, spans) => phaseSums(spans) },
  { name: 'ledger exact', check: ({ turn }) => ledgerExact(turn) },
  { name: 'one outcome', check: ({ turn }) => oneOutcome(turn) },
  { name: 'no audio before its text', check: ({ turn }) => audioBeforeText(turn.log.events) },
  { name: 'order kept', check: ({ turn, handed }) => orderKept(turn, handed) },
  { name: 'said once', check: ({ turn }) => saidAgain(turn.log.events) },
  { name: 'nothing after cancel', check: afterCancel },
  { name: 'every resource released', check: ({ sleeping, held }) => released(sleeping, held) },
  { name: 'cost accounted once', check: costOnce },
  { name: 'trace complete', check: ({ otlpLine }, spans) => traceComplete(otlpLine, spans) },
];

/** The rules that a turn breaks, each complaint on its own. */
export function violationsOf(checked: CheckedTurn): Violation[] {
  const spans = spansOf(checked.turn.log, checked.turn.measured);
  return RULES.flatMap(({ name, check }) => check(checked, spans).map((detail) => ({ rule: name, detail })));
}

const named = (span: SpanRecord): string => `${span.name} ${span.spanId.slice(8)}`;

/** They end when they are decided, and what was made for them goes on. */
const BETS: ReadonlySet<string> = new Set(['speculation', 'hedge', 'prefetch']);

function nesting(spans: readonly SpanRecord[]): string[] {
  const byId = new Map(spans.map((span) => [span.spanId, span]));
  const complaints = spans.length > MAX_SPANS ? [`${spans.length} spans`] : [];
  const roots = spans.filter(({ parentSpanId }) => parentSpanId === undefined);
  if (roots.length !== 1 || roots[0]?.name !== 'turn') complaints.push(`${roots.length} roots`);
  for (const span of spans) {
    if (span.endUs < span.startUs) complaints.push(`${named(span)} ends before it starts`);
    if (span.parentSpanId === undefined) continue;
    const parent = byId.get(span.parentSpanId);
    if (parent === undefined) complaints.push(`${named(span)} has no parent`);
    else if (span.startUs < parent.startUs || (span.endUs > parent.endUs && !BETS.has(parent.name)))
      complaints.push(`${named(span)} is not inside ${named(parent)}`);
  }
  return complaints;
}

/** In virtual time our code takes none, so that each wait is a microsecond short and no more. */
const PATH_SLACK_US = 10;

function pathOfLedger({ measured: { ledger, summary } }: SimTurn, spans: readonly SpanRecord[]): string[] {
  return ledger === undefined ? [] : pathComplaints(spans, summary.ledger, PATH_SLACK_US);
}

/** Errors stand on the failed turn, and below it on one call with its failed exchanges. */
function errorsOf({ summary }: SimTurn, spans: readonly SpanRecord[]): string[] {
  const errors = spans.filter(({ status }) => status.code === 'error');
  if (summary.failure === undefined) return errors.map((span) => `${named(span)} is an error in a turn that went on`);
  const [turn, ...rest] = errors;
  const calls = rest.filter(({ name }) => CALLS.has(name));
  return [
    ...(turn?.name === 'turn' ? [] : ['the failed turn is no error']),
    ...(calls.length > 1 ? [`${calls.length} calls failed one turn`] : []),
    ...(rest.length > 0 && calls.length === 0 ? [`${rest.length} errors outside of a call`] : []),
  ];
}

const CALLS: ReadonlySet<string> = new Set(['stt', 'llm', 'tts']);

const isExchange = ({ name }: SpanRecord): boolean => name.startsWith('http ');

/** False where a turn has so many spans that the deepest were left out. */
function phaseSums(spans: readonly SpanRecord[]): string[] {
  return spans.length >= MAX_SPANS ? [] : spans.filter(isExchange).flatMap((span) => phaseSum(span, spans));
}

/** The phases of an exchange follow each other without a gap from its start, and reach its end where there is one. */
function phaseSum(exchange: SpanRecord, spans: readonly SpanRecord[]): string[] {
  const phases = spans.filter(({ parentSpanId }) => parentSpanId === exchange.spanId);
  let atUs = exchange.startUs;
  for (const phase of phases) {
    if (phase.startUs !== atUs) return [`${named(phase)} begins ${phase.startUs - atUs} µs after the phase before it`];
    atUs = phase.endUs;
  }
  const left = exchange.endUs - atUs;
  return phases.length > 0 && left !== 0 && exchange.status.code === 'unset'
    ? [`${named(exchange)} ends ${left} µs after its last phase`]
    : [];
}

function ledgerExact({ measured: { ledger, summary } }: SimTurn): string[] {
  if (ledger === undefined) return summary.ledger.length === 0 ? [] : ['rows without a ledger'];
  const complaints: string[] = [];
  let atUs = ledger.zeroUs;
  for (const { stage, phase, fromUs, toUs } of ledger.parts) {
    if (fromUs !== atUs || toUs <= fromUs) complaints.push(`${stage}/${phase} is not the next part`);
    if (stage === 'our code') complaints.push(`our code takes ${toUs - fromUs} µs of virtual time after ${phase}`);
    atUs = toUs;
  }
  if (atUs !== ledger.stopUs) complaints.push(`the parts end ${ledger.stopUs - atUs} µs before the stop`);
  const sumUs = summary.ledger.reduce((sum, { us }) => sum + us, 0);
  if (sumUs !== summary.e2eUs) complaints.push(`rows ${sumUs} µs, end to end ${String(summary.e2eUs)} µs`);
  return complaints;
}

function oneOutcome({ log: { events }, summary }: SimTurn): string[] {
  const done = count(events, 'turn.done');
  const failed = count(events, 'turn.failed');
  if (done + failed !== 1) return [`turn.done ${done} times, turn.failed ${failed} times`];
  if (failed === 1 && summary.failure?.kind === 'internal') return [`internal failure: ${summary.failure.message}`];
  return [];
}

function audioBeforeText(events: readonly TurnEvent[]): string[] {
  return events.flatMap((event) => {
    if (event.kind !== 'tts.start' && event.kind !== 'tts.audio') return [];
    const ready = events.find(
      (each) => each.kind === 'piece.ready' && numberOf(each, 'index') === numberOf(event, 'index'),
    );
    return ready !== undefined && ready.atUs <= event.atUs && ready.id < event.id
      ? []
      : [`${event.kind} of piece ${String(numberOf(event, 'index'))} without its text`];
  });
}

/** A synthesis that has handed on audio is not repeated: the user would hear its beginning twice. */
function saidAgain(events: readonly TurnEvent[]): string[] {
  const isSaid = ({ kind }: TurnEvent): boolean => kind === 'tts.audio' || kind === 'llm.content';
  const repeats = events.filter(({ kind }) => kind === 'retry.wait');
  return repeats
    .filter((repeat) => events.some((each) => each.id < repeat.id && each.exchange === repeat.exchange && isSaid(each)))
    .map(({ exchange }) => `${String(exchange)} is asked for again after its first content`);
}

const BEGINS: ReadonlySet<string> = new Set(['http.start', 'stt.start', 'llm.start', 'tts.start', 'piece.ready']);

function afterCancel({ turn: { log, summary }, handed, cancelledUs }: CheckedTurn): string[] {
  if (cancelledUs === undefined || summary.failure?.kind !== 'cancelled') return [];
  const late = log.events.filter(({ kind, atUs }) => BEGINS.has(kind) && atUs > cancelledUs);
  return [
    ...late.map(({ kind, atUs }) => `${kind} ${atUs - cancelledUs} µs after the user hung up`),
    ...handed.filter(({ atUs }) => atUs > cancelledUs).map(({ pieceIndex }) => `audio of piece ${pieceIndex} after it`),
  ];
}

function released(sleeping: number, held: number): string[] {
  return [
    ...(sleeping === 0 ? [] : [`${sleeping} sleeps under way after the turn`]),
    ...(held === 0 ? [] : [`${held} exchanges hold a connection after the turn`]),
  ];
}

/** The stand-ins' requests agree with the turn's log, characters and cost. */
function costOnce({ turn: { log, summary }, served, billLost }: CheckedTurn): string[] {
  const { events } = log;
  const complaints: string[] = [];
  const seen = new Set<string>();
  for (const { context, facts } of served) {
    const id = exchangeId(context);
    const work = `${id} ${facts.operation}`; // a queue's submit is planned once itself, and once as what it submits
    if (seen.has(work)) complaints.push(`exchange ${id} was served twice`);
    seen.add(work);
    const sent = events.filter(({ kind, exchange }) => kind === 'http.start' && exchange === id).length;
    if (sent !== 1) complaints.push(`exchange ${id} was served, and stands ${sent} times in the log`);
  }
  const pieces = new Map<number, number>();
  for (const { context, facts } of served)
    if (facts.operation === 'tts') pieces.set(context.ordinal, facts.text.length);
  const spoken = [...pieces.values()].reduce((sum, chars) => sum + chars, 0);
  const counted = summary.characters ?? 0;
  // a synthesis that the user's hanging up or interrupting cut short may never have reached its server
  const exact = summary.failure === undefined && count(events, 'turn.interrupted') === 0;
  if (exact ? counted !== spoken : counted < spoken) complaints.push(`${counted} characters counted, ${spoken} spoken`);
  const answers = events.filter(({ kind }) => kind === 'llm.done');
  const prompts = served.flatMap(({ facts }) => (facts.operation === 'llm' ? [facts] : []));
  const last = prompts.at(-1);
  if (answers.length === 1 && last !== undefined) {
    const facts = modelFacts(last.model);
    const [prompt, reply] = [tokensOf(last.promptChars), tokensOf(last.text.length)];
    const usd = facts && (prompt * facts.usdPerMInput + reply * facts.usdPerMOutput) / 1e6;
    const counted = summary.costUsd ?? (billLost ? usd : -1);
    if (usd !== undefined && counted !== undefined && Math.abs(counted - usd) > 1e-9)
      complaints.push(`cost ${String(summary.costUsd)} USD, the answer cost ${usd}`);
  } else if (answers.length > 1 || summary.costUsd !== undefined)
    complaints.push(`${answers.length} answers accounted`);
  return complaints;
}

function traceComplete(line: string, spans: readonly SpanRecord[]): string[] {
  const absent = spans.filter(({ spanId }) => !line.includes(`"spanId":"${spanId}"`));
  const once = line.endsWith('\n') && line.indexOf('\n') === line.length - 1;
  return [
    ...absent.map((span) => `${named(span)} is not in the bundle`),
    ...(once ? [] : ['the turn is not one line of the bundle']),
  ];
}

function exchangeId({ stage, ordinal, attempt, fetchIndex }: DrawContext): string {
  return `${stage}.${ordinal}.${attempt}.${fetchIndex}`;
}

function count(events: readonly TurnEvent[], kind: TurnEvent['kind']): number {
  return events.filter((event) => event.kind === kind).length;
}

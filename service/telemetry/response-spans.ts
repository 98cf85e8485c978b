/**
 * The wait of a turn as `response` and one child for each stage that the ledger names. Pure.
 *
 * Jaeger's critical path takes from a span's end the child that ends last strictly before it, and so on back. Spans that touch
 * would be skipped, so each wait ends 1 µs before the next one begins. That microsecond is counted as our code; the exact parts
 * stand in `retake.ledger` on `turn`.
 */
import type { LedgerStage } from '../base/events.ts';
import type { Stall } from '../turn-log/blocked.ts';
import type { Ledger } from '../turn-log/ledger.ts';
import { blockedAttributes } from './blocked-spans.ts';
import { PLAIN, type Draft } from './draft.ts';
import { ATTRIBUTES as A, put, type SpanAttributes, type SpanName } from './names.ts';

/** Between neighbours, so that Jaeger's comparison sees one before the other. */
export const GAP_US = 1;
/** Of one turn: a stage that goes on after a moment of our code is one span, shortest moments first, until these are left … */
export const FEW_WAITS = 6;
/** … or so much of our code is hidden in waits: a reader of the path is off by no more. */
export const HIDDEN_US = 1000;
/** Of one turn, whatever they hide. */
export const MAX_WAITS = 12;

const SPAN_OF_STAGE = {
  endpointing: 'wait endpointing',
  stt: 'wait stt',
  llm: 'wait llm',
  chunk: 'wait chunk',
  tts: 'wait tts',
  deliver: 'wait deliver',
  'our code': 'blocked', // of our code only what our process stood still
} as const satisfies Readonly<Record<LedgerStage, SpanName>>;

interface Run {
  stage: keyof typeof SPAN_OF_STAGE;
  fromUs: number;
  toUs: number;
  /** How many runs of the ledger it stands for. */
  count: number;
}

/** `response` with its waits. What no wait covers is our code. `stalls` say why it was blocked. */
export function responseDrafts(ledger: Ledger, turn: Draft, stalls: readonly Stall[]): Draft[] {
  const response: Draft = {
    ...PLAIN,
    name: 'response',
    parent: turn,
    level: 0,
    startUs: ledger.zeroUs,
    endUs: ledger.stopUs,
  };
  const waits = withinWaits(runsOf(ledger)).flatMap(({ stage, fromUs, toUs, count }): Draft[] => {
    const endUs = toUs - GAP_US;
    if (endUs <= fromUs) return [];
    const attributes: SpanAttributes = stage === 'our code' ? blockedAttributes({ fromUs, toUs }, stalls) : {};
    put(attributes, A.stage, stage);
    put(attributes, A.waitRuns, count === 1 ? undefined : count);
    return [{ ...PLAIN, name: SPAN_OF_STAGE[stage], parent: response, level: 0, startUs: fromUs, endUs, attributes }];
  });
  return [response, ...waits];
}

/** The contiguous parts of one stage as one run each. */
function runsOf({ parts }: Ledger): Run[] {
  const runs: Run[] = [];
  for (const { stage, phase, fromUs, toUs } of parts) {
    if (stage === 'our code' && phase !== 'blocked') continue;
    const last = runs.at(-1);
    if (last?.stage === stage && last.toUs === fromUs) last.toUs = toUs;
    else runs.push({ stage, fromUs, toUs, count: 1 });
  }
  return runs;
}

/** Joins neighbours of one stage over the shortest moments of our code, where there are too many. */
function withinWaits(runs: readonly Run[]): Run[] {
  const joints = runs.flatMap(({ stage, toUs }, index) => {
    const next = runs[index + 1];
    return next?.stage === stage ? [{ index: index + 1, gapUs: next.fromUs - toUs }] : [];
  });
  let hiddenUs = 0;
  const shortest = joints
    .toSorted((a, b) => a.gapUs - b.gapUs)
    .filter(({ gapUs }, taken) => {
      hiddenUs += gapUs;
      const left = runs.length - taken;
      return left > MAX_WAITS || (left > FEW_WAITS && hiddenUs <= HIDDEN_US);
    });
  const joined = new Set(shortest.map(({ index }) => index));
  const kept: Run[] = [];
  for (const [index, run] of runs.entries()) {
    const last = kept.at(-1);
    if (last === undefined || !joined.has(index)) kept.push({ ...run });
    else kept[kept.length - 1] = { ...last, toUs: run.toUs, count: last.count + run.count };
  }
  return kept;
}

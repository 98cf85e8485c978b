/** The metrics of benches as a table: name, unit, and how each is read off a turn. An unmeasured metric is undefined. */
import { createChunker, type ChunkingMode } from '../../service/text/chunker.ts';
import { firstOf, numberOf, numbersOf, type EventKind, type TurnEvent } from '../../service/base/events.ts';
import type { FinishedTurn } from '../../service/turn/observe.ts';
import { quantile } from '../../service/base/quantile.ts';
import { sum } from '../../replay/statistics/estimates.ts';

export type Unit = 'ms' | 'kB' | '1/s' | 'USD/1000' | '×' | '%' | 'count';

export interface Metric {
  title: string;
  unit: Unit;
  /** Tables show the mean where most turns have 0: the median would say nothing. */
  shown?: 'mean';
  of(turn: FinishedTurn, language: string): number | undefined;
}

const find = (turn: FinishedTurn, kind: EventKind): TurnEvent | undefined => firstOf(turn.log.events, kind);
/** Figures of a stream's items, from its last event; empty without a stream. */
const itemsOf = (event: TurnEvent | undefined, key: 'itemUs' | 'itemChars'): readonly number[] =>
  numbersOf(event, key) ?? [];
const ms = (us: number | undefined): number | undefined => (us === undefined ? undefined : us / 1000);
const difference = (from: number | undefined, to: number | undefined): number | undefined =>
  from === undefined || to === undefined ? undefined : to - from;

/** Arrival of the delta that completed the reply's first piece, as a chunker of that mode cuts it, from `llm.start`. */
function firstPieceMs(turn: FinishedTurn, mode: ChunkingMode, language: string): number | undefined {
  const done = find(turn, 'llm.done');
  const start = find(turn, 'llm.start');
  const itemUs = itemsOf(done, 'itemUs');
  const chunker = createChunker(mode, language);
  let from = 0;
  for (const [index, chars] of itemsOf(done, 'itemChars').entries()) {
    const pieces = chunker.push(turn.replyText.slice(from, from + chars));
    from += chars;
    if (pieces.length > 0) return ms(difference(start?.atUs, itemUs[index]));
  }
  return ms(difference(start?.atUs, done?.atUs));
}

const gapsMs = (turn: FinishedTurn): number[] => {
  const itemUs = itemsOf(find(turn, 'llm.done'), 'itemUs');
  return itemUs.slice(1).map((atUs, index) => (atUs - (itemUs[index] ?? atUs)) / 1000);
};
const pieces = (turn: FinishedTurn): TurnEvent[] => turn.log.events.filter((event) => event.kind === 'tts.done');

/** Every metric by its name, in the order in which tables show them. */
export const METRICS = {
  sttMs: { title: 'STT', unit: 'ms', of: ({ summary }) => ms(summary.serviceUs.stt) },
  sttWaitMs: {
    title: 'STT share of the wait',
    unit: 'ms',
    of: ({ summary }) =>
      summary.e2eUs === undefined
        ? undefined
        : sum(summary.ledger.filter(({ stage }) => stage === 'stt').map(({ us }) => us)) / 1000,
  },
  endpointingMs: { title: 'endpointing', unit: 'ms', of: ({ summary }) => ms(summary.serviceUs.endpointing) },
  prematureCount: {
    title: 'premature ends, mean',
    unit: 'count',
    shown: 'mean',
    of: ({ summary }) => (summary.premature ? 1 : 0),
  },
  uploadKb: {
    title: 'uploaded',
    unit: 'kB',
    of: ({ summary }) => (summary.uploadedBytes === undefined ? undefined : summary.uploadedBytes / 1000),
  },
  transcriptChange: {
    title: 'words changed, mean',
    unit: '%',
    shown: 'mean',
    of: ({ summary }) => (summary.transcriptChange === undefined ? undefined : summary.transcriptChange * 100),
  },
  transcriptChars: { title: 'transcript', unit: 'count', of: ({ transcript }) => transcript.length },
  ttftMs: { title: 'TTFT', unit: 'ms', of: ({ summary }) => ms(summary.serviceUs.llm) },
  deltaGapMs: {
    title: 'delta gap, median',
    unit: 'ms',
    of: (turn) => (gapsMs(turn).length === 0 ? undefined : quantile(gapsMs(turn), 0.5)),
  },
  longestGapMs: {
    title: 'delta gap, longest',
    unit: 'ms',
    of: (turn) => (gapsMs(turn).length === 0 ? undefined : Math.max(...gapsMs(turn))),
  },
  tokensPerS: {
    title: 'tokens',
    unit: '1/s',
    of: (turn) => {
      const done = find(turn, 'llm.done');
      const tokens = numberOf(done, 'completionTokens');
      const itemUs = itemsOf(done, 'itemUs');
      const us = difference(itemUs[0], itemUs.at(-1));
      return tokens === undefined || us === undefined || us === 0 ? undefined : tokens / (us / 1e6);
    },
  },
  firstClauseMs: { title: 'first clause', unit: 'ms', of: (turn, language) => firstPieceMs(turn, 'clause', language) },
  firstSentenceMs: {
    title: 'first sentence',
    unit: 'ms',
    of: (turn, language) => firstPieceMs(turn, 'sentence', language),
  },
  llmTotalMs: {
    title: 'whole reply',
    unit: 'ms',
    of: (turn) => ms(difference(find(turn, 'llm.start')?.atUs, itemsOf(find(turn, 'llm.done'), 'itemUs').at(-1))),
  },
  llmCost: {
    title: 'LLM cost',
    unit: 'USD/1000',
    of: ({ summary }) => (summary.costUsd === undefined ? undefined : summary.costUsd * 1000),
  },
  replyChars: { title: 'reply', unit: 'count', of: ({ replyText }) => replyText.length },
  ttfbMs: { title: 'TTS TTFB', unit: 'ms', of: ({ summary }) => ms(summary.serviceUs.tts) },
  ttsAudibleMs: {
    title: 'TTS first audible',
    unit: 'ms',
    of: (turn) => ms(difference(find(turn, 'tts.start')?.atUs, find(turn, 'deliver.first_audible')?.atUs)),
  },
  leadingSilenceMs: {
    title: 'leading silence',
    unit: 'ms',
    of: (turn) => numberOf(pieces(turn)[0], 'leadingSilenceMs'),
  },
  realTimeFactor: {
    title: 'audio per synthesis time',
    unit: '×',
    of: (turn) => {
      const starts = turn.log.events.filter((event) => event.kind === 'tts.start');
      const synthesized = pieces(turn).flatMap((event) => {
        const [start, audioMs] = [
          starts.find(({ exchange }) => exchange === event.exchange),
          numberOf(event, 'audioMs'),
        ];
        return start === undefined || audioMs === undefined
          ? []
          : [{ audioMs, spentMs: (event.atUs - start.atUs) / 1000 }];
      });
      const audioMs = sum(synthesized.map((piece) => piece.audioMs));
      const spentMs = sum(synthesized.map((piece) => piece.spentMs));
      return spentMs === 0 ? undefined : audioMs / spentMs;
    },
  },
  stallMs: { title: 'stalls', unit: 'ms', of: ({ summary }) => ms(summary.stallUs) },
  firstAudioByteMs: { title: 'first audio byte', unit: 'ms', of: ({ summary }) => ms(summary.firstAudioByteUs) },
  e2eMs: { title: 'first audible', unit: 'ms', of: ({ summary }) => ms(summary.e2eUs) },
  firstContentMs: {
    title: 'first content audible',
    unit: 'ms',
    of: ({ summary }) => ms(summary.firstContentAudibleUs),
  },
  replyEndMs: { title: 'reply end', unit: 'ms', of: ({ summary }) => ms(summary.replyEndUs) },
} satisfies Record<string, Metric>;
export type MetricName = keyof typeof METRICS;

/** The latency of each stage whose connections a bench tells apart. */
export const STAGE_METRICS = { stt: 'sttMs', llm: 'ttftMs', tts: 'ttfbMs' } as const satisfies Record<
  string,
  MetricName
>;

/** A property by which turns of one arm are grouped, such as their length. */
export interface Grouping {
  title: string;
  /** Upper limits, exclusive, smallest first. The last group has no upper limit. */
  below: readonly number[];
  unit: string;
  of(turn: FinishedTurn): number | undefined;
}

export const GROUPINGS = {
  audioLength: {
    title: 'by audio length',
    below: [5, 10],
    unit: 's',
    of: (turn) => {
      const audioMs = numberOf(
        turn.log.events.findLast(({ kind }) => kind === 'stt.start'),
        'audioMs',
      );
      return audioMs === undefined ? undefined : audioMs / 1000;
    },
  },
  textLength: {
    title: 'by text length',
    below: [40, 80],
    unit: 'characters',
    of: (turn) => numberOf(find(turn, 'tts.start'), 'chars'),
  },
} satisfies Record<string, Grouping>;

/** `below 40 characters`, `40 to 80 characters`, `80 characters and more`; undefined where the turn has no such figure. */
export function groupOf(grouping: Grouping, turn: FinishedTurn): string | undefined {
  const value = grouping.of(turn);
  if (value === undefined) return undefined;
  const { below, unit } = grouping;
  const index = below.findIndex((limit) => value < limit);
  const [first, before, limit] = [below[0], below[index - 1], below[index]];
  if (index === 0) return `below ${first} ${unit}`;
  return limit === undefined ? `${below.at(-1)} ${unit} and more` : `${before} to ${limit} ${unit}`;
}

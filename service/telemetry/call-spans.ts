/** Provider calls of a turn (stt, llm, tts) as spans. Pure; times on the turn's clock. */
import { highest } from '../base/quantile.ts';
import {
  CALL_STAGES,
  type CallStage,
  type EventKind,
  type TurnEvent,
  booleanOf,
  numberOf,
  stringOf,
  numbersOf,
} from '../base/events.ts';
import { callEndsOf, callKeyOf, type CallEnd } from './call-ends.ts';
import type { SpanEvent, SpanStatus } from './draft.ts';
import { PROVIDER_OF } from './http-spans.ts';
import { ATTRIBUTES as A, put, type SpanAttributes, type SpanName } from './names.ts';

export interface ProviderCall {
  /** `<stage>.<ordinal>`. */
  key: string;
  name: SpanName;
  startUs: number;
  /** The call's done event; of a call that failed, the last event that the log has of it. */
  endUs: number;
  attributes: SpanAttributes;
  status: SpanStatus;
  /** First content or first audio, where the stage's latency ends: a span below the call's. */
  first?: { name: SpanName; endUs: number };
  events: readonly SpanEvent[];
}

interface CallKinds {
  start: EventKind;
  /** The first of these that the log has ends the call. */
  done: readonly EventKind[];
  first?: { kind: EventKind; name: SpanName };
}

const KINDS: Readonly<Record<CallStage, CallKinds>> = {
  stt: { start: 'stt.start', done: ['stt.early', 'stt.done'] },
  llm: { start: 'llm.start', done: ['llm.done'], first: { kind: 'llm.content', name: 'llm.ttft' } },
  tts: { start: 'tts.start', done: ['tts.done'], first: { kind: 'tts.audio', name: 'tts.ttfb' } },
};

/** All provider calls of a turn, in order of their start events. `ends` says how each ended. */
export function callsOf(events: readonly TurnEvent[], ends = callEndsOf(events)): ProviderCall[] {
  const calls: ProviderCall[] = [];
  for (const start of events) {
    const stage = CALL_STAGES.find((candidate) => KINDS[candidate].start === start.kind);
    if (stage !== undefined) calls.push(callOf(stage, start, events, ends.get(callKeyOf(start)) ?? { kind: 'done' }));
  }
  return calls;
}

function callOf(stage: CallStage, start: TurnEvent, events: readonly TurnEvent[], end: CallEnd): ProviderCall {
  const kinds = KINDS[stage];
  const key = callKeyOf(start);
  const own = (wanted: readonly EventKind[]): TurnEvent | undefined =>
    events.find((event) => wanted.includes(event.kind) && callKeyOf(event) === key);
  const done = own(kinds.done);
  const first = kinds.first === undefined ? undefined : own([kinds.first.kind]);
  const failure = end.kind === 'failed' || end.kind === 'lost' ? end : undefined;
  const known = [start, done, first, failure?.event].filter((event) => event !== undefined);

  const attributes: SpanAttributes = {};
  put(attributes, A.stage, stage);
  put(attributes, A.serviceUs, done === undefined ? undefined : done.atUs - start.atUs);
  putStage(stage, attributes, start, first, done);
  if (stage === 'llm') putRecord(attributes, own(['llm.record']));
  putGaps(attributes, numbersOf(done, 'itemUs'));
  put(attributes, A.errorType, failure?.type);
  put(attributes, A.cancelled, end.kind === 'cancelled' ? end.why : undefined);
  return {
    key,
    name: stage,
    startUs: start.atUs,
    endUs: highest(known.map((event) => event.atUs)),
    attributes,
    status: end.kind === 'failed' ? { code: 'error', message: end.message } : { code: 'unset' },
    first: kinds.first === undefined || first === undefined ? undefined : { name: kinds.first.name, endUs: first.atUs },
    events: stage === 'llm' ? llmEvents(first, events) : [],
  };
}

/** When the first token came, and when each piece of its text could go to TTS. */
function llmEvents(first: TurnEvent | undefined, events: readonly TurnEvent[]): SpanEvent[] {
  if (first === undefined) return [];
  const isOwn = ({ kind, cause }: TurnEvent): boolean =>
    kind === 'piece.ready' && cause !== undefined && events[cause]?.exchange === first.exchange;
  return [
    { name: 'first token', atUs: first.atUs, attributes: {} },
    ...events.filter(isOwn).map((event): SpanEvent => {
      const attributes: SpanAttributes = {};
      put(attributes, A.ttsPiece, numberOf(event, 'index'));
      return { name: 'piece to TTS', atUs: event.atUs, attributes };
    }),
  ];
}

function putStage(
  stage: CallStage,
  into: SpanAttributes,
  start: TurnEvent,
  first: TurnEvent | undefined,
  done: TurnEvent | undefined,
): void {
  put(into, A.requestId, stringOf(done, 'requestId'));
  switch (stage) {
    case 'stt':
      put(into, A.sttEarly, booleanOf(start, 'early'));
      put(into, A.sttPart, Number(callKeyOf(start).split('.')[1]));
      put(into, A.model, stringOf(start, 'model'));
      put(into, A.method, stringOf(start, 'method'));
      put(into, A.sttLanguage, stringOf(start, 'language'));
      put(into, A.audioMs, numberOf(start, 'audioMs'));
      put(into, A.uploadBytes, numberOf(start, 'uploadBytes'));
      put(into, A.mimeType, stringOf(start, 'mimeType'));
      put(into, A.chars, numberOf(done, 'chars'));
      return;
    case 'llm': {
      const finish = stringOf(done, 'finishReason');
      put(into, A.genAiOperation, 'chat');
      put(into, A.genAiProvider, PROVIDER_OF.llm);
      put(into, A.genAiOutputType, 'text');
      put(into, A.genAiStream, true);
      put(into, A.genAiRequestModel, stringOf(start, 'model'));
      put(into, A.genAiMaxTokens, numberOf(start, 'maxTokens'));
      put(into, A.genAiTemperature, numberOf(start, 'temperature'));
      put(into, A.llmMessages, numberOf(start, 'messages'));
      put(into, A.llmPromptChars, numberOf(start, 'promptChars'));
      put(into, A.genAiFirstChunkS, first === undefined ? undefined : (first.atUs - start.atUs) / 1e6);
      put(into, A.genAiResponseId, stringOf(done, 'generationId'));
      put(into, A.genAiResponseModel, stringOf(done, 'servedModel'));
      put(into, A.llmServedProvider, stringOf(done, 'servedProvider'));
      put(into, A.genAiFinishReasons, finish === undefined ? undefined : [finish]);
      put(into, A.genAiInputTokens, numberOf(done, 'promptTokens'));
      put(into, A.genAiOutputTokens, numberOf(done, 'completionTokens'));
      put(into, A.genAiCachedTokens, numberOf(done, 'cachedTokens'));
      put(into, A.llmReasoningTokens, numberOf(done, 'reasoningTokens'));
      put(into, A.llmReasoningDeltas, numberOf(done, 'reasoningDeltas'));
      put(into, A.llmComments, numberOf(done, 'comments'));
      put(into, A.llmCostUsd, numberOf(done, 'costUsd'));
      put(into, A.chars, numberOf(done, 'chars'));
      return;
    }
    case 'tts':
      put(into, A.ttsPiece, numberOf(start, 'index'));
      put(into, A.model, stringOf(start, 'model'));
      put(into, A.method, stringOf(start, 'method'));
      put(into, A.ttsVoice, stringOf(start, 'voice'));
      put(into, A.ttsSpeed, numberOf(start, 'speed'));
      put(into, A.chars, numberOf(start, 'chars'));
      put(into, A.audioMs, numberOf(done, 'audioMs'));
      put(into, A.ttsAudioBytes, numberOf(done, 'bytes'));
      put(into, A.leadingSilenceMs, numberOf(done, 'leadingSilenceMs'));
      put(into, A.inferenceMs, numberOf(done, 'inferenceMs'));
      return;
    default:
      stage satisfies never;
  }
}

/** The gateway's record of the answer, also of one that was given up. */
function putRecord(into: SpanAttributes, record: TurnEvent | undefined): void {
  put(into, A.recordGatewayMs, numberOf(record, 'gatewayMs'));
  put(into, A.recordGenerationMs, numberOf(record, 'generationMs'));
  put(into, A.recordModerationMs, numberOf(record, 'moderationMs'));
  put(into, A.recordProviderMs, numberOf(record, 'providerMs'));
  put(into, A.recordProviders, numberOf(record, 'providers'));
  put(into, A.recordPromptTokens, numberOf(record, 'nativePromptTokens'));
  put(into, A.recordCompletionTokens, numberOf(record, 'nativeCompletionTokens'));
  put(into, A.recordReasoningTokens, numberOf(record, 'nativeReasoningTokens'));
  put(into, A.recordCachedTokens, numberOf(record, 'nativeCachedTokens'));
  put(into, A.recordCostUsd, numberOf(record, 'totalCostUsd'));
}

/** A stream's items and the gaps between them (nearest rank). Spans hold no single arrivals. */
function putGaps(into: SpanAttributes, itemUs: readonly number[] | undefined): void {
  if (itemUs === undefined) return;
  put(into, A.items, itemUs.length);
  const gaps = itemUs.slice(1).map((atUs, index) => atUs - (itemUs[index] ?? atUs));
  gaps.sort((left, right) => left - right);
  const rank = (share: number): number | undefined => gaps[Math.max(0, Math.ceil(share * gaps.length) - 1)];
  put(into, A.gapP50Us, rank(0.5));
  put(into, A.gapP95Us, rank(0.95));
  put(into, A.gapMaxUs, gaps.at(-1));
}

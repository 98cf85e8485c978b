/** What a turn span says about its turn: `TurnSummary` as attributes, and back. Pure. */
import { LANES, LEDGER_STAGES, PHASES, WORLDS, ZERO_KINDS, type Attrs, type TurnLog } from '../base/events.ts';
import { parseBets } from '../turn-log/bets.ts';
import { InputError } from '../base/errors.ts';
import { definedOnly, jsonStart, parsedJson } from '../base/json.ts';
import type { LedgerRow, TurnSummary } from '../turn-log/metrics.ts';
import { above, e2eClass, TARGET_MS } from '../turn-log/targets.ts';
import { ATTRIBUTES as A, put, type AttributeSpec, type SpanAttributes } from './names.ts';

/** Who and what the turn is. On each of its spans. */
export function identityAttributes(log: Pick<TurnLog, 'identity' | 'zero'>): SpanAttributes {
  const { identity } = log;
  const into: SpanAttributes = {};
  put(into, A.sessionId, identity.sessionId);
  put(into, A.turnIndex, identity.turnIndex);
  put(into, A.runId, identity.runId);
  put(into, A.lane, identity.lane);
  put(into, A.world, identity.world);
  put(into, A.arm, identity.arm);
  put(into, A.variant, identity.variant);
  put(into, A.strategyHash, identity.strategyHash);
  put(into, A.zero, log.zero);
  put(into, A.profile, identity.profile);
  put(into, A.interview, identity.interview);
  return into;
}

/** The rest of the summary, on the turn span only. `summaryOf` reads it back. A response is slow above `slowMs`, and read late above `readLagMs`. */
export function summaryAttributes(
  summary: TurnSummary,
  { slowMs, readLagMs }: { slowMs: number; readLagMs: number },
): SpanAttributes {
  const into: SpanAttributes = {};
  put(into, A.wait, waitOf(summary.ledger));
  put(into, A.e2e, summary.e2eUs === undefined ? undefined : readable(summary.e2eUs));
  put(into, A.e2eClass, e2eClass(summary.e2eUs));
  put(into, A.e2eUs, summary.e2eUs);
  put(into, A.readLagUs, summary.readLagUs);
  put(into, A.firstAudioByteUs, summary.firstAudioByteUs);
  put(into, A.firstContentAudibleUs, summary.firstContentAudibleUs);
  put(into, A.replyEndUs, summary.replyEndUs);
  put(into, A.stallUs, summary.stallUs);
  if (summary.ledger.length > 0) {
    put(into, A.ledger, JSON.stringify(summary.ledger.map((row) => [row.stage, row.phase, row.us])));
  }
  put(into, A.endpointingServiceUs, summary.serviceUs.endpointing);
  put(into, A.sttServiceUs, summary.serviceUs.stt);
  put(into, A.llmServiceUs, summary.serviceUs.llm);
  put(into, A.ttsServiceUs, summary.serviceUs.tts);
  put(into, A.slowResponse, above(summary.e2eUs, slowMs));
  put(into, A.readLate, above(summary.readLagUs, readLagMs));
  put(into, A.slowStt, above(summary.serviceUs.stt, TARGET_MS.stt));
  put(into, A.slowLlm, above(summary.serviceUs.llm, TARGET_MS.llm));
  put(into, A.slowTts, above(summary.serviceUs.tts, TARGET_MS.tts));
  if (summary.bets !== undefined) put(into, A.bets, JSON.stringify(summary.bets));
  put(into, A.premature, summary.premature);
  put(into, A.failureStage, summary.failure?.stage);
  put(into, A.errorType, summary.failure?.kind);
  put(into, A.failureMessage, summary.failure?.message);
  put(into, A.modelRequested, summary.model?.requested);
  put(into, A.modelServed, summary.model?.served);
  put(into, A.modelProvider, summary.model?.provider);
  put(into, A.transcriptChars, summary.transcriptChars);
  put(into, A.cachedPromptShare, summary.cachedPromptShare);
  put(into, A.replyChars, summary.replyChars);
  put(into, A.replyAudioMs, summary.replyAudioMs);
  put(into, A.reusedFirst, summary.reusedFirst);
  put(into, A.costUsd, summary.costUsd);
  put(into, A.characters, summary.characters);
  put(into, A.uploads, summary.uploads);
  put(into, A.uploadedBytes, summary.uploadedBytes);
  put(into, A.uploadsWasted, summary.uploadsWasted);
  put(into, A.wastedBytes, summary.wastedBytes);
  put(into, A.interrupted, summary.interrupted);
  put(into, A.falseInterruptions, summary.falseInterruptions);
  put(into, A.heardMs, summary.heardMs);
  put(into, A.unheardMs, summary.unheardMs);
  put(into, A.onsetToLastByteUs, summary.onsetToLastByteUs);
  return into;
}

/**
 * The ledger for a person: `{"endpointing detect": "500.4 ms", …}` as JSON, parts of one stage and phase together, in order of time. A flat
 * object is what Jaeger's page shows open.
 */
function waitOf(ledger: readonly LedgerRow[]): string | undefined {
  if (ledger.length === 0) return undefined;
  const totals = new Map<string, number>();
  for (const { stage, phase, us } of ledger) {
    const part = stage === phase ? stage : `${stage} ${phase}`;
    totals.set(part, (totals.get(part) ?? 0) + us);
  }
  return JSON.stringify(Object.fromEntries([...totals].map(([part, us]) => [part, readable(us)])));
}

function readable(us: number): string {
  return `${(us / 1000).toFixed(1)} ms`;
}

/**
 * Reads a turn span back into the summary that was measured when the turn closed. Throws `InputError` when the span is not
 * a turn span of Retake.
 */
export function summaryOf(span: { traceId: string; attributes: Attrs }): TurnSummary {
  const { attributes } = span;
  return definedOnly({
    sessionId: needed(text(attributes, A.sessionId), A.sessionId),
    turnIndex: needed(figure(attributes, A.turnIndex), A.turnIndex),
    traceId: span.traceId,
    lane: oneOf(LANES, text(attributes, A.lane), A.lane.key),
    variant: needed(text(attributes, A.variant), A.variant),
    world: oneOf(WORLDS, text(attributes, A.world), A.world.key),
    zero: oneOf(ZERO_KINDS, text(attributes, A.zero), A.zero.key),
    e2eUs: figure(attributes, A.e2eUs),
    readLagUs: figure(attributes, A.readLagUs),
    firstAudioByteUs: figure(attributes, A.firstAudioByteUs),
    firstContentAudibleUs: figure(attributes, A.firstContentAudibleUs),
    replyEndUs: figure(attributes, A.replyEndUs),
    stallUs: figure(attributes, A.stallUs),
    ledger: ledgerRows(text(attributes, A.ledger)),
    serviceUs: definedOnly({
      endpointing: figure(attributes, A.endpointingServiceUs),
      stt: figure(attributes, A.sttServiceUs),
      llm: figure(attributes, A.llmServiceUs),
      tts: figure(attributes, A.ttsServiceUs),
    }),
    bets: betRows(text(attributes, A.bets)),
    premature: flag(attributes, A.premature),
    failure: failureIn(attributes),
    model: modelIn(attributes),
    transcriptChars: figure(attributes, A.transcriptChars),
    cachedPromptShare: figure(attributes, A.cachedPromptShare),
    replyChars: figure(attributes, A.replyChars),
    replyAudioMs: figure(attributes, A.replyAudioMs),
    reusedFirst: flag(attributes, A.reusedFirst),
    costUsd: figure(attributes, A.costUsd),
    characters: figure(attributes, A.characters),
    uploads: figure(attributes, A.uploads),
    uploadedBytes: figure(attributes, A.uploadedBytes),
    uploadsWasted: figure(attributes, A.uploadsWasted),
    wastedBytes: figure(attributes, A.wastedBytes),
    interrupted: flag(attributes, A.interrupted) === true ? true : undefined,
    falseInterruptions: figure(attributes, A.falseInterruptions),
    heardMs: figure(attributes, A.heardMs),
    unheardMs: figure(attributes, A.unheardMs),
    onsetToLastByteUs: figure(attributes, A.onsetToLastByteUs),
  });
}

function failureIn(attributes: Attrs): TurnSummary['failure'] {
  const stage = text(attributes, A.failureStage);
  if (stage === undefined) return undefined;
  return { stage, kind: text(attributes, A.errorType) ?? '', message: text(attributes, A.failureMessage) ?? '' };
}

function modelIn(attributes: Attrs): TurnSummary['model'] {
  const requested = text(attributes, A.modelRequested);
  if (requested === undefined) return undefined;
  return definedOnly({
    requested,
    served: text(attributes, A.modelServed),
    provider: text(attributes, A.modelProvider),
  });
}

function ledgerRows(json: string | undefined): LedgerRow[] {
  if (json === undefined) return [];
  const bad = new InputError(`${A.ledger.key} is not [[stage, phase, µs], …]: ${json.slice(0, 80)}`);
  const rows = parsedJson(json);
  if (!Array.isArray(rows)) throw bad;
  return rows.map((row: unknown) => {
    if (!Array.isArray(row) || row.length !== 3) throw bad;
    const [stage, phase, us]: unknown[] = row;
    if (typeof us !== 'number' || !Number.isSafeInteger(us)) throw bad;
    return { stage: oneOf(LEDGER_STAGES, stage, A.ledger.key), phase: oneOf(PHASES, phase, A.ledger.key), us };
  });
}

function betRows(json: string | undefined): TurnSummary['bets'] {
  if (json === undefined) return undefined;
  const bets = parseBets(json);
  if (bets === undefined) throw new InputError(`${A.bets.key} is not a list of bets: ${json.slice(0, 80)}`);
  return bets;
}

function oneOf<Word extends string>(words: readonly Word[], value: unknown, where: string): Word {
  const word = words.find((each) => each === value);
  if (word === undefined) throw new InputError(`${where}: ${jsonStart(value)} is not one of ${words.join(', ')}`);
  return word;
}

function text(attributes: Attrs, spec: AttributeSpec<'string'>): string | undefined {
  const value = attributes[spec.key];
  return typeof value === 'string' ? value : undefined;
}

function figure(attributes: Attrs, spec: AttributeSpec<'int' | 'double'>): number | undefined {
  const value = attributes[spec.key];
  return typeof value === 'number' && Math.abs(value) <= Number.MAX_SAFE_INTEGER ? value : undefined;
}

function flag(attributes: Attrs, spec: AttributeSpec<'boolean'>): boolean | undefined {
  const value = attributes[spec.key];
  return typeof value === 'boolean' ? value : undefined;
}

function needed<Value>(value: Value | undefined, spec: AttributeSpec): Value {
  if (value === undefined) throw new InputError(`the span has no ${spec.key}: it is not a turn span of Retake`);
  return value;
}

/** The answered exchanges of a capture: each as a plan to replay, beside the facts that its time depended on. */
import { type CallStage, type TurnEvent, numberOf, numbersOf, stringOf } from '../../service/base/events.ts';
import { CHARS_PER_TOKEN } from '../../service/strategy/models.ts';
import type { CapturedTurn } from './captured-turn.ts';
import { AUDIO_RATE_HZ } from './speech-audio.ts';
import type { Facts, ItemKind, NetworkPlan, PlannedItem, ReplayedPlan } from './plan.ts';

/** One exchange's boundaries, the first of each kind, and its end. */
export interface CapturedExchange {
  /** `stage.ordinal.attempt.fetch`. */
  name: string;
  boundaries: ReadonlyMap<string, TurnEvent>;
  done: TurnEvent;
}

/** An answered exchange without its text and audio. */
export interface Observation {
  sessionId: string;
  turnIndex: number;
  exchange: string;
  /** µs since 1970 at which its turn's clock began. */
  anchorUs?: number;
  operation: CallStage;
  /** STT and TTS: the method. LLM: the model that was asked for. */
  what: string;
  /** LLM: the model that answered, where the answer named one. */
  served?: string;
  /** STT: ms of audio. LLM: characters of the prompt that the provider had not cached. TTS: characters to speak. */
  size: number;
  uploadBytes: number;
  /** Of speech. 1 for STT and LLM. */
  speed: number;
  plan: ReplayedPlan;
}

/**
 * Only exchanges of one kind are compared with each other. A model's kind is the one that answered, whatever name asked for it; a suffix that
 * chooses among its providers, such as `:nitro`, stays.
 */
export function exchangeKind({ operation, what, served }: Pick<Observation, 'operation' | 'what' | 'served'>): string {
  if (served === undefined || operation !== 'llm') return `${operation} ${what}`;
  const [suffix = ''] = /:[\w-]+$/.exec(what) ?? [];
  return `${operation} ${served.replace(/:[\w-]+$/, '')}${suffix}`;
}

/** The kind of most answers to each name that was asked for. */
export function kindsByName(observations: readonly Observation[]): ReadonlyMap<string, string> {
  const kinds = new Map<string, Map<string, number>>();
  for (const each of observations) {
    const name = exchangeKind({ operation: each.operation, what: each.what });
    const counts = kinds.get(name) ?? new Map<string, number>();
    kinds.set(name, counts);
    counts.set(exchangeKind(each), (counts.get(exchangeKind(each)) ?? 0) + 1);
  }
  return new Map([...kinds].map(([name, counts]) => [name, [...counts].sort(([, a], [, b]) => b - a)[0]?.[0] ?? name]));
}

/** A request's own kind, size and speed. Undefined for a step of a call, such as a poll. */
export function askedOf(
  facts: Facts,
): Pick<Observation, 'operation' | 'what' | 'served' | 'size' | 'speed'> | undefined {
  switch (facts.operation) {
    case 'stt':
      return { operation: 'stt', what: facts.method, size: facts.audioMs, speed: 1 };
    case 'llm':
      return { operation: 'llm', what: facts.model, size: facts.promptChars - (facts.cachedChars ?? 0), speed: 1 };
    case 'tts':
      return { operation: 'tts', what: facts.method, size: facts.text.length, speed: facts.speed };
    case 'other':
      return undefined;
    default:
      return facts satisfies never;
  }
}

/** Exchanges that got response headers and whose end is known. */
export function answeredExchanges(events: readonly TurnEvent[]): CapturedExchange[] {
  const byName = new Map<string, Map<string, TurnEvent>>();
  for (const event of events) {
    if (event.exchange === undefined || !event.kind.startsWith('http.')) continue;
    const boundaries = byName.get(event.exchange) ?? new Map<string, TurnEvent>();
    if (!boundaries.has(event.kind)) boundaries.set(event.kind, event);
    byName.set(event.exchange, boundaries);
  }
  return [...byName].flatMap(([name, boundaries]) => {
    const done = boundaries.get('http.done');
    return done === undefined || !boundaries.has('http.headers') ? [] : [{ name, boundaries, done }];
  });
}

/**
 * Exchanges that times can be fitted to: calls of one request with a whole answer. Calls of several requests (`generate`)
 * are left out: their time lies in their steps.
 */
export function observationsOf({ sessionId, turnIndex, events, anchorUs }: CapturedTurn): Observation[] {
  return answeredExchanges(events).flatMap((exchange): Observation[] => {
    const { name, boundaries, done } = exchange;
    const status = numberOf(boundaries.get('http.headers'), 'status') ?? 200;
    const step = boundaries.get('http.start')?.attrs?.['step'];
    if (status >= 400 || step !== undefined) return [];
    const ofCall = eventsOfCall(events, name);
    const asked = askedThen(ofCall);
    // a stream's reader may leave at the last event, but a transcript needs its whole body
    if (asked === undefined || (asked.operation === 'stt' && done.attrs?.['complete'] === false)) return [];
    const plan = asCaptured(exchange, asked, ofCall(`${asked.operation}.done`));
    if (plan === undefined) return [];
    const { audio: _audio, ...times } = plan;
    const uploadBytes = numberOf(boundaries.get('http.sent'), 'requestBytes') ?? 0;
    return [{ sessionId, turnIndex, exchange: name, anchorUs, ...asked, uploadBytes, plan: times }];
  });
}

export type EventsOfCall = (kind: string) => TurnEvent | undefined;

/** Finds events of an exchange's call by kind. The call's name is `stage.ordinal` of the exchange's name. */
export function eventsOfCall(events: readonly TurnEvent[], exchange: string): EventsOfCall {
  const call = exchange.split('.').slice(0, 2).join('.');
  return (kind) => events.find((event) => event.kind === kind && event.exchange === call);
}

function askedThen(ofCall: EventsOfCall): ReturnType<typeof askedOf> {
  const [stt, llm, tts] = [ofCall('stt.start'), ofCall('llm.start'), ofCall('tts.start')];
  const method = (stt ?? tts)?.attrs?.['method'];
  if (stt !== undefined && method === 'transcriptions')
    return { operation: 'stt', what: method, size: numberOf(stt, 'audioMs') ?? 0, speed: 1 };
  if (llm !== undefined) {
    const cachedChars = CHARS_PER_TOKEN * (numberOf(ofCall('llm.done'), 'cachedTokens') ?? 0);
    const size = Math.max(0, (numberOf(llm, 'promptChars') ?? 0) - cachedChars);
    const served = stringOf(ofCall('llm.done'), 'servedModel');
    return { operation: 'llm', what: String(llm.attrs?.['model'] ?? ''), served, size, speed: 1 };
  }
  if (tts !== undefined && (method === 'stream' || method === 'speech'))
    return { operation: 'tts', what: method, size: numberOf(tts, 'chars') ?? 0, speed: numberOf(tts, 'speed') ?? 1 };
  return undefined;
}

/** A captured exchange as a plan to replay. Undefined where its answer broke off. */
export function asCaptured(
  { boundaries, done }: CapturedExchange,
  { operation, what }: { operation: Facts['operation']; what: string },
  answered: TurnEvent | undefined,
): ReplayedPlan | undefined {
  const atUs = (kind: string): number | undefined => boundaries.get(kind)?.atUs;
  const [startUs, headersUs] = [atUs('http.start'), atUs('http.headers')];
  if (startUs === undefined || headersUs === undefined) return undefined;
  const status = numberOf(boundaries.get('http.headers'), 'status') ?? 200;
  const chunkUs = numbersOf(done, 'chunkUs') ?? [];
  const lastUs = chunkUs[chunkUs.length - 1] ?? done.atUs;
  const sentUs = atUs('http.sent') ?? headersUs;
  const shared = {
    reused: boundaries.get('http.queued')?.attrs?.['reused'] === true,
    networkUs: networkOf(startUs, sentUs, atUs),
    waitUs: headersUs - sentUs,
    terminatorUs: done.attrs?.['complete'] === false ? undefined : Math.max(0, done.atUs - lastUs),
    leadingSilenceMs: numberOf(answered, 'leadingSilenceMs') ?? 0,
  };
  if (status >= 400) return { ...shared, items: [], failed: { status, message: 'as captured' } };
  const streamed = operation === 'llm' || operation === 'tts';
  if (streamed && answered === undefined) return undefined; // broken off
  const rateHz = operation === 'tts' ? replyRateHz(answered) : undefined;
  // stand-ins speak at one rate: audio of another rate is made again, of the same length
  const audio = rateHz === AUDIO_RATE_HZ ? answered?.content?.audio : undefined;
  const bare = operation === 'tts' && what !== 'stream'; // a bare body ends with its audio
  const captured = streamed ? (numbersOf(answered, operation === 'llm' ? 'itemChars' : 'itemBytes') ?? []) : [];
  const sizes = rateHz === undefined || rateHz === AUDIO_RATE_HZ ? captured : atStandInRate(captured, rateHz);
  const atEachUs = streamed ? (numbersOf(answered, 'itemUs') ?? []) : [];
  return { ...shared, items: itemsOf({ atEachUs, sizes, bare, headersUs, lastUs }), audio };
}

/** Captures that name no rate hold Freya's audio at 16 kHz. */
function replyRateHz(answered: TurnEvent | undefined): number {
  return numberOf(answered, 'sampleRateHz') ?? 16_000;
}

/** Sizes of PCM16 at the stand-ins' rate, whole samples that last as long. */
function atStandInRate(sizes: readonly number[], rateHz: number): number[] {
  return sizes.map((bytes) => 2 * Math.round((bytes / 2 / rateHz) * AUDIO_RATE_HZ));
}

function networkOf(startUs: number, sentUs: number, atUs: (kind: string) => number | undefined): NetworkPlan {
  let fromUs = startUs;
  const phase = (kind: string): number | undefined => {
    const endUs = atUs(kind);
    if (endUs === undefined) return undefined;
    const lastedUs = endUs - fromUs;
    fromUs = endUs;
    return lastedUs;
  };
  return {
    queue: phase('http.queued') ?? 0,
    dns: phase('http.dns'),
    connect: phase('http.connected'),
    tls: phase('http.tls'),
    send: sentUs - fromUs,
  };
}

interface Arrivals {
  atEachUs: readonly number[];
  sizes: readonly number[];
  bare: boolean;
  headersUs: number;
  lastUs: number;
}

/** Deltas and audio at their captured arrival, those of one read as one item. The body's last read is the end marker. */
function itemsOf({ atEachUs, sizes, bare, headersUs, lastUs }: Arrivals): PlannedItem[] {
  const items: { atUs: number; kind: ItemKind; parts: number[] }[] = [];
  atEachUs.forEach((atUs, index) => {
    const size = sizes[index] ?? 0;
    const before = items[items.length - 1];
    if (before?.atUs === atUs) before.parts.push(size);
    else items.push({ atUs, kind: 'data', parts: [size] });
  });
  const dataEndsUs = items[items.length - 1]?.atUs ?? headersUs;
  if (!bare || items.length === 0) items.push({ atUs: Math.max(lastUs, dataEndsUs), kind: 'tail', parts: [] });
  let beforeUs = headersUs;
  return items.map(({ atUs, kind, parts }) => {
    const gapUs = Math.max(0, atUs - beforeUs);
    beforeUs = Math.max(atUs, beforeUs);
    return { gapUs, kind, parts };
  });
}

/** Plans and texts from a captured turn: its exchanges come again with the same boundaries, item by item. */
import { CHARS_PER_TOKEN } from '../service/models.ts';
import type { TurnEvent } from '../service/ports.ts';
import { numberOf, numbersOf, replyTextOf, turnKey, type CapturedTurn } from './captured-script.ts';
import type { CapturedPlans, Facts, NetworkPlan, PlannedItem, ReplayedPlan } from './plan.ts';

interface Exchange {
  boundaries: Map<string, TurnEvent>;
  done: TurnEvent;
}

/** A replay may put a nonce at the head of the system prompt: prompts this close in length count as the same work. */
const PROMPT_SLACK_CHARS = 64;

/**
 * Plans of the captured turns' exchanges, by session, turn and exchange. A plan is given out only where the request asks
 * for the same work: the same upload; the same model, limits and prompt size; the same method, voice, speed and text.
 * An exchange that never got response headers has no plan here: the profile takes its place.
 */
export function capturedPlans(turns: readonly CapturedTurn[]): CapturedPlans {
  const byTurn = new Map(turns.map((turn) => [turnKey(turn), plansOf(turn.events)]));
  return (context, facts) => {
    const name = `${context.stage}.${context.ordinal}.${context.attempt}.${context.fetchIndex}`;
    return byTurn.get(turnKey(context))?.get(name)?.(facts);
  };
}

function plansOf(events: readonly TurnEvent[]): Map<string, (facts: Facts) => ReplayedPlan | undefined> {
  const plans = new Map<string, (facts: Facts) => ReplayedPlan | undefined>();
  for (const [name, exchange] of exchangesOf(events)) {
    const call = name.split('.').slice(0, 2).join('.');
    const ofCall = (kind: string): TurnEvent | undefined =>
      events.find((event) => event.kind === kind && event.exchange === call);
    plans.set(name, (facts) => planOf(exchange, facts, events, ofCall));
  }
  return plans;
}

function exchangesOf(events: readonly TurnEvent[]): [name: string, exchange: Exchange][] {
  const byName = new Map<string, Map<string, TurnEvent>>();
  for (const event of events) {
    if (event.exchange === undefined || !event.kind.startsWith('http.')) continue;
    const boundaries = byName.get(event.exchange) ?? new Map<string, TurnEvent>();
    if (!boundaries.has(event.kind)) boundaries.set(event.kind, event);
    byName.set(event.exchange, boundaries);
  }
  return [...byName].flatMap(([name, boundaries]) => {
    const done = boundaries.get('http.done');
    return done === undefined || !boundaries.has('http.headers') ? [] : [[name, { boundaries, done }]];
  });
}

function planOf(
  { boundaries, done }: Exchange,
  facts: Facts,
  events: readonly TurnEvent[],
  ofCall: (kind: string) => TurnEvent | undefined,
): ReplayedPlan | undefined {
  const atUs = (kind: string): number | undefined => boundaries.get(kind)?.atUs;
  const [startUs, headersUs] = [atUs('http.start'), atUs('http.headers')];
  if (startUs === undefined || headersUs === undefined || !sameWork(facts, ofCall, events)) return undefined;

  const status = numberOf(boundaries.get('http.headers'), 'status') ?? 200;
  const answered = ofCall(facts.operation === 'llm' ? 'llm.done' : 'tts.done');
  const chunkUs = numbersOf(done, 'chunkUs');
  const lastUs = chunkUs[chunkUs.length - 1] ?? done.atUs;
  const sentUs = atUs('http.sent') ?? headersUs;
  const shared = {
    reused: boundaries.get('http.queued')?.attrs?.['reused'] === true,
    networkUs: networkOf(startUs, sentUs, atUs),
    waitUs: headersUs - sentUs,
    ...(done.attrs?.['complete'] === false ? {} : { terminatorUs: Math.max(0, done.atUs - lastUs) }),
    leadingSilenceMs: numberOf(answered, 'leadingSilenceMs') ?? 0,
  };
  if (status >= 400) return { ...shared, items: [], failed: { status, message: 'as captured' } };
  if ((facts.operation === 'llm' || facts.operation === 'tts') && answered === undefined) return undefined; // broken off
  const audio = facts.operation === 'tts' ? answered?.content?.audio : undefined;
  return {
    ...shared,
    items: itemsOf(facts, answered, headersUs, lastUs),
    ...(audio === undefined ? {} : { audio }),
  };
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
  const queue = phase('http.queued') ?? 0;
  const [dns, connect, tls] = [phase('http.dns'), phase('http.connected'), phase('http.tls')];
  return {
    queue,
    ...(dns === undefined ? {} : { dns }),
    ...(connect === undefined ? {} : { connect }),
    ...(tls === undefined ? {} : { tls }),
    send: sentUs - fromUs,
  };
}

/** Deltas and audio at their captured arrival, those of one read together; the body's last read ends it. */
function itemsOf(facts: Facts, answered: TurnEvent | undefined, headersUs: number, lastUs: number): PlannedItem[] {
  const items: { atUs: number; kind: 'data' | 'tail'; parts: number[] }[] = [];
  const streamed = facts.operation === 'llm' || facts.operation === 'tts';
  if (streamed) {
    const sizes = numbersOf(answered, facts.operation === 'llm' ? 'itemChars' : 'itemBytes');
    numbersOf(answered, 'itemUs').forEach((atUs, index) => {
      const size = sizes[index] ?? 0;
      const before = items[items.length - 1];
      if (before?.atUs === atUs) before.parts.push(size);
      else items.push({ atUs, kind: 'data', parts: [size] });
    });
  }
  const bare = facts.operation === 'tts' && facts.method !== 'stream'; // a bare body ends with its audio
  const dataEndsUs = items[items.length - 1]?.atUs ?? headersUs;
  if (!bare || items.length === 0) items.push({ atUs: Math.max(lastUs, dataEndsUs), kind: 'tail', parts: [] });
  let beforeUs = headersUs;
  return items.map(({ atUs, kind, parts }) => {
    const gapUs = Math.max(0, atUs - beforeUs);
    beforeUs = Math.max(atUs, beforeUs);
    return { gapUs, kind, parts };
  });
}

function sameWork(
  facts: Facts,
  ofCall: (kind: string) => TurnEvent | undefined,
  events: readonly TurnEvent[],
): boolean {
  if (facts.operation === 'stt') {
    const start = ofCall('stt.start');
    return start?.attrs?.['method'] === facts.method && numberOf(start, 'uploadBytes') === facts.audioBytes;
  }
  if (facts.operation === 'llm') {
    const start = ofCall('llm.start');
    const promptChars = numberOf(start, 'promptChars') ?? 0;
    return (
      start?.attrs?.['model'] === facts.model &&
      numberOf(start, 'messages') === facts.messages &&
      numberOf(start, 'maxTokens') === facts.maxTokens &&
      (numberOf(ofCall('llm.done'), 'cachedTokens') ?? 0) === (facts.cachedChars ?? 0) / CHARS_PER_TOKEN &&
      Math.abs(promptChars - facts.promptChars) <= PROMPT_SLACK_CHARS &&
      replyTextOf(events) === facts.text
    );
  }
  if (facts.operation === 'tts') {
    const start = ofCall('tts.start');
    const index = numberOf(start, 'index');
    const piece = events.find((event) => event.kind === 'piece.ready' && numberOf(event, 'index') === index);
    return (
      start?.attrs?.['method'] === facts.method &&
      start.attrs['voice'] === facts.voice &&
      numberOf(start, 'speed') === facts.speed &&
      (piece?.content?.text === undefined
        ? numberOf(start, 'chars') === facts.text.length
        : piece.content.text === facts.text)
    );
  }
  return false;
}

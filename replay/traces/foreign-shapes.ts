/**
 * How other pipelines' traces say what a turn is: one row each, from their sources (docs/foreign-traces.md#our-words-and-theirs).
 * Neither traces the wait itself, so its window is rebuilt from the latency that they report and the moment in which it stops.
 */
import type { Attrs, LedgerStage } from '../../service/base/events.ts';
import { ATTRIBUTES } from '../../service/telemetry/names.ts';
import type { TraceSpan } from './otlp.ts';
import { below, type TraceNode } from './trace-tree.ts';

export type Node = TraceNode<TraceSpan>;

/** The interval in which the user waited, in µs since 1970. */
export interface Window {
  fromUs: number;
  toUs: number;
}

export interface ForeignShape {
  name: string;
  /** The turns of a trace, given its root: one, or all turns of a conversation. Empty: the trace is of another shape. */
  turns(root: Node): readonly Node[];
  /** From the end of the user's speech to the first reply audio; undefined when the trace does not say. */
  window(turn: Node): Window | undefined;
  /** What the turn's wait is cut along: the turn itself, or what holds it beside what it waited for. */
  scope(turn: Node): Node;
  /** Attributes that name the session, on the turn or above it; the first that is there counts. */
  sessionKeys: readonly string[];
  /** Attributes that number a session's turns; without one they are numbered in order of time. */
  indexKeys: readonly string[];
  /** Stage of a span, by its name; what has none is its parent's. */
  stages: readonly (readonly [name: RegExp, stage: LedgerStage])[];
  /** Attribute of a stage's first span that has the stage's own latency in seconds, where it is not the span's duration. */
  serviceSecondsKeys: readonly string[];
}

/** A word of a name: not a part of a longer word, whatever joins the words. */
const word = (text: string): RegExp => new RegExp(`(^|[^a-z])(${text})([^a-z]|$)`, 'i');

const STAGES: ForeignShape['stages'] = [
  [word('endpoint(ing)?|eou|vad|user_turn|end.?of.?(turn|utterance)'), 'endpointing'],
  [word('stt|asr|transcri\\w*|speech.?to.?text'), 'stt'],
  [word('llm|chat|completions?'), 'llm'],
  [word('tts|synthesi\\w*|text.?to.?speech'), 'tts'],
  [word('playback|deliver|speaking'), 'deliver'],
];

const secondsOf = (attributes: Attrs, key: string): number | undefined => {
  const value = attributes[key];
  return typeof value === 'number' && value > 0 ? value : undefined;
};

/** Of a pipeline that reports the wait in seconds: it ends at `stopUs`. */
function windowBefore(stopUs: number | undefined, seconds: number | undefined): Window | undefined {
  if (stopUs === undefined || seconds === undefined) return undefined;
  return { fromUs: stopUs - Math.round(seconds * 1e6), toUs: stopUs };
}

function firstNamed(turn: Node, name: string): Node | undefined {
  let earliest: Node | undefined;
  for (const node of below(turn))
    if (node.span.name === name && (earliest === undefined || node.span.startUs < earliest.span.startUs))
      earliest = node;
  return earliest;
}

const named = (root: Node, name: string): Node[] => [...below(root)].filter(({ span }) => span.name === name);

const TTFB = 'metrics.ttfb';
const LATENCY = 'turn.user_bot_latency_seconds';

/** `conversation` ⊃ `turn` ⊃ stt, llm, tts. The wait stops when the first reply audio is there, before it is written. */
const PIPECAT: ForeignShape = {
  name: 'Pipecat',
  turns: (root) => {
    const turns = named(root, 'turn').filter(({ span }) => 'turn.number' in span.attributes());
    const isPipecat = root.span.name === 'conversation' || turns.some(({ span }) => LATENCY in span.attributes());
    return isPipecat ? turns : [];
  },
  window: (turn) => {
    const tts = firstNamed(turn, 'tts');
    const ttfbS = tts === undefined ? undefined : secondsOf(tts.span.attributes(), TTFB);
    const stopUs = tts === undefined || ttfbS === undefined ? undefined : tts.span.startUs + Math.round(ttfbS * 1e6);
    return windowBefore(stopUs, secondsOf(turn.span.attributes(), LATENCY));
  },
  scope: (turn) => turn,
  sessionKeys: ['conversation.id', ATTRIBUTES.sessionId.key],
  indexKeys: ['turn.number'],
  stages: STAGES,
  serviceSecondsKeys: [TTFB],
};

/** `agent_session` ⊃ `user_turn` and `agent_turn` side by side. The wait stops when the agent begins to speak. */
const LIVEKIT: ForeignShape = {
  name: 'LiveKit Agents',
  turns: (root) => named(root, 'agent_turn'),
  window: (turn) =>
    windowBefore(firstNamed(turn, 'agent_speaking')?.span.startUs, secondsOf(turn.span.attributes(), 'lk.e2e_latency')),
  scope: (turn) => turn.parent ?? turn,
  sessionKeys: [ATTRIBUTES.sessionId.key, 'lk.job_id', 'lk.room_name'],
  indexKeys: [],
  stages: STAGES,
  serviceSecondsKeys: ['lk.response.ttft', 'lk.response.ttfb'],
};

/** Any trace at all: its root is one turn, and the root's duration is the wait. */
export const GENERIC: ForeignShape = {
  name: 'generic',
  turns: (root) => [root],
  window: ({ span }) => ({ fromUs: span.startUs, toUs: span.endUs }),
  scope: (turn) => turn,
  sessionKeys: [ATTRIBUTES.sessionId.key, ATTRIBUTES.genAiConversationId.key, 'conversation.id', 'thread.id'],
  indexKeys: ['turn.number', 'turn.index'],
  stages: STAGES,
  serviceSecondsKeys: [],
};

/** In order: the first shape that finds turns in a trace reads it. */
export const SHAPES: readonly ForeignShape[] = [PIPECAT, LIVEKIT, GENERIC];

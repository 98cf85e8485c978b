/**
 * How other pipelines trace a turn: one row a pipeline, from its sources (docs/foreign-traces.md#our-words-and-theirs).
 * Pipecat and LiveKit trace no span of the wait. The wait's window follows from the latency that they report and from its end.
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
  /** The turns below a root: one, or those of a whole conversation. None where the trace has another shape. */
  turns(root: Node): readonly Node[];
  /** From the end of the user's speech to the first reply audio. Undefined where the trace does not tell. */
  window(turn: Node): Window | undefined;
  /** The span along which the wait is cut: the turn, or the span that holds the turn and what it waited for. */
  scope(turn: Node): Node;
  /** Attributes that name the session, on the turn or above. The first one found counts. */
  sessionKeys: readonly string[];
  /** Attributes that number the turns of a session. Without one, turns are numbered in order of time. */
  indexKeys: readonly string[];
  /** The stage of a span by its name. A span whose name matches no row has the stage of its parent. */
  stages: readonly (readonly [name: RegExp, stage: LedgerStage])[];
  /** Attributes of a stage's first span that hold the latency of the stage in seconds, in place of the span's duration. */
  serviceSecondsKeys: readonly string[];
}

/** Matches a whole word of a name. Anything but letters may join words: `tts` in `run-tts`, not in `watts`. */
const word = (text: string): RegExp => new RegExp(`(^|[^a-z])(${text})([^a-z]|$)`, 'i');

const STAGES: ForeignShape['stages'] = [
  [word('endpoint(ing)?|eou|vad|user_turn|end.?of.?(turn|utterance)'), 'endpointing'],
  [word('stt|asr|transcri\\w*|speech.?to.?text'), 'stt'],
  [word('llm|chat|completions?'), 'llm'],
  [word('tts|synthesi\\w*|text.?to.?speech'), 'tts'],
  [word('playback|deliver|speaking'), 'deliver'],
];

/** A longer latency is an error of the trace. */
export const DAY_S = 86_400;

const secondsOf = (attributes: Attrs, key: string): number | undefined => {
  const value = attributes[key];
  return typeof value === 'number' && value > 0 && value <= DAY_S ? value : undefined;
};

/** The wait that lasted `seconds` and ended at `stopUs`. */
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

const spansNamed = (root: Node, name: string): Node[] => [...below(root)].filter(({ span }) => span.name === name);

const TTFB = 'metrics.ttfb';
const LATENCY = 'turn.user_bot_latency_seconds';

/** `conversation` ⊃ `turn` ⊃ stt, llm, tts. The wait ends when the first reply audio arrives, before the pipeline writes it. */
const PIPECAT: ForeignShape = {
  name: 'Pipecat',
  turns: (root) => {
    const turns = spansNamed(root, 'turn').filter(({ span }) => 'turn.number' in span.attributes);
    const isPipecat = root.span.name === 'conversation' || turns.some(({ span }) => LATENCY in span.attributes);
    return isPipecat ? turns : [];
  },
  window: (turn) => {
    const tts = firstNamed(turn, 'tts');
    const ttfbS = tts === undefined ? undefined : secondsOf(tts.span.attributes, TTFB);
    const stopUs = tts === undefined || ttfbS === undefined ? undefined : tts.span.startUs + Math.round(ttfbS * 1e6);
    return windowBefore(stopUs, secondsOf(turn.span.attributes, LATENCY));
  },
  scope: (turn) => turn,
  sessionKeys: ['conversation.id', ATTRIBUTES.sessionId.key],
  indexKeys: ['turn.number'],
  stages: STAGES,
  serviceSecondsKeys: [TTFB],
};

/** `agent_session` ⊃ `user_turn` and `agent_turn` side by side. The wait ends when the agent begins to speak. */
const LIVEKIT: ForeignShape = {
  name: 'LiveKit Agents',
  turns: (root) => spansNamed(root, 'agent_turn'),
  window: (turn) =>
    windowBefore(firstNamed(turn, 'agent_speaking')?.span.startUs, secondsOf(turn.span.attributes, 'lk.e2e_latency')),
  scope: (turn) => turn.parent ?? turn,
  sessionKeys: [ATTRIBUTES.sessionId.key, 'lk.job_id', 'lk.room_name'],
  indexKeys: [],
  stages: STAGES,
  serviceSecondsKeys: ['lk.response.ttft', 'lk.response.ttfb'],
};

/** Any other trace: the root is one turn, and the duration of the root is the wait. */
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

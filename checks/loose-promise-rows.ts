/** The rows of the check `loose-promises`: ways to a provider, answers that nobody expects, and moments of an abort. */
import type { StrategyPatch } from '../service/strategy/patch.ts';
import type { FaultSpec } from '../sim/faults/kinds.ts';
import type { RouteName } from '../sim/faults/routes.ts';

/** A route, and the knobs that choose who sends the request and who reads the answer. */
export interface Way {
  name: string;
  route: RouteName;
  patch: StrategyPatch;
}

const QUEUE = { method: 'generate', queue: { pollMs: 10 } } as const;
const BY_STREAM = { method: 'generate', queue: { status: 'stream' } } as const;
const FETCHED = { tts: QUEUE };
const UPLOADED = { stt: { method: 'generate' } };

/** Over HTTP/1.1: many cancelled requests on one HTTP/2 connection end the process inside Node (docs/operating.md). */
export const WAYS: readonly Way[] = [
  { name: 'stt', route: 'stt.transcriptions', patch: {} },
  { name: 'stt generate', route: 'stt.generate', patch: UPLOADED },
  { name: 'stt initiate', route: 'storage.initiate', patch: UPLOADED },
  { name: 'stt put', route: 'storage.put', patch: UPLOADED },
  { name: 'llm sdk', route: 'llm', patch: { llm: { sse: 'sdk' } } },
  { name: 'llm parser', route: 'llm', patch: { llm: { sse: 'parser' } } },
  { name: 'llm sdk drain', route: 'llm', patch: { network: { keepAlive: { drain: true } } } },
  { name: 'tts stream sdk', route: 'tts.stream', patch: { tts: { sse: 'sdk' } } },
  { name: 'tts stream parser', route: 'tts.stream', patch: { tts: { sse: 'parser' } } },
  { name: 'tts speech', route: 'tts.speech', patch: { tts: { method: 'speech' } } },
  { name: 'tts speech wav', route: 'tts.speech', patch: { tts: { method: 'speech', format: 'wav' } } },
  { name: 'queue submit', route: 'queue.submit', patch: FETCHED },
  { name: 'queue poll', route: 'queue.poll', patch: FETCHED },
  { name: 'queue states', route: 'queue.poll', patch: { tts: BY_STREAM } },
  { name: 'queue result', route: 'queue.result', patch: FETCHED },
  { name: 'cdn', route: 'cdn.get', patch: FETCHED },
  { name: 'generation record', route: 'llm.generation', patch: {} },
  { name: 'region probe', route: 'region.probe', patch: { network: { region: 'nearest' } } },
];

export interface AnswerRow {
  name: string;
  /** Absent: the answer is as it should be. */
  fault?: FaultSpec;
}

export const ANSWERS: readonly AnswerRow[] = [
  { name: 'as it should be' },
  { name: 'JSON', fault: { kind: 'json' } },
  { name: 'HTML', fault: { kind: 'html' } },
  { name: 'empty', fault: { kind: 'no-body' } },
  { name: '202', fault: { kind: 'json', status: 202 } },
  { name: '204', fault: { kind: 'no-body', status: 204 } },
  { name: '500', fault: { kind: 'status', status: 500 } },
  { name: 'redirect to itself', fault: { kind: 'redirect' } },
  { name: 'redirect elsewhere', fault: { kind: 'redirect', location: 'https://elsewhere.invalid/' } },
  { name: 'reset after headers', fault: { kind: 'reset-mid-body', afterChunks: 0 } },
  { name: 'reset in the body', fault: { kind: 'reset-mid-body' } },
  { name: 'silence after headers', fault: { kind: 'stall-mid-stream', afterChunks: 0 } },
  { name: 'silence in the body', fault: { kind: 'stall-mid-stream' } },
  { name: 'shorter than said', fault: { kind: 'shorter-than-said' } },
  { name: 'longer than said', fault: { kind: 'longer-than-said' } },
  { name: 'garbage after headers', fault: { kind: 'garbage', afterChunks: 0 } },
  { name: 'garbage in the body', fault: { kind: 'garbage' } },
];

/** When the turn is cancelled: as the request is handed to the transport, sent, answered, or when its answer is over. */
export const ABORTS = ['never', 'before', 'headers', 'body', 'after'] as const;
export type Abort = (typeof ABORTS)[number];

export interface LooseCell {
  name: string;
  /** The session's id, to which the scenario's rule applies: cells that differ in the abort share it. */
  session: string;
  way: Way;
  answer: AnswerRow;
  abort: Abort;
}

/** Every combination. The answer plays no part in an abort before the request, so that stands once a way. */
export const CELLS: readonly LooseCell[] = WAYS.flatMap((way) =>
  ANSWERS.flatMap((answer, index) =>
    ABORTS.filter((abort) => abort !== 'before' || index === 0).map((abort) => ({
      name: `${way.name}, ${answer.name}, abort ${abort}`,
      session: `${way.name}, ${answer.name}`,
      way,
      answer,
      abort,
    })),
  ),
);

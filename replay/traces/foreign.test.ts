/** Pipecat's and LiveKit's span trees as turns: the wait that they report, cut along what ran in it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { foreignTurns, numberTurns, type ForeignTurn } from './foreign.ts';
import type { TraceSpan } from './otlp.ts';
import { treesOf } from './trace-tree.ts';

type Row = [name: string, parent: string, startMs: number, endMs: number, attributes?: Record<string, string | number>];

/** A span's id is its name, or its name and a number where there are several. */
function turnsOf(rows: readonly Row[]): ForeignTurn[] {
  const spans = rows.map(([id, parent, startMs, endMs, attributes = {}]): TraceSpan => ({
    ...{ traceId: 'trace', spanId: id, parentSpanId: parent, name: id.replace(/ \d$/, ''), failed: false },
    startUs: startMs * 1000,
    endUs: endMs * 1000,
    attributes,
  }));
  return treesOf(spans).roots.flatMap((root) => foreignTurns(root) ?? []);
}

/** User speaks 0–1000, VAD decides at 1300, transcript 1400, text from 1700, sentence 1900, audio 2100. */
const PIPECAT: Row[] = [
  ['conversation', '', 0, 9000, { 'conversation.id': 'call-1', 'conversation.type': 'voice' }],
  ['turn 1', 'conversation', 0, 8000, { 'turn.number': 1, 'turn.user_bot_latency_seconds': 1.1 }],
  ['stt', 'turn 1', 0, 1400, { 'metrics.ttfb': 0.4 }],
  ['llm', 'turn 1', 1400, 2500, { 'metrics.ttfb': 0.3 }],
  ['tts', 'turn 1', 1900, 6000, { 'metrics.ttfb': 0.2 }],
  ['turn 2', 'conversation', 8000, 8900, { 'turn.number': 2 }],
];

test('Pipecat: the window ends where the first reply audio is there, and begins its reported latency before', () => {
  const [first, second] = turnsOf(PIPECAT).map(({ summary }) => summary);
  assert.deepEqual([first?.sessionId, first?.turnIndex, first?.e2eUs], ['call-1', 1, 1_100_000]);
  assert.deepEqual(
    first?.ledger.map(({ stage, us }) => [stage, us]),
    [
      ['stt', 400_000],
      ['llm', 500_000],
      ['tts', 200_000],
    ],
  );
  assert.deepEqual(first?.serviceUs, { stt: 400_000, llm: 300_000, tts: 200_000 });
  assert.deepEqual([second?.turnIndex, second?.e2eUs, second?.ledger], [2, undefined, []], 'not told, so absent');
});

/** The same conversation as LiveKit tells it: user and agent turn side by side. */
const LIVEKIT: Row[] = [
  ['agent_session', '', 0, 9000, { 'lk.job_id': 'job-1' }],
  ['user_turn', 'agent_session', 0, 1300],
  ['user_speaking', 'user_turn', 0, 1000],
  ['eou_detection', 'user_turn', 1000, 1300],
  ['agent_turn', 'agent_session', 1300, 6000, { 'lk.e2e_latency': 1.1 }],
  ['llm_node', 'agent_turn', 1300, 2500, { 'lk.response.ttft': 0.4 }],
  ['llm_request', 'llm_node', 1310, 2490],
  ['tts_node', 'agent_turn', 1900, 6000, { 'lk.response.ttfb': 0.2 }],
  ['agent_speaking', 'agent_turn', 2100, 6000],
];

test("LiveKit: the agent's waits beside its own turn are in the wait", () => {
  const [turn] = numberTurns(turnsOf(LIVEKIT));
  assert.deepEqual([turn?.summary.sessionId, turn?.summary.turnIndex, turn?.summary.e2eUs], ['job-1', 0, 1_100_000]);
  const byStage = Map.groupBy(turn?.summary.ledger ?? [], ({ stage }) => stage);
  assert.deepEqual(
    [...byStage].map(([stage, parts]) => [stage, parts.reduce((sum, { us }) => sum + us, 0)]),
    [
      ['endpointing', 300_000],
      ['llm', 600_000],
      ['tts', 200_000],
    ],
  );
  assert.equal(turn?.spans.paths[0], 'agent_turn');
});

test('LiveKit: a latency that was lost and written as 0 is absent', () => {
  const zero = LIVEKIT.map(([id, parent, from, to, more]): Row => [
    id,
    parent,
    from,
    to,
    id === 'agent_turn' ? { 'lk.e2e_latency': 0 } : more,
  ]);
  assert.equal(turnsOf(zero)[0]?.summary.e2eUs, undefined);
});

test('a name holds a stage’s word as a word: "llm_node" is llm, "stuttgart" is nothing', () => {
  const stages = ['llm_node', 'stuttgart', 'fal-stt', 'chat gpt-4o', 'Transcribe', 'tts.stream'].map((name) => {
    const [turn] = turnsOf([
      ['reply', '', 0, 100],
      [name, 'reply', 0, 100],
    ]);
    return turn?.summary.ledger[0]?.stage;
  });
  assert.deepEqual(stages, ['llm', 'our code', 'stt', 'llm', 'stt', 'tts']);
});

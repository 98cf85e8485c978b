/** Traces of other pipelines pass the real Collector and Jaeger and read back as the same turns. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { loadTurns } from '../../replay/traces/load.ts';
import { keyedHex } from '../../service/base/random.ts';
import { folderOf, startStack, until } from './harness.ts';
import { send, type MadeTrace } from './made-traces.ts';
import { jaegerSpans } from './spans.ts';

type Row = [name: string, parent: string, startMs: number, endMs: number, attributes?: Record<string, string | number>];

/** One conversation of two turns, as Pipecat sends it: the speech-to-text span begins before its turn. */
const PIPECAT: Row[] = [
  ['conversation', '', 0, 9000, { 'conversation.id': 'call-1', 'conversation.type': 'voice' }],
  ['turn 1', 'conversation', 10, 8000, { 'turn.number': 1, 'turn.user_bot_latency_seconds': 1.1 }],
  ['stt', 'turn 1', 0, 1400, { 'metrics.ttfb': 0.4, transcript: 'what was said' }],
  ['llm', 'turn 1', 1400, 2500, { 'metrics.ttfb': 0.3, input: 'what was asked' }],
  ['tts', 'turn 1', 1900, 6000, { 'metrics.ttfb': 0.2, text: 'what is spoken' }],
  ['turn 2', 'conversation', 8000, 8900, { 'turn.number': 2, 'turn.user_bot_latency_seconds': 1 }],
];

/** As LiveKit sends it: user and agent turn side by side, and a session that only its room names. */
const LIVEKIT: Row[] = [
  ['agent_session', '', 0, 9000, { 'lk.room_name': 'room-1' }],
  ['user_turn', 'agent_session', 0, 1300, { 'lk.user_transcript': 'what was said' }],
  ['eou_detection', 'user_turn', 1000, 1300],
  ['agent_turn', 'agent_session', 1300, 6000, { 'lk.e2e_latency': 1.1 }],
  ['llm_node', 'agent_turn', 1300, 2500, { 'lk.response.ttft': 0.4 }],
  ['tts_node', 'agent_turn', 1900, 6000, { 'lk.response.ttfb': 0.2 }],
  ['agent_speaking', 'agent_turn', 2100, 6000],
];

test('Pipecat and LiveKit: the same sessions, turns and parts from Jaeger as from a file of what was sent', async (context) => {
  const folder = folderOf(context);
  const stack = await startStack(context, folder);
  const beganMs = Date.now() - 60_000;
  for (const [service, rows, turns] of [
    ['pipecat', PIPECAT, 2],
    ['livekit', LIVEKIT, 1],
  ] as const) {
    const trace = traceOf(service, rows, beganMs);
    const file = join(folder, `${service}.otlp.jsonl`);
    writeFileSync(file, `${JSON.stringify(trace)}\n`);
    await send(stack.collector.urls.otlp, [trace]);
    const { ui } = stack.jaeger.urls;
    const query = { service, operation: undefined };
    await until(async () => (await jaegerSpans(ui, query)).size === rows.length, `${service} in Jaeger`);
    const summaries = async (source: string): Promise<unknown[]> =>
      (await loadTurns(source)).turns.map(({ summary }) => summary);
    const sent = await summaries(file);
    assert.equal(sent.length, turns);
    assert.match(JSON.stringify(sent), /"e2eUs":1100000.*"stage":"llm"/, 'control: there is something to lose');
    assert.deepEqual(await summaries(`jaeger:${ui}?service=${service}&from=1h`), sent);
    const kept = JSON.stringify([...(await jaegerSpans(ui, query)).values()]);
    assert.doesNotMatch(kept, /what (was|is)/, 'content does not pass');
  }
});

function traceOf(service: string, rows: readonly Row[], beganMs: number): MadeTrace {
  const attributesOf = (values: Record<string, string | number>): { key: string; value: Record<string, unknown> }[] =>
    Object.entries(values).map(([key, value]) => {
      if (typeof value === 'string') return { key, value: { stringValue: value } };
      return { key, value: Number.isInteger(value) ? { intValue: String(value) } : { doubleValue: value } };
    });
  const nanoseconds = (ms: number): string => `${beganMs + ms}000000`;
  const spans = rows.map(([id, parent, startMs, endMs, attributes = {}]) => ({
    traceId: keyedHex(32, service, beganMs),
    spanId: keyedHex(16, service, id),
    parentSpanId: parent === '' ? undefined : keyedHex(16, service, parent),
    name: id.replace(/ \d$/, ''),
    kind: 1,
    startTimeUnixNano: nanoseconds(startMs),
    endTimeUnixNano: nanoseconds(endMs),
    attributes: attributesOf(attributes),
  }));
  const resource = { attributes: attributesOf({ 'service.name': service }) };
  return { resourceSpans: [{ resource, scopeSpans: [{ scope: {}, spans }] }] };
}

/** What a comparison reads: a row a parser, with samples that it reads. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { InputError } from '../../service/base/errors.ts';
import { parsedJson } from '../../service/base/json.ts';
import { ATTRIBUTES } from '../../service/telemetry/names.ts';
import { buildReport } from '../../replay/report/build.ts';
import { renderReport } from '../../replay/report/formats.ts';
import { parseReport } from '../../replay/report/json.ts';
import { parseImport } from '../../replay/sessions/import-format.ts';
import { jaegerSourceOf, jaegerTraces } from '../../replay/traces/jaeger.ts';
import { readTurns, type LoadedTurns } from '../../replay/traces/load.ts';
import type { Located } from '../../replay/traces/otlp.ts';
import { tracedTurnKey } from '../../replay/traces/trace-tree.ts';
import type { ParserRow } from './fuzz.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const read = (path: string): Buffer => readFileSync(join(ROOT, path));
const isDeclared = (error: unknown): boolean => error instanceof InputError;

async function* documents(bytes: Uint8Array): AsyncGenerator<Located> {
  for (const [index, line] of Buffer.from(bytes).toString('utf8').split('\n').entries()) {
    if (line.trim() === '') continue;
    const json = parsedJson(line);
    if (json === undefined) throw new InputError(`x:${index + 1}: not JSON`);
    yield { json, where: `x:${index + 1}` };
  }
}

/** Compared with themselves, as far as a line on a terminal. */
async function compared({ turns }: LoadedTurns): Promise<void> {
  const arm = { lane: 'captured', variant: 'x', commit: 'x', strategyHash: 'x' };
  const spans = new Map(turns.map((turn) => [tracedTurnKey(turn.summary), turn.spans]));
  const side = { arm, turns: turns.map(({ summary }) => summary), spans };
  const report = buildReport({ world: 'live', a: side, b: side, mayBeUnpaired: true });
  if (report !== undefined) await renderReport('terminal', report, {});
}

const FOREIGN = ['turn', 'stt', 'llm', 'tts'].map((name, index) => ({
  ...{ traceId: 'ab'.repeat(16), spanId: String(index), parentSpanId: index === 0 ? '' : '0', name },
  startTimeUnixNano: `179000000000000${index}000`,
  endTimeUnixNano: `179000000000001${index}000`,
  attributes: [
    { key: 'turn.number', value: { intValue: '1' } },
    { key: 'turn.user_bot_latency_seconds', value: { doubleValue: 0.5 } },
    { key: 'metrics.ttfb', value: { doubleValue: 0.1 } },
    { key: ATTRIBUTES.sessionId.key, value: { stringValue: 's' } },
  ],
}));
const REQUEST = JSON.stringify({ resourceSpans: [{ scopeSpans: [{ spans: FOREIGN }] }] });

function otlpSamples(): Uint8Array[] {
  const folder = 'fixtures/sessions/format-1';
  const own = readdirSync(join(ROOT, folder)).map((name) => read(`${folder}/${name}/trace.otlp.jsonl`));
  const firstLines = own.map((bytes) => bytes.subarray(0, bytes.indexOf('\n') + 1));
  return [...firstLines, Buffer.from(REQUEST), Buffer.from(`${REQUEST}\n${REQUEST.replaceAll('ab', 'cd')}`)];
}

/** Jaeger's answer comes by a `data:` URL: `fetch` reads it as it reads any other. */
async function askedOfJaeger(bytes: Uint8Array): Promise<void> {
  const source = jaegerSourceOf('jaeger:http://127.0.0.1?service=x&from=1h&to=1h', 1_790_000_000_000_000);
  const url = `data:application/json;base64,${Buffer.from(bytes).toString('base64')}#`;
  await compared(await readTurns(jaegerTraces({ ...source, url }, AbortSignal.timeout(10_000)), 'x'));
}

async function rendered(bytes: Uint8Array): Promise<void> {
  const report = parseReport(parsedJson(Buffer.from(bytes).toString('utf8')), 'x');
  for (const format of ['terminal', 'json', 'markdown', 'html'] as const) await renderReport(format, report, {});
}

export const REPLAY_ROWS: readonly ParserRow[] = [
  {
    name: 'OTLP lines',
    samples: otlpSamples(),
    parse: async (bytes) => compared(await readTurns(documents(bytes), 'x')),
    isDeclared,
  },
  {
    name: 'answers of Jaeger',
    samples: [Buffer.from(`{"result":${REQUEST}}`), Buffer.from('{"error":{"httpCode":404,"message":"none"}}')],
    parse: askedOfJaeger,
    isDeclared,
  },
  {
    name: 'sessions.json of an import',
    samples: [
      read('fixtures/sessions.json'),
      Buffer.from(
        '{"sessions":[{"sessionId":"a","language":"tr","systemPrompt":"x","turns":[{"audio":"a.wav","transcript":"x","turnEndedMs":5}]}]}',
      ),
    ],
    parse: (bytes) => parseImport(parsedJson(Buffer.from(bytes).toString('utf8')), 'x'),
    isDeclared,
  },
  {
    name: 'report.json',
    samples: [read('fixtures/reports/faster.json')],
    parse: rendered,
    isDeclared,
    everyRounds: 10,
  },
];

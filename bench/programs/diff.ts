/**
 * `npm run bench -- diff`: `retake diff` of two OTLP JSON lines files of 10,000 turns with 60 spans each. Time and peak memory
 * are those of a process of its own; a quarter of the turns beside it shows what memory grows by. `--gate` exits 1 when a bar
 * of docs/performance.md#bars is missed.
 */
import { spawn } from 'node:child_process';
import { createWriteStream, readFileSync, statSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { once } from 'node:events';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { keyedHex, keyedRandom } from '../../service/base/random.ts';
import { ATTRIBUTES as A } from '../../service/telemetry/names.ts';
import { commandOf, wholeFrom } from '../../scripts/programs/options.ts';

const TURNS = 10_000;
const SPANS = 60;
const TURNS_PER_SESSION = 20;
const BARS = { seconds: 20, peakMb: 1000 } as const;
const TEMPLATE = new URL('../../fixtures/sessions/format-1/52d7037fd5e995c80448/trace.otlp.jsonl', import.meta.url);

interface OtlpSpan {
  traceId: string;
  spanId: string;
  parentSpanId?: string;
  name: string;
  endTimeUnixNano: string;
  attributes: { key: string; value: Record<string, unknown> }[];
}
interface OtlpLine {
  resourceSpans: { scopeSpans: { spans: OtlpSpan[] }[] }[];
}

let template: string | undefined;

const { turns, gate } = commandOf('npm run bench -- diff')
  .option('--turns <n>', 'turns a file', wholeFrom(4), TURNS)
  .option('--gate', 'exit code 1 when a bar is missed')
  .parse()
  .opts<{ turns: number; gate?: boolean }>();
const folder = await mkdtemp(join(tmpdir(), 'retake-bench-diff-'));
try {
  console.log(`${cpus().length} × ${cpus()[0]?.model ?? 'unknown'}, Node ${process.versions.node}`);
  const results = [];
  for (const count of [Math.round(turns / 4), turns]) {
    const [a, b] = [join(folder, `a-${count}.otlp.jsonl`), join(folder, `b-${count}.otlp.jsonl`)];
    await write(a, count, 'a', 1);
    await write(b, count, 'b', 0.9);
    const megabytes = (statSync(a).size + statSync(b).size) / 1e6;
    const { seconds, peakMb, verdict } = await diff(a, b);
    results.push({ count, seconds, peakMb });
    console.log(
      `2 × ${count} turns × ${SPANS} spans, ${megabytes.toFixed(0)} MB: ${seconds.toFixed(1)} s, ` +
        `peak ${peakMb.toFixed(0)} MB, ${(megabytes / seconds).toFixed(0)} MB/s, verdict ${verdict}`,
    );
    await Promise.all([rm(a), rm(b)]);
  }
  const [quarter, whole] = results;
  if (quarter === undefined || whole === undefined) throw new TypeError('nothing was measured');
  const grown = ((whole.peakMb - quarter.peakMb) * 1000) / (2 * (whole.count - quarter.count));
  console.log(`memory grows by ${grown.toFixed(1)} kB a turn; bars: ${BARS.seconds} s, ${BARS.peakMb} MB`);
  const met = whole.seconds < BARS.seconds && whole.peakMb < BARS.peakMb;
  console.log(met ? 'met' : 'MISSED');
  if (gate && !met) process.exitCode = 1;
} finally {
  await rm(folder, { recursive: true, force: true });
}

/** Turns as the fixture's, each with its own ids and its own times; side b waits `factor` times as long for the model. */
async function write(path: string, count: number, side: string, factor: number): Promise<void> {
  const stream = createWriteStream(path);
  for (let turn = 0; turn < count; turn++) {
    if (!stream.write(`${JSON.stringify(lineOf(turn, side, factor))}\n`)) await once(stream, 'drain');
  }
  stream.end();
  await once(stream, 'finish');
}

function lineOf(turn: number, side: string, factor: number): OtlpLine {
  const line: OtlpLine = JSON.parse(readTemplate());
  const scope = line.resourceSpans[0]?.scopeSpans[0];
  if (scope === undefined) throw new TypeError('the template holds no spans');
  const random = keyedRandom('bench', turn);
  const traceId = keyedHex(32, side, turn);
  while (scope.spans.length < SPANS) scope.spans.push(extraSpan(scope.spans, scope.spans.length));
  scope.spans.length = SPANS;
  for (const span of scope.spans) {
    span.traceId = traceId;
    set(span, A.sessionId.key, { stringValue: `session-${Math.floor(turn / TURNS_PER_SESSION)}` });
    set(span, A.turnIndex.key, { intValue: turn % TURNS_PER_SESSION });
    if (span.name === 'turn') retime(span, (0.8 + 0.4 * random()) * factor);
  }
  return line;
}

function retime(span: OtlpSpan, factor: number): void {
  const text = span.attributes.find(({ key }) => key === A.ledger.key)?.value['stringValue'];
  const rows: [string, string, number][] = JSON.parse(String(text));
  for (const row of rows) if (row[0] === 'llm') row[2] = Math.round(row[2] * factor);
  const e2eUs = rows.reduce((sum, [, , us]) => sum + us, 0);
  set(span, A.ledger.key, { stringValue: JSON.stringify(rows) });
  set(span, A.e2eUs.key, { intValue: e2eUs });
  set(span, A.firstContentAudibleUs.key, { intValue: e2eUs });
}

function set(span: OtlpSpan, name: string, value: Record<string, unknown>): void {
  const known = span.attributes.find(({ key }) => key === name);
  if (known === undefined) span.attributes.push({ key: name, value });
  else known.value = value;
}

/** One more span like the last one, with an id of its own. */
function extraSpan(spans: readonly OtlpSpan[], ordinal: number): OtlpSpan {
  const last = spans.at(-1);
  if (last === undefined) throw new TypeError('the template holds no spans');
  return { ...last, spanId: `f${String(ordinal).padStart(15, '0')}`, attributes: [...last.attributes] };
}

function readTemplate(): string {
  template ??= readFileSync(TEMPLATE, 'utf8').split('\n')[0] ?? '';
  return template;
}

async function diff(a: string, b: string): Promise<{ seconds: number; peakMb: number; verdict: string }> {
  const began = performance.now();
  const main = fileURLToPath(new URL('../../cli/main.ts', import.meta.url));
  const child = spawn(process.execPath, [main, 'diff', a, b, '--json'], { stdio: ['ignore', 'pipe', 'inherit'] });
  let out = '';
  child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString('utf8')));
  let peakMb = 0;
  const watch = setInterval(() => (peakMb = Math.max(peakMb, peakOf(child.pid))), 20);
  const [code]: unknown[] = await once(child, 'close');
  clearInterval(watch);
  if (code !== 0 && code !== 1 && code !== 3) throw new TypeError(`retake diff ended with ${String(code)}`);
  const report: { verdict: string } = JSON.parse(out);
  return { seconds: (performance.now() - began) / 1000, peakMb, verdict: report.verdict };
}

/** The peak resident size that Linux keeps of a process; 0 when it is gone or another system runs. */
function peakOf(pid: number | undefined): number {
  try {
    const [, kilobytes] = /VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid ?? 0}/status`, 'utf8')) ?? [];
    return Number(kilobytes ?? 0) / 1024;
  } catch {
    return 0;
  }
}

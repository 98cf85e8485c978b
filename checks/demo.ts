/**
 * `npm run verify -- demo`: runs the demo and judges what it left in `out/demo`. Ledgers and printed rows add up, captures replay
 * as they were, and the traces are OTLP JSON of our registry. Each check is run on a damaged copy too, and must then complain.
 */
import { readFileSync } from 'node:fs';
import { SPAN_OF_PHASE } from '../service/telemetry/http-spans.ts';
import { ATTRIBUTES, SPANS } from '../service/telemetry/names.ts';
import { quantile } from '../service/base/quantile.ts';
import { commandOf } from '../scripts/programs/options.ts';

interface Turn {
  sessionId: string;
  turnIndex: number;
  lane: string;
  e2eUs?: number;
  ledger: { stage: string; phase: string; us: number }[];
}
interface Span {
  traceId: string;
  spanId: string;
  parentSpanId?: string;
  name: string;
  startTimeUnixNano: string;
  endTimeUnixNano: string;
  attributes: { key: string }[];
}
interface Demo {
  turns: Turn[];
  markdown: string;
  /** One turn's spans each, as a line of the file has them. */
  traces: Span[][];
}

const PHASES: ReadonlySet<string> = new Set(Object.values(SPAN_OF_PHASE));

function load(folder: string): Demo {
  const report: { turns: Turn[] } = JSON.parse(readFileSync(`${folder}/report.json`, 'utf8'));
  const lines = readFileSync(`${folder}/trace.otlp.jsonl`, 'utf8').split('\n').filter(Boolean);
  const traces = lines.map((line) => {
    const request: { resourceSpans: { scopeSpans: { spans: Span[] }[] }[] } = JSON.parse(line);
    return request.resourceSpans.flatMap(({ scopeSpans }) => scopeSpans.flatMap(({ spans }) => spans));
  });
  return { turns: report.turns, markdown: readFileSync(`${folder}/report.md`, 'utf8'), traces };
}

interface Check {
  name: string;
  run(demo: Demo): string[];
  /** Breaks the demo, so that this check must complain. */
  damage(demo: Demo): void;
}

const CHECKS: readonly Check[] = [
  {
    name: 'Σ ledger = end to end in µs, every turn of every lane',
    run: ({ turns }) =>
      turns.flatMap(({ sessionId, turnIndex, lane, e2eUs, ledger }) =>
        ledger.reduce((sum, { us }) => sum + us, 0) === e2eUs ? [] : [`${lane} ${sessionId} ${turnIndex}`],
      ),
    damage: ({ turns }) => void (turns[0]?.ledger[0] !== undefined && turns[0].ledger[0].us++),
  },
  {
    name: 'the printed rows of report.md add up to the printed total',
    run: ({ markdown }) => {
      const tenths = (cell: string | undefined): number =>
        Math.round(Number((cell ?? '').replaceAll('*', '').replace('−', '-').trim()) * 10);
      const [table = ''] = /\| stage \| phase[\s\S]*?\n\n/.exec(markdown) ?? [];
      const rows = table
        .trim()
        .split('\n')
        .slice(2)
        .map((row) => row.split('|').slice(3, 6).map(tenths));
      const total = rows.pop();
      return [0, 1, 2].flatMap((column) => {
        const sum = rows.reduce((all, row) => all + (row[column] ?? Number.NaN), 0);
        return sum === total?.[column]
          ? []
          : [`column ${column}: rows ${sum}, total ${String(total?.[column])} tenths`];
      });
    },
    damage: (demo) => (demo.markdown = demo.markdown.replace(/\| stt \| wait \| \d/, '| stt | wait | 99')),
  },
  {
    name: 'captured turns replayed as baseline: error of end to end ≤0.5 % (median), ≤2 % (p95)',
    run: ({ turns }) => {
      const errors = turns.flatMap((captured) => {
        if (captured.lane !== 'captured' || captured.e2eUs === undefined) return [];
        const again = turns.find(
          ({ lane, sessionId, turnIndex }) =>
            lane === 'baseline' && sessionId === captured.sessionId && turnIndex === captured.turnIndex,
        );
        return [(100 * Math.abs((again?.e2eUs ?? Number.NaN) - captured.e2eUs)) / captured.e2eUs];
      });
      const [median, p95] = [quantile(errors, 0.5), quantile(errors, 0.95)];
      console.log(`     n ${errors.length}, median ${median.toFixed(2)} %, p95 ${p95.toFixed(2)} %`);
      return median <= 0.5 && p95 <= 2 ? [] : ['beyond the bars'];
    },
    damage: ({ turns }) => turns.forEach((turn) => turn.lane === 'captured' && (turn.e2eUs = (turn.e2eUs ?? 0) * 1.03)),
  },
  {
    name: 'our code p95 ≤10 ms in wire, beside what stalls of the process cost; 0 in sim',
    run: ({ turns }) => {
      const ours = (lane: string, isCounted: (phase: string) => boolean): number[] =>
        turns
          .filter((turn) => (turn.lane === 'captured') === (lane === 'captured'))
          .map(({ ledger }) =>
            ledger.reduce((sum, { stage, phase, us }) => sum + (stage === 'our code' && isCounted(phase) ? us : 0), 0),
          );
      // how long a process stands still is the machine's as much as ours: that is printed, and stands in no bar
      const p95Us = quantile(
        ours('captured', (phase) => phase !== 'blocked'),
        0.95,
      );
      const blockedUs = quantile(
        ours('captured', (phase) => phase === 'blocked'),
        0.95,
      );
      console.log(`     wire p95 ${(p95Us / 1000).toFixed(1)} ms, blocked p95 ${(blockedUs / 1000).toFixed(1)} ms`);
      return p95Us <= 10_000 && Math.max(...ours('replayed', () => true)) === 0 ? [] : ['beyond the bar'];
    },
    damage: ({ turns }) =>
      void turns.find(({ lane }) => lane === 'baseline')?.ledger.push({ stage: 'our code', phase: 'our code', us: 1 }),
  },
  {
    name: 'OTLP: hex ids, one root a turn, every child inside its trace',
    run: ({ traces }) =>
      traces.flatMap((spans, line) => {
        const ids = new Set(spans.map(({ spanId }) => spanId));
        const roots = spans.filter(({ parentSpanId }) => (parentSpanId ?? '') === '');
        const good =
          roots.length === 1 &&
          ids.size === spans.length &&
          new Set(spans.map(({ traceId }) => traceId)).size === 1 &&
          spans.every(({ traceId, spanId }) => /^[0-9a-f]{32}$/.test(traceId) && /^[0-9a-f]{16}$/.test(spanId)) &&
          spans.every(({ parentSpanId }) => (parentSpanId ?? '') === '' || ids.has(parentSpanId ?? ''));
        return good ? [] : [`line ${line + 1}`];
      }),
    damage: ({ traces }) => void (traces[1]?.[1] !== undefined && (traces[1][1].parentSpanId = 'ffffffffffffffff')),
  },
  {
    name: 'OTLP: no trace id twice',
    run: ({ traces }) => {
      const ids = traces.map(([root]) => root?.traceId ?? '');
      return new Set(ids).size === ids.length ? [] : ['two turns share a trace'];
    },
    damage: ({ traces }) => void traces.push(traces[0] ?? []),
  },
  {
    name: 'OTLP: no span and no attribute outside of the registry',
    run: ({ traces }) => {
      const keys = new Set<string>(Object.values(ATTRIBUTES).map(({ key }) => key));
      const strays = traces
        .flat()
        .flatMap(({ name, attributes }) => [
          ...(name in SPANS ? [] : [name]),
          ...attributes.filter(({ key }) => !keys.has(key)).map(({ key }) => key),
        ]);
      return [...new Set(strays)];
    },
    damage: ({ traces }) => void (traces[0]?.[0] !== undefined && (traces[0][0].name = 'stray')),
  },
  {
    name: 'OTLP: network phases lie inside their request',
    run: ({ traces }) =>
      traces.flatMap((spans, line) => {
        const byId = new Map(spans.map((span) => [span.spanId, span]));
        const outside = spans.filter((span) => {
          const parent = byId.get(span.parentSpanId ?? '');
          return (
            PHASES.has(span.name) &&
            !(
              parent?.name.startsWith('http ') === true &&
              BigInt(span.startTimeUnixNano) >= BigInt(parent.startTimeUnixNano) &&
              BigInt(span.endTimeUnixNano) <= BigInt(parent.endTimeUnixNano)
            )
          );
        });
        return outside.map(({ name }) => `line ${line + 1}: ${name}`);
      }),
    damage: ({ traces }) => {
      const wait = traces[0]?.find(({ name }) => name === 'http.wait');
      if (wait !== undefined) wait.endTimeUnixNano = `${BigInt(wait.endTimeUnixNano) + 10n ** 10n}`;
    },
  },
];

const [folder = 'out/demo'] = commandOf('npm run verify -- demo')
  .argument('[folder]', 'a run folder of the demo', 'out/demo')
  .parse().args;
let failed = 0;
for (const { name, run, damage } of CHECKS) {
  const complaints = run(load(folder));
  const damaged = load(folder);
  damage(damaged);
  const blind = run(damaged).length === 0;
  if (complaints.length > 0 || blind) failed++;
  console.log(
    `${complaints.length === 0 ? 'ok ' : 'OFF'}  ${name}${blind ? ' (but the damaged copy passes too!)' : ''}`,
  );
  for (const complaint of complaints.slice(0, 5)) console.log(`     ${complaint}`);
}
process.exitCode = failed === 0 ? 0 : 1;

/** A run folder read back: its report, the spans of its turns beside it, and the page that shows both. */
import { existsSync } from 'node:fs';
import { readdir, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { whenUnreadable } from '../../service/base/input-file.ts';
import { alignSpans } from '../diff/align-spans.ts';
import { tracedTurnKey, type SpansByTurn } from '../traces/trace-tree.ts';
import type { Report } from './build.ts';
import { readReport } from './json.ts';
import { loadTurns } from '../traces/load.ts';

export interface RunReport {
  /** With its span rows, where the folder has the traces. */
  report: Report;
  /** Spans of the folder's turns; absent without traces: a report without them is a report. */
  spans?: SpansByTurn;
}

export interface ReadOptions {
  /** Of the report; by default `report.json`. */
  name?: string;
  /** What was said stays in the report, where it holds it. Otherwise it is dropped. */
  withText?: boolean;
}

/** Reads a report of the folder. Throws `InputError` naming file and field. */
export async function readRun(folder: string, options: ReadOptions = {}): Promise<RunReport> {
  const report = await readBare(folder, options);
  return withSpans(report, await spansIn(folder));
}

async function readBare(folder: string, { name = 'report.json', withText = false }: ReadOptions): Promise<Report> {
  const { texts, ...bare } = readReport(join(folder, name));
  return withText && texts !== undefined ? { ...bare, texts } : bare;
}

/** Spans of the turns of all lanes; undefined without traces. */
async function spansIn(folder: string): Promise<SpansByTurn | undefined> {
  const path = join(folder, 'trace.otlp.jsonl');
  if (!existsSync(path)) return undefined;
  const { turns } = await loadTurns(path);
  return new Map(turns.map((turn) => [tracedTurnKey(turn.summary), turn.spans]));
}

function withSpans(report: Report, spans: SpansByTurn | undefined): RunReport {
  return spans === undefined ? { report } : { report: withSpanRows(report, spans), spans };
}

/** Names of the folder's reports, one a candidate. */
export async function reportNames(folder: string): Promise<string[]> {
  const names = await readdir(folder).catch(whenUnreadable(folder));
  return names.filter((name) => /^report(-.+)?\.json$/.test(name)).sort();
}

/** Writes every report of the folder as a page beside it; returns the paths. */
export async function writePages(
  folder: string,
  { withText = false }: Pick<ReadOptions, 'withText'> = {},
): Promise<string[]> {
  const names = await reportNames(folder);
  const { htmlReport } = await import('./html.ts');
  const written: string[] = [];
  const spans = await spansIn(folder); // once: the traces hold the turns of all candidates
  for (const name of names) {
    const { report } = withSpans(await readBare(folder, { name, withText }), spans);
    const path = join(folder, `${basename(name, '.json')}.html`);
    await writeFile(path, htmlReport(report, spans === undefined ? {} : { spans: { a: spans, b: spans } }));
    written.push(path);
  }
  return written;
}

function withSpanRows(report: Report, spans: SpansByTurn): Report {
  if (report.spans !== undefined) return report;
  const pairs = report.pairs.flatMap(([left, right]) => {
    const [a, b] = [report.turns[left], report.turns[right]];
    return a === undefined || b === undefined ? [] : [{ a, b }];
  });
  const rows = alignSpans(pairs, spans, spans);
  return rows.length === 0 ? report : { ...report, spans: rows };
}

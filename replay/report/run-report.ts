/** A run folder read back: its report, the spans of its turns, and the page that shows both. */
import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { whenUnreadable } from '../../service/base/input-file.ts';
import { writeWhole } from '../../service/base/output-file.ts';
import { loadTurns } from '../traces/load.ts';
import { tracedTurnKey, type SpansByTurn } from '../traces/trace-tree.ts';
import { withSpanRows, type Report, type ReportArm } from './build.ts';
import { renderReport } from './formats.ts';
import { readReport } from './json.ts';
import type { PageOptions } from './page-data.ts';

export interface RunReport {
  /** With rows of spans, where the folder holds the traces. */
  report: Report;
  /** Of the folder's turns, the same for both sides. Absent without traces. */
  spans?: PageOptions['spans'];
}

export interface ReadOptions {
  /** Of the report's file; by default `report.json`. */
  name?: string;
  /** Keeps what was said, where the report holds it. */
  withText?: boolean;
}

/** Reads a report of the folder. Throws `InputError` naming file and field. */
export async function readRun(folder: string, options: ReadOptions = {}): Promise<RunReport> {
  const report = readBare(folder, options);
  const spans = await folderSpans(folder);
  return { report: withSpanRows(report, spans), spans };
}

function readBare(folder: string, { name = 'report.json', withText = false }: ReadOptions): Report {
  const { texts, ...bare } = readReport(join(folder, name));
  return withText && texts !== undefined ? { ...bare, texts } : bare;
}

/** Spans of the turns of all lanes; undefined without traces. */
export async function folderSpans(folder: string): Promise<PageOptions['spans']> {
  const path = join(folder, 'trace.otlp.jsonl');
  if (!existsSync(path)) return undefined;
  const { turns } = await loadTurns(path);
  const spans: SpansByTurn = new Map(turns.map((turn) => [tracedTurnKey(turn.summary), turn.spans]));
  return { a: spans, b: spans };
}

/** Names of the folder's reports, one a candidate. */
export async function reportNames(folder: string): Promise<string[]> {
  const names = await readdir(folder).catch(whenUnreadable(folder));
  return names.filter((name) => /^report(-.+)?\.json$/.test(name)).sort();
}

/** The arms that a run folder's reports name, an arm once a report. Empty for a path without a report. Throws `InputError`. */
export async function armsIn(path: string): Promise<ReportArm[]> {
  if (!existsSync(join(path, 'report.json'))) return [];
  const names = await reportNames(path);
  return names.flatMap((name) => Object.values(readReport(join(path, name)).arms));
}

/** Writes every report of the folder as a page beside it; returns the paths. */
export async function writePages(
  folder: string,
  { withText = false }: Pick<ReadOptions, 'withText'> = {},
): Promise<string[]> {
  const written: string[] = [];
  const spans = await folderSpans(folder); // once: the traces hold the turns of all candidates
  for (const name of await reportNames(folder)) {
    const path = join(folder, `${basename(name, '.json')}.html`);
    const page = await renderReport('html', readBare(folder, { name, withText }), { spans });
    await writeWhole(path, page);
    written.push(path);
  }
  return written;
}

/** What a run leaves on disk beside its journal. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Experiment } from './experiment.ts';
import { markdownReport } from './report/markdown.ts';
import { inertJson } from './report/words.ts';

/** Writes `report.json` and `report.md` of the first candidate (others get their name), turns and traces. */
export async function writeRunFolder(
  folder: string,
  experiment: Pick<Experiment, 'reports' | 'replayed' | 'otlp'>,
): Promise<string[]> {
  const { reports, replayed, otlp } = experiment;
  await mkdir(folder, { recursive: true });
  const files: [name: string, text: string][] = [
    ['trace.otlp.jsonl', otlp.join('')],
    ['turns.jsonl', replayed.map(({ summary }) => `${JSON.stringify(summary)}\n`).join('')],
  ];
  for (const [index, { variant, report }] of reports.entries()) {
    const name = index === 0 ? 'report' : `report-${variant.replaceAll(/[^\w.=-]+/g, '_')}`;
    files.push(
      [`${name}.json`, `${inertJson(report)}\n`],
      [`${name}.md`, markdownReport(report, { marker: `retake-${variant}` })],
    );
  }
  for (const [name, text] of files) await writeFile(join(folder, name), text);
  return files.map(([name]) => join(folder, name));
}

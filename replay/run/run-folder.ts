/** What a run leaves on disk beside its journal. */
import { rm, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { InputError } from '../../service/base/errors.ts';
import type { Experiment } from './experiment.ts';
import { makeFolder } from './out-folder.ts';
import { readReport } from '../report/json.ts';
import { markdownReport } from '../report/markdown.ts';
import { inertJson, plain } from '../report/words.ts';
import { reportNames } from '../report/run-report.ts';

const nameOf = (variant: string): string => `report-${variant.replaceAll(/[^\w.=-]+/g, '_')}`;

/** The report of a candidate in a run folder, which may hold several; the first is `report.json`. Throws `InputError`. */
export async function reportFileOf(folder: string, variant: string): Promise<string> {
  const first = readReport(join(folder, 'report.json'));
  if (first.arms.b.variant === variant) return 'report.json';
  const others = (await reportNames(folder)).filter((name) => name !== 'report.json');
  const wanted = `${nameOf(variant)}.json`;
  if (others.includes(wanted)) return wanted;
  const names = [first.arms.b.variant, ...others.map((name) => name.slice('report-'.length, -'.json'.length))];
  throw new InputError(`${folder} has no candidate "${plain(variant)}"; it has: ${names.map(plain).join(', ')}`);
}

/**
 * Writes `report.json` and `report.md` of the first candidate (others get their name), turns and traces. Reports of an earlier run
 * in the folder are removed: its candidates would count in the verdict of this one (cli/action/publish.ts).
 */
export async function writeRunFolder(
  folder: string,
  experiment: Pick<Experiment, 'reports' | 'replayed' | 'otlp'>,
): Promise<string[]> {
  const { reports, replayed, otlp } = experiment;
  await makeFolder(folder);
  const files: [name: string, text: string][] = [
    ['trace.otlp.jsonl', otlp.join('')],
    ['turns.jsonl', replayed.map(({ summary }) => `${JSON.stringify(summary)}\n`).join('')],
  ];
  for (const [index, { variant, report }] of reports.entries()) {
    const name = index === 0 ? 'report' : nameOf(variant);
    files.push(
      [`${name}.json`, `${inertJson(report)}\n`],
      [`${name}.md`, markdownReport(report, { marker: `retake-${variant}` })],
    );
  }
  for (const name of await reportNames(folder))
    for (const form of ['json', 'md', 'html'])
      await rm(join(folder, `${basename(name, '.json')}.${form}`), { force: true });
  for (const [name, text] of files) await writeFile(join(folder, name), text);
  return files.map(([name]) => join(folder, name));
}

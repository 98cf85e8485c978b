/** What a run leaves on disk beside its journal. */
import { rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { InputError } from '../../service/base/errors.ts';
import { writeWhole } from '../../service/base/output-file.ts';
import type { Experiment } from './experiment.ts';
import { makeFolder } from './out-folder.ts';
import { FILE_EXTENSIONS, renderFiles } from '../report/formats.ts';
import { readReport } from '../report/json.ts';
import { plain } from '../report/words.ts';
import { folderSpans, reportNames } from '../report/run-report.ts';

const reportName = (variant: string): string => `report-${variant.replaceAll(/[^\w.=-]+/g, '_')}`;

/** The file of a candidate's report in a run folder; that of the first candidate is `report.json`. Throws `InputError`. */
export async function reportFileOf(folder: string, variant: string): Promise<string> {
  const first = readReport(join(folder, 'report.json'));
  if (first.arms.b.variant === variant) return 'report.json';
  const others = (await reportNames(folder)).filter((name) => name !== 'report.json');
  const wanted = `${reportName(variant)}.json`;
  if (others.includes(wanted)) return wanted;
  const names = [first.arms.b.variant, ...others.map((name) => name.slice('report-'.length, -'.json'.length))];
  throw new InputError(`${folder} has no candidate "${plain(variant)}"; candidates: ${names.map(plain).join(', ')}`);
}

/**
 * Writes turns, traces and every report in all its formats; returns the paths. The first candidate's report is named `report`, others by
 * their variant. Reports of an earlier run are removed once the new ones are rendered: the Action would count their candidates too.
 */
export async function writeRunFolder(
  folder: string,
  { reports, replayed, otlp }: Pick<Experiment, 'reports' | 'replayed' | 'otlp'>,
): Promise<string[]> {
  await makeFolder(folder);
  const written: string[] = [];
  const write = async (name: string, text: string): Promise<void> => {
    const path = join(folder, name);
    await writeWhole(path, text);
    written.push(path);
  };
  await write('trace.otlp.jsonl', otlp.join(''));
  await write('turns.jsonl', replayed.map(({ summary }) => `${JSON.stringify(summary)}\n`).join(''));
  const spans = otlp.length === 0 ? undefined : await folderSpans(folder);
  const rendered = new Map<string, string>();
  for (const [index, { variant, report }] of reports.entries()) {
    const name = index === 0 ? 'report' : reportName(variant);
    for await (const [extension, text] of renderFiles(report, { marker: `retake-${variant}`, spans }))
      rendered.set(`${name}.${extension}`, text);
  }
  for (const name of await reportNames(folder))
    for (const extension of FILE_EXTENSIONS)
      await rm(join(folder, `${basename(name, '.json')}.${extension}`), { force: true });
  for (const [name, text] of rendered) await write(name, text);
  return written;
}

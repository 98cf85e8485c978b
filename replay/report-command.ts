/** `retake report DIR`: a run folder's report again, in another form. */
import { join } from 'node:path';
import { InputError } from '../service/errors.ts';
import type { CommandContext } from './context.ts';
import type { Report } from './report/build.ts';
import { readReport } from './report/json.ts';
import { markdownReport } from './report/markdown.ts';
import { terminalReport } from './report/terminal.ts';

export interface ReportOptions {
  format: string;
  withText?: boolean;
}

export async function reportCommand(context: CommandContext, folder: string, options: ReportOptions): Promise<void> {
  const print = printerOf(context, options.format);
  const { texts, ...report } = await readReport(join(folder, 'report.json'));
  const withTexts = texts === undefined || options.withText !== true ? {} : { texts };
  if (options.withText === true && texts === undefined)
    throw new InputError(`${folder}: the report holds no text; run "retake replay" with --with-text`);
  print({ ...report, ...withTexts });
}

/** Prints a report in one of its forms. Throws `InputError` for a form that there is not. */
export function printerOf(context: CommandContext, format: string): (report: Report) => void {
  const jaegerUi = context.env['RETAKE_JAEGER_UI'];
  const links = jaegerUi === undefined || jaegerUi === '' ? {} : { jaegerUi };
  const forms: Readonly<Record<string, (report: Report) => string>> = {
    terminal: (report) => terminalReport(report, { ...links, columns: context.columns, color: context.color }),
    markdown: (report) => markdownReport(report, links),
    json: (report) => JSON.stringify(report, null, 2),
  };
  const form = forms[format];
  if (form === undefined) throw new InputError(`--format ${format}: must be one of ${Object.keys(forms).join(', ')}`);
  return (report) => context.out(form(report));
}

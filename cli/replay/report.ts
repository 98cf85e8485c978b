/** `retake report DIR`: a run folder's report again, in another form. */
import { InputError } from '../../service/base/errors.ts';
import type { CommandContext } from '../../replay/report/context.ts';
import type { Report } from '../../replay/report/build.ts';
import { markdownReport } from '../../replay/report/markdown.ts';
import type { PageOptions } from '../../replay/report/page-data.ts';
import { terminalReport } from '../../replay/report/terminal.ts';
import { inertJson } from '../../replay/report/words.ts';
import { reportFileOf } from '../../replay/run/run-folder.ts';
import { readRun } from '../../replay/report/run-report.ts';

export interface ReportOptions {
  format: string;
  withText?: boolean;
  /** Of several candidates; by default the first. */
  variant?: string;
}

/** Turns a report into text. `spans` are those of its turns, where they are known. */
export type Printer = (report: Report, spans?: PageOptions['spans']) => Promise<void>;

export async function reportCommand(context: CommandContext, folder: string, options: ReportOptions): Promise<void> {
  const print = printerOf(context, options.format);
  const { withText = false, variant } = options;
  const { report, spans } = await readRun(folder, {
    withText,
    ...(variant === undefined ? {} : { name: await reportFileOf(folder, variant) }),
  });
  if (withText && report.texts === undefined)
    throw new InputError(
      `${folder}: the report holds no text; it has it after "retake replay --with-text", or from "retake diff --with-text" of two bundles`,
    );
  await print(report, spans === undefined ? undefined : { a: spans, b: spans });
}

/** Prints a report in one of its forms. Throws `InputError` for a form that there is not. */
export function printerOf(context: CommandContext, format: string): Printer {
  const jaegerUi = context.env['RETAKE_JAEGER_UI'];
  const links = jaegerUi === undefined || jaegerUi === '' ? {} : { jaegerUi };
  const forms: Readonly<Record<string, (report: Report, spans?: PageOptions['spans']) => string | Promise<string>>> = {
    terminal: (report) => terminalReport(report, { ...links, columns: context.columns, color: context.color }),
    markdown: (report) => markdownReport(report, links),
    // figures take a moment to load, and only this form has them
    html: async (report, spans) =>
      (await import('../../replay/report/html.ts')).htmlReport(report, {
        ...links,
        ...(spans === undefined ? {} : { spans }),
      }),
    json: (report) => inertJson(report),
  };
  const form = forms[format];
  if (form === undefined) throw new InputError(`--format ${format}: must be one of ${Object.keys(forms).join(', ')}`);
  return async (report, spans) => context.out(await form(report, spans));
}

/** The forms in which a report is printed, by the word that `--format` takes. A form is loaded when it is asked for. */
import type { CommandContext } from '../../replay/report/context.ts';
import type { Report } from '../../replay/report/build.ts';
import type { PageOptions } from '../../replay/report/page-data.ts';

interface FormOptions extends PageOptions {
  columns: number;
  color: boolean;
}

const FORMS = {
  terminal: async (report: Report, options: FormOptions) =>
    (await import('../../replay/report/terminal.ts')).terminalReport(report, options),
  markdown: async (report: Report, options: FormOptions) =>
    (await import('../../replay/report/markdown.ts')).markdownReport(report, options),
  html: async (report: Report, options: FormOptions) =>
    (await import('../../replay/report/html.ts')).htmlReport(report, options),
  json: async (report: Report) => (await import('../../replay/report/words.ts')).inertJson(report),
} as const;

export type ReportForm = keyof typeof FORMS;
export const REPORT_FORMS = Object.keys(FORMS);

/** Turns a report into text. `spans` are those of its turns, where they are known. */
export type Printer = (report: Report, spans?: PageOptions['spans']) => Promise<void>;

/** Prints a report in one of its forms. */
export function printerOf(context: CommandContext, form: ReportForm): Printer {
  const { columns, color } = context;
  const jaegerUi = context.env['RETAKE_JAEGER_UI'] || undefined;
  return async (report, spans) => context.out(await FORMS[form](report, { columns, color, jaegerUi, spans }));
}

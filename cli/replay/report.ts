/** `retake report DIR`: prints the report of a run folder again, in any format. */
import { InputError } from '../../service/base/errors.ts';
import type { CommandContext } from '../../replay/report/context.ts';
import { reportFileOf } from '../../replay/run/run-folder.ts';
import { readRun } from '../../replay/report/run-report.ts';
import { renderReport, type ReportFormat } from '../../replay/report/formats.ts';
import type { Report } from '../../replay/report/build.ts';
import type { PageOptions } from '../../replay/report/page-data.ts';

export interface ReportOptions {
  format: ReportFormat;
  withText?: boolean;
  /** Of several candidates; by default the first. */
  variant?: string;
}

export async function reportCommand(context: CommandContext, folder: string, options: ReportOptions): Promise<void> {
  const print = printerOf(context, options.format);
  const { withText = false, variant } = options;
  const name = variant === undefined ? undefined : await reportFileOf(folder, variant);
  const { report, spans } = await readRun(folder, { withText, name });
  if (withText && report.texts === undefined)
    throw new InputError(
      `${folder}: the report holds no text; run "retake replay --with-text", or "retake diff --with-text" on two captures`,
    );
  await print(report, spans);
}

/** Turns a report into text. `spans` are those of its turns, where they are known. */
export type Printer = (report: Report, spans?: PageOptions['spans']) => Promise<void>;

export function printerOf(context: CommandContext, format: ReportFormat): Printer {
  const { columns, color } = context;
  const jaegerUi = context.env['RETAKE_JAEGER_UI'] || undefined;
  return async (report, spans) => {
    const text = await renderReport(format, report, { columns, color, jaegerUi, spans });
    context.out(text.replace(/\n$/, ''));
  };
}

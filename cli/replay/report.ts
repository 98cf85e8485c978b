/** `retake report DIR`: a run folder's report again, in another form. */
import { InputError } from '../../service/base/errors.ts';
import type { CommandContext } from '../../replay/report/context.ts';
import { reportFileOf } from '../../replay/run/run-folder.ts';
import { readRun } from '../../replay/report/run-report.ts';
import { printerOf, type ReportForm } from './forms.ts';

export interface ReportOptions {
  format: ReportForm;
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
      `${folder}: the report holds no text; it has it after "retake replay --with-text", or from "retake diff --with-text" of two bundles`,
    );
  await print(report, spans === undefined ? undefined : { a: spans, b: spans });
}

/** `retake report DIR`: a run folder's report again, in another form. */
import { join } from 'node:path';
import type { CommandContext } from './context.ts';
import { InputError } from '../service/errors.ts';
import { readReport } from './report/json.ts';
import { markdownReport } from './report/markdown.ts';
import { terminalReport } from './report/terminal.ts';

export async function reportCommand(
  context: CommandContext,
  folder: string,
  options: { format: string },
): Promise<void> {
  const report = await readReport(join(folder, 'report.json'));
  if (options.format === 'terminal') context.out(terminalReport(report, context));
  else if (options.format === 'markdown') context.out(markdownReport(report));
  else if (options.format === 'json') context.out(JSON.stringify(report, null, 2));
  else throw new InputError(`--format ${options.format}: must be terminal, markdown or json`);
}

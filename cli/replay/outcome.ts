/** The end of `retake replay`: writes the run folder, prints the reports, sets the exit code. */
import { InputError } from '../../service/base/errors.ts';
import type { CommandContext } from '../../replay/report/context.ts';
import { verdictExitCode, verdictOfAll } from '../../replay/diff/verdict.ts';
import type { Experiment } from '../../replay/run/experiment.ts';
import { exportRun } from './export-run.ts';
import { terminalReport } from '../../replay/report/terminal.ts';
import { plain } from '../../replay/report/words.ts';
import { writeRunFolder } from '../../replay/run/run-folder.ts';

/**
 * `unmeasured` holds one line for each candidate without a measured turn. Such a candidate makes the exit code 2; the others keep
 * their reports. Throws `InputError` when none was measured.
 */
export async function tellOutcome(
  context: CommandContext,
  experiment: Experiment,
  { out, unmeasured, gate }: { out: string; unmeasured: readonly string[]; gate: boolean },
): Promise<void> {
  const { reports, otlp } = experiment;
  if (reports.length === 0) throw new InputError(unmeasured.join('\n'));
  const files = await writeRunFolder(out, experiment);
  context.progressDone();
  for (const { report } of reports) context.out(`${terminalReport(report, context)}\n`);
  for (const what of unmeasured) context.out(`no report of ${plain(what)}`);
  context.out(`written: ${files.join(', ')}`);
  await exportRun(context, otlp);
  if (unmeasured.length > 0) context.exit(2);
  else if (gate) context.exit(verdictExitCode(verdictOfAll(reports.map(({ report }) => report.verdict))));
}

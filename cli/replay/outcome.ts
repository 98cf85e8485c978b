/** What `retake replay` leaves and says when its turns have run: the run folder, the reports, the exit code. */
import { InputError } from '../../service/base/errors.ts';
import type { CommandContext } from '../../replay/report/context.ts';
import { verdictExitCode, verdictOfAll } from '../../replay/diff/diff.ts';
import type { Experiment } from '../../replay/run/experiment.ts';
import { exportRun } from './export-run.ts';
import { terminalReport } from '../../replay/report/terminal.ts';
import { plain } from '../../replay/report/words.ts';
import { writeRunFolder } from '../../replay/run/run-folder.ts';

/**
 * Candidates of which nothing was measured (`unmeasured`, one line each) are told, and make the exit code 2; the others keep their
 * reports, which were paid for. Throws `InputError` when none is left.
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

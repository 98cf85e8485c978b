/** A run's traces to an OTLP endpoint, so that Jaeger can compare a replayed turn with the captured one. */
import { createRealClock } from '../../service/base/clock.ts';
import { configFrom } from '../../service/config.ts';
import { InputError } from '../../service/base/errors.ts';
import { createOtlpClient } from '../../service/spool/otlp-client.ts';
import type { CommandContext } from '../../replay/report/context.ts';

/**
 * Sends the run's OTLP lines when `OTEL_EXPORTER_OTLP_ENDPOINT` names an endpoint. Throws `InputError` when it fails: the
 * lines are in the run folder all the same.
 */
export async function exportRun(context: CommandContext, lines: readonly string[]): Promise<void> {
  const { otlpEndpoint, otlpHeaders } = configFrom(context.env);
  if (otlpEndpoint === undefined) return;
  const client = createOtlpClient({ clock: createRealClock(), endpoint: otlpEndpoint, headers: otlpHeaders });
  try {
    for (const [index, line] of lines.entries()) {
      const outcome = await client.send(Buffer.from(line.trimEnd()), context.signal);
      if (outcome.kind !== 'sent') {
        throw new InputError(
          `${client.url}: ${outcome.why}; ${index} of ${lines.length} traces exported, all are on disk`,
        );
      }
    }
  } finally {
    await client.close();
  }
  context.out(`exported: ${lines.length} traces to ${client.url}`);
}

/** A simulated run without a name of its own has the ids of every run of the same plan: in Jaeger they would merge. */
export function checkExportable(context: CommandContext, world: string, runId: string | undefined): void {
  const { otlpEndpoint } = configFrom(context.env);
  if (otlpEndpoint !== undefined && world === 'sim' && runId === undefined)
    throw new InputError('exporting a sim run needs --run-id NAME: its ids would be those of every run of this plan');
}

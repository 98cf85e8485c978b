/** Sends a run's traces to an OTLP endpoint: in Jaeger a replayed turn can be compared with the captured one. */
import { createRealClock } from '../../service/base/clock.ts';
import { configFrom } from '../../service/config.ts';
import { InputError } from '../../service/base/errors.ts';
import { createOtlpClient } from '../../service/spool/otlp-client.ts';
import type { CommandContext } from '../../replay/report/context.ts';

/**
 * Sends the run's OTLP lines when `OTEL_EXPORTER_OTLP_ENDPOINT` names an endpoint. Throws `InputError` when a line is not taken; the
 * run folder keeps all lines.
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
          `${client.url}: ${outcome.why}; ${index} of ${lines.length} traces were exported, and the run folder keeps all`,
        );
      }
    }
  } finally {
    await client.close();
  }
  context.out(`exported: ${lines.length} traces to ${client.url}`);
}

/** Throws `InputError` for a simulated run without a name: its ids are those of every run of this plan, and Jaeger would merge them. */
export function checkExportable(context: CommandContext, world: string, runId: string | undefined): void {
  const { otlpEndpoint } = configFrom(context.env);
  if (otlpEndpoint !== undefined && world === 'sim' && runId === undefined)
    throw new InputError(
      'a sim run has the ids of every run of its plan, which Jaeger would merge; give --run-id NAME, or unset OTEL_EXPORTER_OTLP_ENDPOINT',
    );
}

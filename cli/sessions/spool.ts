/** `retake spool resend`: sends again what the trace spool still holds. */
import { createRealClock } from '../../service/base/clock.ts';
import { foldersIn } from '../../service/base/data-folder.ts';
import { configFrom } from '../../service/config.ts';
import { InputError } from '../../service/base/errors.ts';
import { createOtlpClient } from '../../service/spool/otlp-client.ts';
import { resendSpool } from '../../service/spool/resend.ts';
import type { CommandContext } from '../../replay/report/context.ts';
import { sinceUsOf } from '../../replay/traces/times.ts';
import { existingDataFolder } from '../options/data-folder.ts';

export async function resendCommand(
  context: CommandContext,
  options: { since: string; data?: string; endpoint?: string; json?: boolean },
): Promise<void> {
  const clock = createRealClock();
  const named = options.endpoint ?? context.env['OTEL_EXPORTER_OTLP_ENDPOINT'];
  const { otlpEndpoint: endpoint, otlpHeaders } = configFrom({ ...context.env, OTEL_EXPORTER_OTLP_ENDPOINT: named });
  if (endpoint === undefined)
    throw new InputError('no endpoint is named; give --endpoint URL or set OTEL_EXPORTER_OTLP_ENDPOINT');
  const client = createOtlpClient({ clock, endpoint, headers: otlpHeaders });
  try {
    const resent = await resendSpool({
      dir: foldersIn(existingDataFolder(context, options.data)).spool,
      sinceUs: sinceUsOf(options.since, clock.epochUs(), '--since'),
      client,
      signal: context.signal,
      onProgress: ({ turns }) => void (turns % 100 === 0 && context.progress(`${turns} turns sent again`)),
    });
    context.progressDone();
    if (options.json === true) return context.out(JSON.stringify(resent));
    const { turns, bytes, refused, rejectedSpans } = resent;
    context.out(`sent ${turns} turns (${(bytes / 1e6).toFixed(1)} MB) again to ${client.url}`);
    if (refused > 0) context.out(`the endpoint refused ${refused} turns`);
    if (rejectedSpans > 0) context.out(`the endpoint left out ${rejectedSpans} spans (partial success)`);
  } finally {
    await client.close();
  }
}

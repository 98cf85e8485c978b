/** `retake serve`: the service in the world of RETAKE_WORLD. In `wire` a child process runs the stand-ins. */
import { once } from 'node:events';
import { currentCommit } from '../../replay/arms/checkout.ts';
import { configFrom } from '../../service/config.ts';
import { serve, type StandInFlags } from '../../sim/wire/serve.ts';
import type { CommandContext } from '../../replay/report/context.ts';

export async function serveCommand(context: CommandContext, options: StandInFlags): Promise<void> {
  const service = await serve({
    config: configFrom(context.env),
    standIns: options,
    commit: currentCommit(),
    logLevel: 'info',
  });
  context.out(
    `Retake serves ${service.url} (Ctrl-C stops it). Try: npx retake send fixtures/audio/en-frontend-1.wav --interview en-frontend --language en --url ${service.url}`,
  );
  if (!context.signal.aborted) await once(context.signal, 'abort');
  await service.close();
}

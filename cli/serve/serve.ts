/** `retake serve`: the service in the world of RETAKE_WORLD. In `wire` a child process runs the stand-ins. */
import { once } from 'node:events';
import { currentCommit } from '../../replay/arms/checkout.ts';
import { InvariantError } from '../../service/base/errors.ts';
import { configFrom } from '../../service/config.ts';
import { installLastResort } from '../../service/last-resort.ts';
import { serve, type StandInFlags } from '../../sim/wire/serve.ts';
import type { CommandContext } from '../../replay/report/context.ts';

export async function serveCommand(context: CommandContext, options: StandInFlags): Promise<void> {
  const service = await serve({
    config: configFrom(context.env),
    standIns: options,
    commit: currentCommit(),
    logLevel: 'info',
  });
  const lastResort = installLastResort(service.strayed);
  context.out(
    `Retake serves ${service.url} (Ctrl-C stops it). Try: npx retake send fixtures/audio/en-frontend-1.wav --interview en-frontend --language en --url ${service.url}`,
  );
  const stopped = context.signal.aborted ? Promise.resolve() : once(context.signal, 'abort');
  const isLost = await Promise.race([stopped.then(() => false), lastResort.unplaced.then(() => true)]);
  if (isLost) await Promise.race([service.drain(), stopped]);
  await service.close();
  lastResort.remove();
  if (isLost) throw new InvariantError('an error that belongs to no turn ended the service: see its log');
}

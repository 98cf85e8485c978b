/** `retake cache purge`: removes all cached speech. */
import { foldersIn } from '../../service/base/data-folder.ts';
import { purgeCache } from '../../service/calls/speech-cache.ts';
import type { CommandContext } from '../../replay/report/context.ts';
import { existingDataFolder } from '../options/data-folder.ts';

export function cachePurge(context: CommandContext, options: { data?: string }): void {
  const folder = foldersIn(existingDataFolder(context, options.data)).speech;
  context.out(`${purgeCache(folder)} cached syntheses removed from ${folder}`);
}

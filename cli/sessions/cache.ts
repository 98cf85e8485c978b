/** `retake cache purge`: forgets all speech that was synthesized before. */
import { foldersIn } from '../../service/base/data-folder.ts';
import { purgeCache } from '../../service/calls/speech-cache.ts';
import { dataFolderOf } from '../../service/config.ts';
import { type CommandContext } from '../../replay/report/context.ts';

export function cachePurge(context: CommandContext, options: { data?: string }): void {
  const folder = foldersIn(dataFolderOf(context.env, options.data)).speech;
  context.out(`${purgeCache(folder)} cached syntheses removed from ${folder}`);
}

/** `retake cache purge`: forgets all speech that was synthesized before. */
import { join } from 'node:path';
import { purgeCache, SPEECH_CACHE_FOLDER } from '../../service/calls/speech-cache.ts';
import { dataFolder } from '../../replay/sessions/load.ts';
import type { CommandContext } from '../context.ts';

export function cachePurge(context: CommandContext, options: { data?: string }): void {
  const folder = join(dataFolder(context, options.data), SPEECH_CACHE_FOLDER);
  context.out(`${purgeCache(folder)} cached syntheses removed from ${folder}`);
}

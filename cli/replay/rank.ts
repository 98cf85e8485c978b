/** `retake replay --rank`: predicts which variants would help, before any money is spent. */
import { InputError } from '../../service/base/errors.ts';
import type { CommandContext } from '../../replay/report/context.ts';
import { configFrom } from '../../service/config.ts';
import { setUpOf } from '../../replay/plan/acts-where.ts';
import { rankSessions } from '../../replay/rank/rank-sessions.ts';
import { asJson, rankingRows } from '../../replay/rank/text.ts';
import { currentCommit } from '../../replay/arms/checkout.ts';
import { chosenSessions, replayCommandText, type ReplayCommandOptions } from './replay.ts';
import { namedVariants, variantPatch } from '../../replay/variants/variants.ts';

export async function rankCommand(
  context: CommandContext,
  options: ReplayCommandOptions & { json?: boolean },
): Promise<void> {
  if (options.world !== 'sim') throw new InputError(`--rank simulates; leave out --world ${options.world}`);
  if (options.draws !== 'common')
    throw new InputError(`--rank compares under common draws; leave out --draws ${options.draws}`);
  const wanted = options.variant;
  for (const name of wanted ?? []) variantPatch(name);
  const sessions = await chosenSessions(context, options);
  const ranking = await rankSessions(sessions, {
    setUp: setUpOf(sessions, configFrom({ ...context.env, RETAKE_WORLD: 'wire' }), 'sim'),
    variants: namedVariants().filter(({ name }) => wanted === undefined || wanted.includes(name)),
    commit: currentCommit(),
    seed: options.seed,
    runs: options.runs,
    signal: context.signal,
    profile: options.profile,
    commandOf: (name, count, world) => replayCommandText({ ...options, variant: [name], world }, count),
    onTurn: (done, total) => {
      if (done % 20 === 0) context.progress(`simulating: ${done} of ${total} turns`);
    },
  });
  context.progressDone();
  if (options.json === true) context.out(JSON.stringify(asJson(ranking), null, 2));
  else for (const row of rankingRows(ranking, context.columns)) context.out(row);
  if (!ranking.identity.within) context.exit(3);
}

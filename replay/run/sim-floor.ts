/**
 * How far a simulation is off where nothing was changed (docs/virtual-time.md#floor). Under common draws the second baseline is simulated as
 * if every request differed from its capture. Its difference from the first is the model's own.
 */
import { summariesOf } from './schedule.ts';
import type { ArmWorld } from '../arms/arm.ts';
import type { ReplayedTurn } from '../arms/replayed-turn.ts';
import { diffLanes } from '../diff/diff.ts';
import { signed } from '../statistics/rounding.ts';
import type { ExperimentOptions } from '../plan/plan.ts';
import { turnKey } from '../../service/base/events.ts';
import { basisShares, basisText } from './basis.ts';

/** What the second baseline runs against: in `sim` every exchange that can be drawn is drawn. */
export function redrawn(against: ArmWorld): ArmWorld {
  return against.world === 'sim' && against.source === 'captured' ? { ...against, source: 'fitted' } : against;
}

type About = Pick<ExperimentOptions, 'world' | 'draws'>;

/** Whether both baselines have the same times, turn by turn, as they can in `sim` under common draws: that shows no noise. */
export function sameTimes({ world, draws }: About, replayed: readonly ReplayedTurn[], variant: string): boolean {
  if (world !== 'sim' || draws !== 'common') return false;
  const keyed = new Map(summariesOf(replayed, 'baseline', variant).map((turn) => [turnKey(turn), turn.e2eUs]));
  return summariesOf(replayed, 'baseline2', variant).every((turn) => keyed.get(turnKey(turn)) === turn.e2eUs);
}

/** One line of the report of a simulation under common draws. Undefined elsewhere: there the repeated baseline says all. */
export function floorNote(
  { world, draws }: About,
  replayed: readonly ReplayedTurn[],
  variant: string,
): string | undefined {
  if (world !== 'sim' || draws !== 'common') return undefined;
  const again = summariesOf(replayed, 'baseline2', variant);
  const diff = diffLanes(summariesOf(replayed, 'baseline', variant), again);
  if (diff?.endToEnd === undefined || sameTimes({ world, draws }, replayed, variant))
    return 'floor of the simulation: not measured, the baseline drawn again has the same times';
  const { deltaMs, lowMs, highMs } = diff.endToEnd;
  const interval = lowMs === undefined || highMs === undefined ? '' : ` [${signed(lowMs)}, ${signed(highMs)}]`;
  return `floor of the simulation: the baseline drawn again differs by ${signed(deltaMs)}${interval} ms (${basisText(basisShares(replayed, 'baseline2', variant))}); a knob that cannot act, by 0.0`;
}

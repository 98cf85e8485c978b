/** Notes of a report: what a reader must know beside the figures, one line each. Pure. */
import { turnKey, type World } from '../../service/base/events.ts';
import type { TurnSummary } from '../../service/turn-log/metrics.ts';
import type { TurnTask } from '../arms/arm.ts';
import { basisShares, basisText } from './basis.ts';
import type { ReplayedTurn } from '../arms/replayed-turn.ts';
import type { ReplayLane } from '../plan/lanes.ts';
import { isByOutcome, type Choice } from '../sessions/choice.ts';
import { summariesOf } from './schedule.ts';
import { TRUST_PAGE } from './trust.ts';

interface Run {
  replayed: readonly ReplayedTurn[];
  captured: readonly TurnSummary[];
  repeated: ReadonlyMap<string, string>;
  split: number;
  paidTwice: readonly string[];
  unpaid: number;
}

interface About {
  world: World;
  pace: TurnTask['pace'];
  words: TurnTask['words'];
  choice?: Choice;
  choiceNote?: string;
  /** In `sim`: how far such figures have been right. */
  prediction?: string;
  /** In `sim`: how far it is off where nothing was changed. */
  floor?: string;
  /** In `sim`: why intervals do not hold the uncertainty of the model. */
  noModel?: string;
  baselineCheckout?: { commit: string };
}

export function validityNotes(about: About, run: Run, variant: string): string[] {
  const notes: (string | false)[] = [
    isByOutcome(about.choice) &&
      `sessions were chosen ${about.choice}: the captured lane is not compared (regression to the mean)`,
    about.world === 'sim' &&
      about.baselineCheckout !== undefined &&
      'each commit ran with its own stand-ins in virtual time: a change to the stand-ins shows as well',
    about.world !== 'sim' &&
      about.pace === 'fast' &&
      'pace fast: gaps between turns were left out; sockets were aged by the gaps, but provider caches, names and the hour of day were not',
    about.world === 'sim' &&
      `times of the exchanges: baseline ${basisText(basisShares(run.replayed, 'baseline', 'baseline'))}; candidate ${basisText(basisShares(run.replayed, 'candidate', variant))}`,
    about.floor ?? false,
    about.noModel !== undefined && `model uncertainty not included: ${about.noModel}`,
    about.choiceNote ?? false,
    about.world !== 'sim' && `words: ${about.words === 'same' ? 'same as captured' : "each lane's own"}`,
    about.prediction !== undefined && `prediction: ${about.prediction}, ${TRUST_PAGE}`,
    // in virtual time nobody answers
    ...(about.world === 'sim' ? [] : substitutionNotes(run, variant)),
    run.repeated.size > 0 && `${run.repeated.size} pairs were run again as a whole: ${firstReason(run.repeated)}`,
    run.split > 0 && `${run.split} pairs were split by an interruption: their lanes ran at different times`,
    run.paidTwice.length > 0 && `${run.paidTwice.length} turns were under way at an interruption: possibly paid twice`,
    run.unpaid > 0 &&
      `the budget was spent: ${run.unpaid} of ${run.unpaid + run.replayed.length} planned turns were not run`,
  ];
  return notes.filter((note) => note !== false);
}

/** Lanes that asked for the captured model and were answered by another model or provider. */
function substitutionNotes({ replayed, captured }: Run, variant: string): string[] {
  const served = new Map(captured.map((turn) => [turnKey(turn), turn.model]));
  const found = new Map<string, number>();
  for (const { planned, summary } of replayed) {
    if (planned.lane === 'candidate' && planned.variant !== variant) continue;
    const then = served.get(turnKey(planned));
    const now = summary.model;
    if (then === undefined || now === undefined || then.requested !== now.requested) continue;
    if (then.served === now.served && then.provider === now.provider) continue;
    const what = `${planned.lane} is substituted: ${[now.served, now.provider].filter(Boolean).join(' at ')} answered in place of ${[then.served, then.provider].filter(Boolean).join(' at ')}`;
    found.set(what, (found.get(what) ?? 0) + 1);
  }
  return [...found].map(([what, turns]) => `${what} (${turns} turns)`);
}

function firstReason(repeated: ReadonlyMap<string, string>): string {
  const [why = ''] = repeated.values();
  return why;
}

/** The first failure of the first lane that has one. */
export function firstFailure(replayed: readonly ReplayedTurn[], ...lanes: readonly ReplayLane[]): string {
  const failure = lanes
    .flatMap(({ lane, variant }) => summariesOf(replayed, lane, variant))
    .map((summary) => summary.failure)
    .find((each) => each !== undefined);
  return failure === undefined ? '' : `; the first failure: ${failure.stage} ${failure.kind}: ${failure.message}`;
}

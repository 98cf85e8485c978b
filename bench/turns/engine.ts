/**
 * Runs one bench: a table of arms over the fixture sessions, by the experiment of `retake replay` (its worlds, order, pairing and
 * statistics). When all arms ran a turn, it becomes lines of `samples.jsonl` and `exchanges.jsonl`: an interrupted bench keeps them.
 * At the end each arm's metrics stand beside their paired difference from the baseline, today's strategy.
 */
import { appendFileSync } from 'node:fs';
import { describeError } from '../../service/base/errors.ts';
import type { TurnSummary } from '../../service/turn-log/metrics.ts';
import type { FinishedTurn } from '../../service/turn/observe.ts';
import type { StrategyPatch } from '../../service/strategy/patch.ts';
import { exchangeLine } from '../../sim/times/exchange-lines.ts';
import { observationsOf } from '../../sim/times/observed.ts';
import type { Scenario } from '../../sim/faults/scenario.ts';
import type { CapturedSession } from '../../replay/sessions/captured-session.ts';
import { runExperiment } from '../../replay/run/experiment.ts';
import { cannotWrite } from '../../replay/run/out-folder.ts';
import type { Purse } from '../../replay/plan/purse.ts';
import { lanesOf } from '../../replay/plan/lanes.ts';
import type { ExperimentOptions } from '../../replay/plan/plan.ts';
import { namedVariants, variantPatch } from '../../replay/variants/variants.ts';
import type { PrimaryMetric } from '../../replay/diff/diff.ts';
import {
  armResult,
  BASELINE,
  sampleOf,
  withTranscriptChange,
  type ArmResult,
  type Sample,
  betTotals,
  meanLedger,
} from './arm-result.ts';
import { turnKey } from '../../service/base/events.ts';
import type { Bench } from './bench.ts';
import type { BenchSpeech } from './sessions.ts';

export interface BenchResult {
  bench: string;
  title: string;
  limits: string;
  /** Title of the bench's grouping. */
  grouping?: string;
  arms: readonly ArmResult[];
  /** Turns of every arm, by its name. A later run is compared with them. */
  turns: ReadonlyMap<string, readonly TurnSummary[]>;
  /** Stage and region of the answers that named a region. */
  servedFrom: readonly string[];
  /** Why the bench did not finish. Its measured figures stand. */
  stopped?: string;
}

export interface BenchRun {
  sessions: (speech?: BenchSpeech) => readonly CapturedSession[];
  samplesFile: string;
  /** The answers' times go there, for `retake profile --bench`. */
  exchangesFile: string;
  world: ExperimentOptions['world'];
  /** Whom the arms call, in `wire`. */
  against?: ExperimentOptions['against'];
  profile: string;
  scenario?: Scenario;
  /** What all benches may spend together. A bench stops before it would spend more than is left. */
  budget?: { limitUsd: number; purse: Purse };
  seed: string;
  commit: string;
  signal: AbortSignal;
  progress: (text: string) => void;
}

/** The metric by which the arm's last named variant is judged; first audible by default. */
function primaryOf(patches: Bench['arms'][number]['patches']): PrimaryMetric | undefined {
  const known = namedVariants();
  return patches
    .map((patch) => known.find(({ name }) => name === patch)?.primary)
    .findLast((each) => each !== undefined);
}

/** Runs the bench. Bad arms throw `InputError`; an interruption or a failing world ends it early, with `stopped` set. */
export async function runBench(bench: Bench, run: BenchRun): Promise<BenchResult> {
  const sessions = run.sessions(bench.speech);
  const planned = sessions.reduce((sum, session) => sum + session.turns.length, 0);
  const samples: Sample[] = [];
  const turns = new Map<string, TurnSummary[]>();
  const languages = new Map(sessions.map(({ sessionId, language }) => [sessionId, language]));
  const verdicts = new Map<string, Pick<ArmResult, 'verdict' | 'reasons'>>();
  const servedFrom = new Set<string>();
  let stopped: string | undefined;
  /** The arms that ran the current turn. Each is compared with the baseline, which may come last. */
  let unit: FinishedTurn[] = [];
  const keepUnit = (): void => {
    const ran = unit;
    unit = [];
    const heard = ran.find(({ summary }) => summary.variant === BASELINE);
    for (const each of ran) {
      for (const { stage, attrs } of each.log.events) {
        if (typeof attrs?.['servedFrom'] === 'string') servedFrom.add(`${stage} ${attrs['servedFrom']}`);
      }
      const turn = each === heard ? each : withTranscriptChange(heard, each);
      const arm = turn.summary.variant;
      const sample = sampleOf(bench, arm, turn, languages.get(turn.summary.sessionId) ?? 'en');
      samples.push(sample);
      turns.set(arm, [...(turns.get(arm) ?? []), turn.summary]);
      append(run.samplesFile, `${JSON.stringify(sample)}\n`);
      append(run.exchangesFile, exchangeLinesOf(turn));
    }
  };
  const keep = (turn: FinishedTurn): void => {
    if (turn.summary.lane === 'baseline2') return;
    const [first] = unit;
    if (first !== undefined && turnKey(first.summary) !== turnKey(turn.summary)) keepUnit();
    unit.push(turn);
  };
  try {
    const lanes = {
      candidates: bench.arms.map(({ name, patches }) => ({
        variant: name,
        patches: patches.map(patchOf),
        primary: primaryOf(patches),
      })),
      baseline: [],
      world: run.world,
      commit: run.commit,
    };
    const { reports, unpaid } = await runExperiment({
      ...lanes,
      // own or same words for all arms: a table has one baseline
      words: lanesOf(lanes).words,
      sessions,
      profile: run.profile,
      seed: run.seed,
      draws: 'common',
      runs: 1,
      refits: 0,
      signal: run.signal,
      onTurn: ({ ran }, done, total) => {
        if (ran !== undefined) keep(ran);
        // simulated turns take milliseconds each
        if (run.world !== 'sim' || done % 20 === 0 || done === total)
          run.progress(`bench ${bench.name}: ${done} of ${total} turns`);
      },
      // problemsOf tells of an arm whose turns all failed; the others keep their verdicts
      onUnmeasured: () => undefined,
      against: run.against,
      scenario: run.scenario,
      budgetUsd: run.budget?.limitUsd,
      purse: run.budget?.purse,
    });
    keepUnit();
    if (unpaid > 0)
      stopped = `${unpaid} planned turns were not run: what is left of the budget of $${run.budget?.limitUsd ?? 0} does not pay for them; raise --budget-usd`;
    for (const { variant, report } of reports)
      verdicts.set(variant, { verdict: report.verdict, reasons: report.reasons });
  } catch (error) {
    keepUnit();
    if (samples.length === 0) throw error;
    stopped = describeError(error);
  }
  const names = [BASELINE, ...bench.arms.map(({ name }) => name)];
  const arms = names.map((arm): ArmResult => ({
    ...armResult(bench, arm, samples, planned),
    ...totalsOf(turns.get(arm) ?? []),
    note: bench.arms.find(({ name }) => name === arm)?.note,
    ...verdicts.get(arm),
  }));
  const { name, title, limits } = bench;
  return {
    bench: name,
    title,
    limits,
    grouping: bench.grouping?.title,
    arms,
    turns,
    servedFrom: [...servedFrom].sort(),
    stopped,
  };
}

/** Throws `InputError` on a full disk, which ends the bench. */
function append(file: string, lines: string): void {
  try {
    appendFileSync(file, lines);
  } catch (error) {
    throw cannotWrite(file, error);
  }
}

function totalsOf(turns: readonly TurnSummary[]): Pick<ArmResult, 'ledger' | 'bets'> {
  const [ledger, bets] = [meanLedger(turns), betTotals(turns)];
  return { ledger: ledger.length === 0 ? undefined : ledger, bets: bets.length === 0 ? undefined : bets };
}

function exchangeLinesOf({ log: { identity, events, anchorUs } }: FinishedTurn): string {
  const { sessionId, turnIndex, world } = identity;
  const observed = observationsOf({ sessionId, turnIndex, events, anchorUs });
  return observed.map((each) => exchangeLine(world, each)).join('');
}

function patchOf(patch: string | StrategyPatch): StrategyPatch {
  return typeof patch === 'string' ? variantPatch(patch) : patch;
}

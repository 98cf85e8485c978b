/** The cost of an experiment, and the smallest difference that it can show, before anything is paid. */
import { turnKey } from '../../service/base/events.ts';
import { measureTurn } from '../../service/turn-log/metrics.ts';
import type { Endpoints } from '../../service/net/regions.ts';
import { MODELS_AS_OF } from '../../service/strategy/models.ts';
import { LIVE_ENDPOINTS } from '../../service/world.ts';
import { simWorld } from '../arms/against.ts';
import { actsNotes } from './acts-where.ts';
import { retirementNotes } from './retired.ts';
import { createArm } from '../arms/arm.ts';
import { pricesOf } from './budget.ts';
import type { ExperimentOptions, ExperimentPlan } from './plan.ts';
import { clusteredMean } from '../statistics/estimates.ts';
import { marginMsOf } from '../diff/diff.ts';
import { expectedSessions, FIRST_LOOK } from '../diff/looks.ts';
import { detectableMs as detectableIn } from '../diff/power.ts';
import { durationUs } from './duration.ts';

export interface Estimate {
  turns: number;
  calls: { stt: number; llm: number; tts: number };
  /** Of the models whose price is known; absent where no model's is. */
  usd?: number;
  /** Models in `usd` whose captured answers named no cost. */
  fromTable: readonly string[];
  /** Work without a known price. Its price is unknown, not 0. */
  unpriced: string[];
  /** All turns, one after another. Absent in `sim`, where time is virtual. */
  minutes?: number;
  recipients: string[];
  /** Effect on end to end, detected with 80 % power. Absent with fewer than two sessions. */
  detectableMs?: number;
  /** Of a run until decided: the mean number of sessions that it uses, where the true difference is `detectableMs`. */
  expectedSessions?: number;
}

/** By the calls and lengths of the captured turns, and the prices of `pricesOf`. Throws what `pricesOf` throws. */
export async function estimateOf(options: ExperimentOptions, plan: ExperimentPlan): Promise<Estimate> {
  const logs = new Map(
    options.sessions.flatMap((session) => session.turns.map((log) => [turnKey(log.identity), log] as const)),
  );
  const calls = { stt: 0, llm: 0, tts: 0 };
  const prices = pricesOf(options, plan);
  let usd: number | undefined;
  let ttsChars = 0;
  for (const planned of plan.runs) {
    const log = logs.get(turnKey(planned));
    if (log === undefined) continue;
    const pieces = log.events.filter(({ kind }) => kind === 'tts.start');
    calls.stt += 1;
    calls.llm += 1;
    calls.tts += pieces.length;
    ttsChars += pieces.reduce((sum, { attrs }) => sum + Number(attrs?.['chars'] ?? 0), 0);
    const turnUsd = prices.usdOf(planned);
    if (turnUsd !== undefined) usd = (usd ?? 0) + turnUsd; // models without a price are named
  }
  return {
    turns: plan.runs.length,
    calls,
    usd,
    fromTable: prices.fromTable,
    unpriced: [
      ...prices.unpriced.map((model) => `replies of ${model}`),
      `${ttsChars} characters of speech`,
      `${calls.stt} transcriptions`,
    ],
    minutes: options.world === 'sim' ? undefined : durationUs({ ...options, ...plan }) / 6e7,
    recipients:
      options.world === 'live'
        ? recipientsOf(options.endpoints ?? LIVE_ENDPOINTS)
        : ['nobody: stand-ins on this machine'],
    ...(await detectable(options, plan)),
  };
}

/**
 * Two identical arms in virtual time, with all times drawn from the profile, show how far sessions differ by chance. Under common
 * draws they do not differ, and only the margin counts. In `live` this is a guess.
 */
async function detectable(
  options: ExperimentOptions,
  plan: ExperimentPlan,
): Promise<Pick<Estimate, 'detectableMs' | 'expectedSessions'>> {
  const [baseline] = plan.lanes;
  if (baseline === undefined) return {};
  const against = simWorld({ ...options, draws: 'independent' }, 'profile');
  const differencesMs: number[][] = [];
  const levelsMs: number[] = [];
  for (const session of options.sessions) {
    const e2eMs: number[][] = [];
    for (const lane of ['baseline', 'baseline2'] as const) {
      const arm = createArm(against, options.signal);
      const turns: number[] = [];
      for (const { identity } of session.turns) {
        const planned = {
          sessionId: session.sessionId,
          turnIndex: identity.turnIndex,
          run: 0,
          lane,
          variant: 'baseline',
        };
        const { log } = await arm.turn(session, {
          planned,
          strategy: baseline.strategyOf(session.strategy),
          arm: lane,
          runId: 'estimate',
          pace: 'captured',
          words: 'own',
          last: false,
        });
        turns.push((measureTurn(log).summary.e2eUs ?? Number.NaN) / 1000);
      }
      await arm.close();
      e2eMs.push(turns);
    }
    const [a = [], b = []] = e2eMs;
    const differences = a.map((value, index) => (b[index] ?? Number.NaN) - value).filter(Number.isFinite);
    differencesMs.push(differences);
    for (const ms of a) if (Number.isFinite(ms)) levelsMs.push(ms);
  }
  const { error, degrees } = clusteredMean(differencesMs);
  if (error === undefined || degrees === undefined) return {};
  const isCommon = options.world !== 'live' && options.draws === 'common';
  const [errorMs, marginMs] = [isCommon ? 0 : error / Math.sqrt(options.runs), marginMsOf(levelsMs)];
  const maxSessions = plan.untilDecided?.sessions;
  if (maxSessions === undefined) return { detectableMs: detectableIn({ errorMs, degrees }, marginMs) };
  // sessions like these, as many as the run may use
  const captured = differencesMs.filter((turns) => turns.length > 0).length;
  const sdMs = errorMs * Math.sqrt(captured);
  const detectableMs = detectableIn(
    {
      errorMs: sdMs / Math.sqrt(maxSessions),
      degrees: Math.max(1, ((degrees + 1) * maxSessions) / captured - 1),
    },
    marginMs,
  );
  // where nothing differs by chance, the first look decides
  const expected = sdMs === 0 ? FIRST_LOOK : expectedSessions(detectableMs, sdMs, { marginMs, maxSessions });
  return { detectableMs, expectedSessions: expected };
}

/** The hosts that are really asked, and what each is sent. */
function recipientsOf({ openRouterUrl, ...fal }: Endpoints): string[] {
  const hosts = [...new Set(Object.values(fal).map((url) => new URL(url).host))];
  const llm = new URL(openRouterUrl).host;
  const routed = /(^|\.)openrouter\.ai$/.test(llm) ? ' and whom it routes to' : '';
  return [`${hosts.join(', ')} (user audio, reply text)`, `${llm}${routed} (transcripts, history, prompt)`];
}

/** Prices that no captured answer has named are the table's. */
function tableText({ fromTable }: Estimate): string {
  return fromTable.length === 0 ? '' : ` (by the price table of ${MODELS_AS_OF}: ${fromTable.join(', ')})`;
}

/** The plan, printed before it is run. */
export function estimateLines(options: ExperimentOptions, plan: ExperimentPlan, estimate: Estimate): string[] {
  const { turns, calls, usd, unpriced, minutes, recipients, detectableMs } = estimate;
  const maxSessions = plan.untilDecided?.sessions;
  const lanes = plan.lanes
    .map(({ lane, variant }) => (lane === 'baseline2' ? variant.replace('baseline', lane) : variant))
    .join(', ');
  return [
    `plan: ${maxSessions === undefined ? '' : 'at most '}${maxSessions ?? options.sessions.length} sessions × ${plan.lanes.length} lanes (${lanes}) × ${options.runs} runs = ${turns} turns, lanes of a turn back to back in balanced order, seed ${options.seed}`,
    `calls: ${calls.stt} STT, ${calls.llm} LLM, ${calls.tts} TTS${minutes === undefined ? '' : `; about ${minutes.toFixed(0)} min`}; pace ${plan.pace}, words ${plan.words}, draws ${options.world === 'live' ? 'as measured' : options.draws}`,
    options.world === 'live'
      ? `price: ${usd === undefined ? '' : `about $${usd.toFixed(4)} for replies${tableText(estimate)}; `}unpriced: ${unpriced.join(', ')}`
      : 'price: nothing is paid for',
    ...(options.budgetUsd === undefined
      ? []
      : [
          `budget: $${options.budgetUsd}${options.world === 'live' ? '' : " of the stand-ins' prices"}, for replies alone: the run ends before a turn (in all its lanes) that would exceed it`,
        ]),
    `speech and text go to: ${recipients.join('; ')}`,
    ...(options.world === 'live' ? retirementNotes(options, plan.lanes) : []),
    ...plan.comparisons.flatMap(({ candidate, baseline }) => actsNotes(options, candidate, baseline)),
    detectableMs === undefined
      ? 'detectable: unknown with one session'
      : `detectable with 80 % power: ${detectableMs.toFixed(0)} ms end to end (predicted)`,
    ...(maxSessions === undefined
      ? []
      : [
          `until decided: a look after each session from the ${FIRST_LOOK}th, at most ${maxSessions} sessions; about ${(estimate.expectedSessions ?? maxSessions).toFixed(0)} are expected where the difference is the detectable one`,
        ]),
  ];
}

/** Refits of a model: an interval that holds the model's uncertainty covers what is true. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TurnSummary } from '../../service/turn-log/metrics.ts';
import { answerUs, fitTo } from '../../sim/times/fit.ts';
import { fittedPlans } from '../../sim/times/fitted.ts';
import type { Observation } from '../../sim/times/observed.ts';
import { loadProfile } from '../../sim/times/profile.ts';
import { redrawnSessions } from '../../sim/times/redraw.ts';
import { BARE_SUMMARY } from '../../testing/bare-summary.ts';
import {
  MEAN_CHARS,
  observedSpeech,
  SPEECH_US_PER_CHAR,
  speechFacts,
  speechPlace,
} from '../../testing/observed-speech.ts';
import { diffLanes, type Diff } from './diff.ts';

const profile = loadProfile('seed');
const REFITS = 20;
/** A candidate speaks so many times the characters. */
const MORE = 1.8;
const TRUE_MS = (SPEECH_US_PER_CHAR * (MORE - 1) * MEAN_CHARS) / 1000;

const turnOf = ({ sessionId, turnIndex }: Observation, e2eUs: number): TurnSummary => ({
  ...{ ...BARE_SUMMARY, sessionId, turnIndex, e2eUs },
  ledger: [{ stage: 'tts', phase: 'wait', us: e2eUs }],
});
const captured = (observed: readonly Observation[]): TurnSummary[] =>
  observed.map((each) => turnOf(each, answerUs(each.plan)));

/** The candidate, simulated by a fit to the capture or to sessions drawn anew. */
function simulated(observed: readonly Observation[], refit?: number): TurnSummary[] {
  const fit = fitTo(observed, profile, refit === undefined ? undefined : redrawnSessions(observed, 'run', refit));
  const { planOf } = fittedPlans(fit, { profile, seed: 'run' });
  return observed.flatMap((each) => {
    const plan = planOf(speechPlace(each), speechFacts(Math.round(MORE * each.size)));
    return plan === undefined ? [] : [turnOf(each, answerUs(plan))];
  });
}

function experiment(key: string): { bare: Diff; whole: Diff } {
  const observed = observedSpeech({ sessions: 8, turns: 3, key });
  const [a, b] = [captured(observed), simulated(observed)];
  const refits = Array.from({ length: REFITS }, (_, index) => ({ a, b: simulated(observed, index + 1) }));
  const [bare, whole] = [diffLanes(a, b), diffLanes(a, b, { refits })];
  assert.ok(bare !== undefined && whole !== undefined);
  return { bare, whole };
}

const covers = ({ primary }: Diff): boolean =>
  (primary?.lowMs ?? Infinity) <= TRUE_MS && (primary?.highMs ?? -Infinity) >= TRUE_MS;

test('with refits the interval covers the truth of the generating model in 95 of 100 captures; control: without, in far fewer', () => {
  const found = Array.from({ length: 50 }, (_, index) => experiment(`capture ${index}`));
  const share = (of: 'bare' | 'whole'): number => found.filter((each) => covers(each[of])).length / found.length;
  assert.ok(share('bare') < 0.85, `without refits ${share('bare')}`);
  assert.ok(share('whole') > 0.92, `with refits ${share('whole')}`);
});

test('refits widen every row and leave every estimate; the report says their share; control: without them nothing is said', () => {
  const { bare, whole } = experiment('one');
  const middle = ({ stages, primary }: Diff): unknown => [...stages, primary].map((row) => [row?.aMs, row?.deltaMs]);
  assert.deepEqual(middle(whole), middle(bare));
  const width = ({ endToEnd }: Diff): number => (endToEnd?.highMs ?? 0) - (endToEnd?.lowMs ?? 0);
  assert.ok(width(whole) > 1.2 * width(bare), `${width(whole)} ${width(bare)}`);
  assert.equal(whole.model?.refits, REFITS);
  assert.ok((whole.model?.variancePct ?? 0) > 10 && (whole.model?.variancePct ?? 100) < 95);
  assert.equal(bare.model, undefined);
});

test('refits that agree with the capture change nothing: zero stays exactly zero', () => {
  const observed = observedSpeech({ sessions: 8, turns: 3, key: 'zero' });
  const a = captured(observed);
  const { primary, verdict, model } =
    diffLanes(a, a, { refits: Array.from({ length: REFITS }, () => ({ a, b: a })) }) ?? {};
  assert.deepEqual([primary?.deltaMs, primary?.lowMs, primary?.highMs, verdict], [0, 0, 0, 'same']);
  assert.deepEqual(model, { refits: REFITS, variancePct: 0 });
});

test('a turn that a refit did not measure is left out of that refit alone', () => {
  const observed = observedSpeech({ sessions: 8, turns: 3, key: 'lost' });
  const [a, b] = [captured(observed), simulated(observed)];
  const again = simulated(observed, 1).map((turn, index) =>
    index === 0 ? { ...turn, failure: { stage: 'tts' as const, kind: 'timeout' as const, message: '' } } : turn,
  );
  const refits = [
    { a, b: again },
    { a, b: simulated(observed, 2) },
  ];
  const { primary, pairs } = diffLanes(a, b, { refits }) ?? {};
  assert.equal(pairs, observed.length);
  assert.ok(Number.isFinite(primary?.lowMs));
});

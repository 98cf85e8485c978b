/** A fit to few, scattered exchanges: its doubt is in the interval, alike in all lanes, and every report names it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { keyedRandom } from '../../service/base/random.ts';
import type { StrategyPatch } from '../../service/strategy/patch.ts';
import { answerUs, fitTo } from '../../sim/times/fit.ts';
import { fitErrors } from './fit-error.ts';
import { fittedPlans } from '../../sim/times/fitted.ts';
import type { Observation } from '../../sim/times/observed.ts';
import { loadProfile } from '../../sim/times/profile.ts';
import { redrawnSessions } from '../../sim/times/redraw.ts';
import { observedSpeech, speechFacts, speechPlace } from '../../testing/observed-speech.ts';
import { SIM_EXPERIMENT, uploadSessions } from '../../testing/sessions.ts';
import { htmlReport } from '../report/html.ts';
import { markdownReport } from '../report/markdown.ts';
import { terminalReport } from '../report/terminal.ts';
import { normalDraw } from '../statistics/distributions.ts';
import { withModels } from '../statistics/multiple-imputation.ts';
import { intervalOf } from '../statistics/estimates.ts';
import { runExperiment } from './experiment.ts';
import { levelsUnder, REFITS } from './refits.ts';

const profile = loadProfile('seed');

/** Ten syntheses in five sessions; the logarithms of their times differ by `sd`. */
function scattered(sd: number, key: string): Observation[] {
  const random = keyedRandom(key, 'scatter');
  return observedSpeech({ sessions: 5, turns: 2, key }).map((each) => ({
    ...each,
    plan: { ...each.plan, waitUs: Math.round(400_000 * Math.exp(sd * normalDraw(random))) },
  }));
}

/** The width of the interval of a candidate that speaks 1.8 times the characters, in ms: with levels, and with sessions drawn anew alone. */
function widths(observed: readonly Observation[]): { whole: number; bare: number; isWeak: boolean } {
  const errors = fitErrors(observed, profile);
  const meanMs = (refit?: number, levels: Readonly<Record<string, number>> = {}): number => {
    const redraw = refit === undefined ? undefined : redrawnSessions(observed, 'run', refit);
    const fit = fitTo(observed, profile, redraw && { ...redraw, levelOf: (kind) => levels[kind] ?? 1 });
    const { planOf } = fittedPlans(fit, { profile, seed: 'run' });
    const more = observed.map((each) => {
      const plan = planOf(speechPlace(each), speechFacts(Math.round(1.8 * each.size)));
      return plan === undefined ? 0 : answerUs(plan) - answerUs(each.plan);
    });
    return more.reduce((sum, each) => sum + each, 0) / more.length / 1000;
  };
  const widthOf = (refitted: readonly number[]): number => {
    const { low = 0, high = 0 } = withModels(intervalOf(meanMs(), 20, 4), refitted);
    return high - low;
  };
  const refits = Array.from({ length: REFITS }, (_, index) => index + 1);
  return {
    whole: widthOf(refits.map((refit) => meanMs(refit, levelsUnder(errors, 'run', refit)))),
    bare: widthOf(refits.map((refit) => meanMs(refit))),
    isWeak: errors.some(({ isWeak }) => isWeak),
  };
}

test('the wider a fit’s left-out error, the wider the interval; control: a fit that is not weak changes nothing', () => {
  for (const key of ['one', 'two', 'three', 'four', 'five', 'six']) {
    const [quiet, loud, louder] = [0.05, 0.8, 1.2].map((sd) => widths(scattered(sd, key)));
    assert.ok(quiet !== undefined && loud !== undefined && louder !== undefined);
    assert.deepEqual([quiet.isWeak, loud.isWeak, louder.isWeak], [false, true, true]);
    assert.equal(quiet.whole, quiet.bare);
    assert.ok(loud.whole > 1.05 * loud.bare && louder.whole > loud.whole, JSON.stringify({ key, loud, louder }));
  }
});

test('levels differ between refits and kinds, are the same by the same seed, and are bounded; a strong fit has none', () => {
  const weak = { kind: 'tts stream', stage: 'tts', n: 10, leftOutPct: 113, levelError: 0.27, isWeak: true } as const;
  const errors = [weak, { ...weak, kind: 'llm a' }, { ...weak, kind: 'stt b', isWeak: false }];
  const levels = Array.from({ length: 400 }, (_, refit) => levelsUnder(errors, 's', refit));
  assert.deepEqual(levelsUnder(errors, 's', 7), levels[7]);
  assert.deepEqual(Object.keys(levels[0] ?? {}), ['tts stream', 'llm a']);
  assert.notEqual(levels[0]?.['tts stream'], levels[0]?.['llm a']);
  const logs = levels.map((each) => Math.log(each['tts stream'] ?? 1));
  const sd = Math.sqrt(logs.reduce((sum, each) => sum + each ** 2, 0) / logs.length);
  assert.ok(Math.abs(sd - 0.27) < 0.03, `${sd}`);
  const wild = Array.from({ length: 50 }, (_, refit) => levelsUnder([{ ...weak, levelError: 9 }], 's', refit));
  assert.ok(wild.flatMap((each) => Object.values(each)).every((level) => level >= 0.1 && level <= 10));
});

const NAMED =
  /tts\.stream is\s+fitted to\s+18\s+exchanges,\s+left-out\s+error\s+200 %:\s+capture\s+more,\s+or\s+replay\s+it\s+in\s+live/;

test('every format names a weak fit that a lane has times from; control: other stages and captured times name none, and a null knob stays at 0', async () => {
  const patches: Record<string, StrategyPatch> = {
    clauses: { pipeline: { chunking: 'clause' } },
    cold: { network: { keepAlive: false } },
    voice: { tts: { voice: 'zeynep' } },
  };
  const { reports } = await runExperiment({
    ...SIM_EXPERIMENT,
    sessions: await uploadSessions({ sessions: 2, turns: 3, profile: 'cold-starts', seed: 'x' }),
    refits: 2,
    candidates: Object.entries(patches).map(([variant, patch]) => ({ variant, patches: [patch] })),
  });
  const [clauses, cold, voice] = reports.map(({ report }) => report);
  assert.ok(clauses !== undefined && cold !== undefined && voice !== undefined);
  assert.match(terminalReport(clauses, { columns: 80, color: false }), NAMED);
  assert.match(markdownReport(clauses, { marker: 'x' }), NAMED);
  assert.match(await htmlReport(clauses, {}), NAMED);
  assert.match(JSON.stringify(clauses), NAMED);
  for (const report of [cold, voice]) assert.doesNotMatch(JSON.stringify(report), /left-out error/);
  assert.equal(clauses.validity.model?.refits, 2);
  assert.deepEqual([voice.primary?.deltaMs, voice.primary?.lowMs, voice.primary?.highMs], [0, 0, 0]);
});

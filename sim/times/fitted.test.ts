import assert from 'node:assert/strict';
import { test } from 'node:test';
import { spread } from './empirical.ts';
import { answerUs, FIT_EXCHANGES, fitTo } from './fit.ts';
import { fittedPlans } from './fitted.ts';
import type { Observation } from './observed.ts';
import type { DrawContext, Facts, FittedPlans, PlannedItem, ReplayedPlan } from './plan.ts';
import { createPlanner } from './planner.ts';
import { loadProfile, medianOf } from './profile.ts';
import { AS_CAPTURED } from './redraw.ts';

const profile = loadProfile('zero');
const context = (turnIndex: number, more: Partial<DrawContext> = {}): DrawContext => ({
  sessionId: 's',
  turnIndex,
  stage: 'tts',
  ordinal: 0,
  attempt: 0,
  fetchIndex: 0,
  arm: 'a',
  ...more,
});
const tts = (chars: number, speed = 1): Facts => ({
  operation: 'tts',
  method: 'stream',
  speed,
  text: 'x'.repeat(chars),
  uploadBytes: 400,
});

/** One in each turn: 100 ms and 2 ms a character, and a residual that only its turn has; 64 ms of speech a character. */
function observation(turnIndex: number, chars: number, residualUs: number): Observation {
  const data = (gapUs: number, bytes: number): PlannedItem => ({ gapUs, kind: 'data', parts: [bytes] });
  const bytes = 64 * 32 * chars;
  const plan: ReplayedPlan = {
    reused: turnIndex % 2 === 1,
    networkUs: { queue: 0, ...(turnIndex % 2 === 1 ? {} : { connect: 7000 + turnIndex, tls: 9000 }), send: 100 },
    waitUs: 100_000 + 2000 * chars + residualUs,
    items: [data(5000, bytes / 2), data(20_000, bytes / 2), { gapUs: 0, kind: 'tail', parts: [] }],
    terminatorUs: 500,
    leadingSilenceMs: 0,
  };
  return {
    sessionId: 's',
    turnIndex,
    exchange: 'tts.0.0.0',
    operation: 'tts',
    what: 'stream',
    size: chars,
    uploadBytes: 0,
    speed: 1,
    plan,
  };
}

const NONE: ReplayedPlan = { networkUs: { queue: 0, send: 0 }, waitUs: 0, items: [], leadingSilenceMs: 0 };
const CAPTURE = Array.from({ length: 12 }, (_, turn) =>
  observation(turn, 40 + 5 * (turn % 6), turn === 3 ? 900_000 : 0),
);
const plansOf = (capture: readonly Observation[], draws?: 'independent'): FittedPlans =>
  fittedPlans(fitTo(capture, profile), { profile, seed: 1, draws });
const bytesOf = (plan: ReplayedPlan | undefined): number =>
  (plan?.items ?? []).reduce((sum, { parts }) => sum + parts.reduce((all, part) => all + part, 0), 0);

test("a shorter text is earlier by the fitted effect, and keeps its own exchange's difference from the fit", () => {
  const plans = plansOf(CAPTURE);
  assert.equal(plans.planOf(context(0), tts(30))?.waitUs, 160_000);
  assert.equal(plans.planOf(context(3), tts(30))?.waitUs, 1_060_000, 'the slow exchange of turn 3 stays slow');
  assert.equal(bytesOf(plans.planOf(context(0), tts(30))), 64 * 32 * 30);
  assert.equal(bytesOf(plans.planOf(context(0), tts(30, 1.25))), (64 * 32 * 30) / 1.25);
});

test('a level of a refit moves what was not measured: nothing at the captured size, all at twice its size and where another exchange is drawn', () => {
  const at = (level: number) => {
    const plans = fittedPlans(fitTo(CAPTURE, profile, { ...AS_CAPTURED, levelOf: () => level }), { profile, seed: 1 });
    return (chars: number, ordinal = 0): number => answerUs(plans.planOf(context(0, { ordinal }), tts(chars)) ?? NONE);
  };
  const [once, twice] = [at(1), at(2)];
  assert.equal(twice(40), once(40), 'a null knob’s exchange');
  assert.equal(twice(80), 2 * once(80));
  assert.equal(twice(20), 2 * once(20));
  assert.ok(twice(50) > once(50) && twice(50) < 2 * once(50));
  assert.equal(twice(40, 4), 2 * once(40, 4), 'an exchange that the capture has not in this place');
});

test('times that show no growth with size grow as the profile says, and by nothing that noise made up', () => {
  const noisy = CAPTURE.map((each, turn) => ({
    ...each,
    plan: { ...each.plan, waitUs: 100_000 + 1000 * ((turn * 7919) % 400) },
  }));
  const seed = loadProfile('seed');
  const earlierUs = (from: typeof profile): number => {
    const plans = fittedPlans(fitTo(noisy, from), { profile: from, seed: 1 });
    return (plans.planOf(context(0), tts(40))?.waitUs ?? 0) - (plans.planOf(context(0), tts(30))?.waitUs ?? 0);
  };
  assert.equal(earlierUs(profile), 0, 'profile zero knows no growth');
  assert.equal(earlierUs(seed), 10 * 1000 * medianOf(seed.tts.stream.perCharMs));
  assert.equal(
    fitTo(CAPTURE, seed).kind('tts stream')?.slopeUs,
    2000,
    'control: growth that is shown is the capture’s',
  );
});

test('a request that had no counterpart takes one from those of its kind, the same one every time', () => {
  const plans = plansOf(CAPTURE);
  const at = (turn: number): number | undefined => plans.planOf(context(turn, { ordinal: 4 }), tts(40))?.waitUs;
  assert.deepEqual([at(0), at(1), at(2)], [at(0), at(1), at(2)]);
  const drawn = Array.from({ length: 200 }, (_, turn) => at(turn));
  const slow = drawn.filter((us) => us === 1_080_000).length;
  assert.ok(slow > 4 && slow < 40, `the tail is drawn as often as it was seen: ${slow} of 200`);
  assert.equal(drawn.filter((us) => us === 180_000).length, 200 - slow);
});

test('independent draws do not meet the residual of the exchange in the same place', () => {
  const plans = plansOf(CAPTURE, 'independent');
  const drawn = Array.from({ length: 12 }, (_, index) => plans.planOf(context(3, { arm: String(index) }), tts(40)));
  assert.ok(drawn.some((plan) => plan?.waitUs === 180_000));
});

test('a lane draws from exchanges of its ordinal; control: a rare ordinal has those of the later pieces, the captured place its own', () => {
  /** Second pieces come 50 ms sooner than first ones. */
  const second = CAPTURE.map((each) => ({
    ...each,
    exchange: 'tts.1.0.0',
    plan: { ...each.plan, waitUs: each.plan.waitUs - 50_000 },
  }));
  const capture = [...CAPTURE.filter((_each, turn) => turn !== 3), ...second.filter((_each, turn) => turn !== 3)];
  const drawn = (ordinal: number): Set<number | undefined> => {
    const plans = plansOf(capture, 'independent');
    const arms = Array.from({ length: 60 }, (_, arm) => context(3, { ordinal, arm: String(arm) }));
    return new Set(arms.map((each) => plans.planOf(each, tts(40))?.waitUs));
  };
  assert.deepEqual([...drawn(0)], [180_000]);
  assert.deepEqual([...drawn(1)], [130_000]);
  assert.deepEqual([...drawn(7)], [130_000]);
});

test('an exchange in a captured one’s place keeps its connection; one without such a place, or of independent draws, has none', () => {
  const [common, independent] = [plansOf(CAPTURE), plansOf(CAPTURE, 'independent')];
  assert.deepEqual([0, 1].map((turn) => common.planOf(context(turn), tts(30))?.reused), [false, true]); // prettier-ignore
  assert.equal(common.planOf(context(0), tts(30))?.networkUs.connect, 7000);
  assert.equal(common.planOf(context(1, { ordinal: 4 }), tts(30))?.reused, undefined);
  assert.equal(independent.planOf(context(1), tts(30))?.reused, undefined);
});

test('control: too few exchanges, a size out of reach, another method: no fitted plan', () => {
  assert.equal(plansOf(CAPTURE.slice(0, FIT_EXCHANGES - 1)).planOf(context(0), tts(30)), undefined);
  assert.notEqual(plansOf(CAPTURE.slice(0, FIT_EXCHANGES)).planOf(context(0), tts(30)), undefined);
  const plans = plansOf(CAPTURE);
  assert.equal(plans.planOf(context(0), tts(19)), undefined);
  assert.equal(plans.planOf(context(0), tts(131)), undefined);
  assert.equal(plans.planOf(context(0), { ...tts(40), operation: 'tts', method: 'speech' } as Facts), undefined);
});

test('new connections have set-ups that were seen; the planner says from where each part comes', () => {
  const plans = plansOf(CAPTURE);
  const setUp = plans.setUpOf(context(5));
  assert.ok(
    (setUp?.connect ?? 0) >= 7000 && setUp?.tls === 9000 && setUp.dns === undefined && setUp.basis === 'fitted',
  );
  assert.equal(plans.setUpOf(context(5, { stage: 'llm' })), undefined, 'no connection to the model was seen');
  const planner = createPlanner({ profile, seed: 1, fitted: plans });
  const fitted = planner.planOf(context(1), tts(30));
  assert.deepEqual([fitted.basis, fitted.networkUs.basis], ['fitted', 'fitted']);
  const own = planner.planOf(context(4), tts(30));
  assert.deepEqual([own.basis, own.networkUs.basis], ['fitted', 'captured'], 'that of the exchange in its place');
  assert.equal(own.networkUs.connect, 7004);
  const drawn = planner.planOf(context(1), tts(200));
  assert.deepEqual([drawn.basis, drawn.networkUs.basis], ['profile', 'fitted']);
  assert.equal(planner.planOf(context(0, { stage: 'llm' }), tts(200)).networkUs.basis, 'profile');
});

test('an exchange of another kind is the captured one, scaled by the medians of the profile', () => {
  const seed = loadProfile('seed');
  const speech = (turn: number, planned: string): number => {
    const fitted = fittedPlans(fitTo(CAPTURE, seed), { profile: seed, seed: 1 });
    const facts = { ...tts(40), operation: 'tts', method: 'generate' } as Facts;
    return answerUs(createPlanner({ profile: seed, seed: planned, fitted }).planOf(context(turn), facts));
  };
  assert.equal(speech(0, 'one'), speech(0, 'another'));
  const { stream, generate } = seed.tts;
  const medianMs = ({ waitMs, perCharMs, firstByteMs }: typeof stream): number =>
    medianOf(seed.network.roundTripMs) + medianOf(waitMs) + 40 * medianOf(perCharMs) + medianOf(firstByteMs);
  const sendMs = (400 / 1000) * medianOf(seed.network.sendMsPerKb);
  const times = (medianMs(generate) + sendMs) / medianMs(stream);
  const [own] = CAPTURE;
  assert.ok(own !== undefined);
  assert.ok(Math.abs(speech(0, 'one') - answerUs(own.plan) * times) < 2000, `${speech(0, 'one')}`);
  assert.ok(speech(3, 'one') > speech(0, 'one') + 900_000, 'control: a slow exchange stays slow');
});

test("an exchange's wait in this process comes again; an exchange from a profile waits as the captured ones did", () => {
  const capture = CAPTURE.map((each, turn) => ({
    ...each,
    plan: { ...each.plan, networkUs: { ...each.plan.networkUs, queue: 1000 + turn } },
  }));
  const planner = createPlanner({ profile, seed: 1, fitted: plansOf(capture) });
  assert.equal(planner.planOf(context(4), tts(30)).networkUs.queue, 1004);
  const poll: Facts = { operation: 'other', figure: 'queueStatusMs', uploadBytes: 0 };
  const queues = Array.from({ length: 40 }, (_, index) => {
    const { basis, networkUs } = planner.planOf(context(4, { fetchIndex: 1 + index }), poll);
    return [basis, networkUs.queue] as const;
  });
  assert.ok(queues.every(([basis, us]) => basis === 'profile' && us >= 1000 && us <= 1011));
  assert.ok(new Set(queues.map(([, us]) => us)).size > 4, 'drawn, not one of them');
  const bare = createPlanner({ profile, seed: 1 });
  assert.equal(bare.planOf(context(4), poll).networkUs.queue, 0, 'control: without a capture nothing is known');
});

test('a longer reply repeats the steps of its own stream; its first delta waits for its prompt', () => {
  const llm = (turnIndex: number, promptChars: number): Observation => ({
    ...observation(turnIndex, 40, 0),
    exchange: 'llm.0.0.0',
    operation: 'llm',
    what: 'a/model',
    size: promptChars,
    plan: {
      reused: true,
      networkUs: { queue: 0, send: 0 },
      waitUs: 50_000,
      items: [
        { gapUs: 200_000 + 10 * promptChars, kind: 'data', parts: [20] },
        { gapUs: 30_000, kind: 'data', parts: [10, 10] },
        { gapUs: 1000, kind: 'tail', parts: [] },
      ],
      leadingSilenceMs: 0,
    },
  });
  const plans = plansOf(Array.from({ length: 9 }, (_, turn) => llm(turn, 1000 + 100 * turn)));
  const facts = {
    operation: 'llm',
    model: 'a/model',
    messages: 2,
    promptChars: 800,
    maxTokens: 500,
    uploadBytes: 0,
  } as const;
  const plan = plans.planOf(context(4, { stage: 'llm' }), { ...facts, text: 'x'.repeat(65) });
  assert.equal((plan?.waitUs ?? 0) + (plan?.items[0]?.gapUs ?? 0), 50_000 + 200_000 + 8000);
  assert.deepEqual(
    plan?.items.map(({ parts }) => parts),
    [[20], [10, 10], [10, 10], [5], []],
  );
});

test('a capture of more exchanges than a call takes arguments still has its least and largest size', () => {
  const many = Array.from({ length: 20_000 }, () => CAPTURE).flat();
  const plans = plansOf(many);
  assert.notEqual(plans.planOf(context(0), tts(30)), undefined);
  assert.equal(plans.planOf(context(0), tts(19)), undefined);
});

test('a spread comes from every stretch, each once, and not from one turn of every session', () => {
  const all = Array.from({ length: 4000 }, (_, index) => index);
  assert.deepEqual(spread(all.slice(0, 7), 7), [0, 1, 2, 3, 4, 5, 6]);
  const some = spread(all, 500);
  assert.deepEqual(some, spread(all, 500), 'the same every time');
  some.forEach((each, index) => assert.equal(Math.floor(each / 8), index));
  const ofTurn = Array.from({ length: 8 }, (_, turn) => some.filter((each) => each % 8 === turn).length);
  assert.ok(Math.min(...ofTurn) > 30, ofTurn.join());
  assert.equal(new Set(spread(all.slice(0, 600), 500)).size, 500);
});

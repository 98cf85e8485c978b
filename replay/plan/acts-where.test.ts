/** A variant that cannot act in the set-up: regions and provider routing, each with what it needs and a neighbour that has it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TurnEvent } from '../../service/base/events.ts';
import { resolveStrategy, type StrategyPatch } from '../../service/strategy/patch.ts';
import { DEFAULT_STRATEGY } from '../../service/strategy/strategy.ts';
import { LIVE_ENDPOINTS } from '../../service/world.ts';
import { SIM_EXPERIMENT, uploadSessions } from '../../testing/sessions.ts';
import { judgeable } from '../rank/rank.ts';
import { rankSessions } from '../rank/rank-sessions.ts';
import { runExperiment } from '../run/experiment.ts';
import type { CapturedSession } from '../sessions/captured-session.ts';
import { namedVariants, variantPatch } from '../variants/variants.ts';
import { cannotAct, setUpOf, type SetUp } from './acts-where.ts';

const LOCAL_URL = 'http://127.0.0.1:8101';
const LOCAL: SetUp = {
  endpoints: { falRunUrl: LOCAL_URL, falQueueUrl: LOCAL_URL, falRestUrl: LOCAL_URL, openRouterUrl: `${LOCAL_URL}/v1` },
  regions: {},
  isRouted: false,
};
const why = (patch: StrategyPatch, setUp: SetUp): string | undefined =>
  cannotAct(DEFAULT_STRATEGY, resolveStrategy([patch], 'test'), setUp);
const NEAREST = variantPatch('region-nearest');

const ROUTED: Readonly<Record<string, StrategyPatch>> = {
  'llm.route': { llm: { route: { sort: 'latency' } } },
  'llm.fallback': { llm: { fallback: ['openai/gpt-4o-mini'] } },
  'llm.model': { llm: { model: 'google/gemini-2.5-flash:nitro' } },
  'llm.hedge': { llm: { hedge: { afterMs: 500, ignore: ['Groq'] } } },
};
for (const [knob, patch] of Object.entries(ROUTED)) {
  test(`${knob} that only OpenRouter understands cannot act elsewhere; control: at OpenRouter, and behind a proxy of it`, () => {
    assert.equal(
      why(patch, LOCAL),
      `cannot act here (${knob}): 127.0.0.1:8101 is not OpenRouter, and none of its captured answers names a provider`,
    );
    assert.equal(why(patch, { ...LOCAL, endpoints: LIVE_ENDPOINTS }), undefined);
    assert.equal(why(patch, { ...LOCAL, isRouted: true }), undefined);
  });
}

test('a model, and a hedge that names one, act at any endpoint', () => {
  assert.equal(why({ llm: { model: 'openai/gpt-4o-mini' } }, LOCAL), undefined);
  assert.equal(why({ llm: { hedge: { afterMs: 500, model: 'openai/gpt-4o-mini' } } }, LOCAL), undefined);
});

test('the nearest region needs regions, and one of them on another machine', () => {
  assert.equal(why(NEAREST, LOCAL), 'cannot act here (network.region): no region is configured; set RETAKE_REGIONS');
  assert.match(
    why(NEAREST, { ...LOCAL, regions: { eu: { falRunUrl: 'http://localhost:1' } } }) ?? '',
    /on this machine/,
  );
  assert.equal(why(NEAREST, { ...LOCAL, regions: { eu: { falRunUrl: 'https://eu.example.com' } } }), undefined);
  assert.match(why(NEAREST, { ...LOCAL, endpoints: LIVE_ENDPOINTS }) ?? '', /RETAKE_REGIONS/);
  assert.equal(why({ network: { region: 'none' } }, LOCAL), undefined, 'off');
});

/** As if providers had answered. Their answers name no provider where `isRouted` is false. */
function asLive(session: CapturedSession, isRouted: boolean): CapturedSession {
  const attrsOf = ({ servedProvider, ...attrs }: NonNullable<TurnEvent['attrs']>): TurnEvent['attrs'] =>
    isRouted && servedProvider !== undefined ? { ...attrs, servedProvider } : attrs;
  const turns = session.turns.map((log) => ({
    ...log,
    identity: { ...log.identity, world: 'live' as const },
    events: log.events.map((event) => ({ ...event, attrs: event.attrs && attrsOf(event.attrs) })),
  }));
  return { ...session, turns };
}
const captured = await uploadSessions({ sessions: 2, turns: 1 });

test('stand-ins can do everything; of a service, its captured answers say whether a router chose', () => {
  const of = (isRouted: boolean): SetUp | undefined => setUpOf(captured.map((each) => asLive(each, isRouted)), LOCAL, 'sim'); // prettier-ignore
  assert.deepEqual([of(true)?.isRouted, of(false)?.isRouted], [true, false]);
  assert.equal(setUpOf(captured, LOCAL, 'sim'), undefined);
  assert.equal(setUpOf(captured.map((each) => asLive(each, false)), LOCAL, 'wire'), undefined); // prettier-ignore
  assert.equal(setUpOf(captured, LOCAL, 'live')?.isRouted, false, 'live asks the endpoints, whoever was captured');
});

test('--rank leaves such variants out with the reason, and what only a replay can show, with its command', async () => {
  const names = ['region-nearest', 'model-gemini-2.5-flash-nitro', 'reasoning-none', 'preconnect'];
  const variants = namedVariants().filter(({ name }) => names.includes(name));
  const here = judgeable(variants, DEFAULT_STRATEGY, { setUp: LOCAL });
  assert.deepEqual(
    [here.judged, here.left].map((some) => some.map(({ name }) => name)),
    [['preconnect'], ['model-gemini-2.5-flash-nitro', 'reasoning-none', 'region-nearest']],
  );
  const elsewhere = judgeable(variants, DEFAULT_STRATEGY);
  assert.deepEqual(
    elsewhere.left.map(({ name }) => name),
    ['reasoning-none'],
  );
  const only = (name: string, setUp?: SetUp): Promise<unknown> =>
    rankSessions(captured, {
      ...{ variants: variants.filter((each) => each.name === name), seed: '1', runs: 1, commit: 'test', setUp },
    });
  await assert.rejects(only('region-nearest', LOCAL), /region-nearest cannot act here.*set RETAKE_REGIONS/);
  await assert.rejects(
    only('reasoning-none'),
    /changes only what no capture shows \(llm\.reasoning\); a replay would: npx retake replay --variant reasoning-none --world live --sample 20$/,
  );
});

test('an explicit variant that cannot act is simulated, and the report warns of it', async () => {
  const experiment = async (setUp?: SetUp): Promise<string> => {
    const { reports } = await runExperiment({
      ...SIM_EXPERIMENT,
      ...{ sessions: captured, candidates: [{ variant: 'region-nearest', patches: [NEAREST] }], setUp },
    });
    return reports[0]?.report.validity.notes?.join('\n') ?? '';
  };
  assert.match(await experiment(LOCAL), /^warning: region-nearest cannot act here \(network\.region\): no region/m);
  assert.doesNotMatch(await experiment(), /cannot act/);
});

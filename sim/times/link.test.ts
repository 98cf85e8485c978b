import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { DrawContext, ExchangePlan, Facts, FittedPlans, PlannerOptions } from './plan.ts';
import { createPlanner } from './planner.ts';
import { loadProfile } from './profile.ts';
import { parseScenario } from '../faults/scenario.ts';
import { overLink, setUpOverLink } from './link.ts';

const profile = loadProfile('seed');
const STT: Facts = {
  operation: 'stt',
  method: 'transcriptions',
  audioBytes: 64_000,
  audioMs: 2000,
  uploadBytes: 64_000,
};
const PLAN: ExchangePlan = {
  basis: 'profile',
  networkUs: { queue: 0, dns: 1, connect: 20_000, tls: 40_000, send: 5 },
  waitUs: 100_000,
  items: [10_000, 50_000, 50_000, 500_000].map((gapUs) => ({ gapUs, kind: 'data', parts: [100] })),
  terminatorUs: 0,
  leadingSilenceMs: 0,
};
const arrivalsUs = ({ items }: ExchangePlan): number[] => {
  let atUs = 0;
  return items.map(({ gapUs }) => (atUs += gapUs));
};
const context = (turnIndex: number, more: Partial<DrawContext> = {}): DrawContext => ({
  sessionId: 's',
  turnIndex,
  stage: 'stt',
  ordinal: 0,
  attempt: 0,
  fetchIndex: 0,
  arm: 'a',
  ...more,
});

test('an upload takes its bytes over the bandwidth', () => {
  assert.equal(overLink(PLAN, STT, { uploadKbps: 512 }, () => 1).networkUs.send, 1_000_000);
  assert.equal(overLink(PLAN, STT, {}, () => 1).networkUs.send, 5, 'control: no bandwidth given');
});

test('a lost item comes a retransmission later, and what was due meanwhile comes with it', () => {
  const only =
    (part: string) =>
    (field: string): number =>
      field === `loss.${part}` ? 0 : 1;
  const link = { lossShare: 0.01, retransmitMs: 80 };
  assert.deepEqual(arrivalsUs(overLink(PLAN, STT, link, only('1'))), [10_000, 140_000, 140_000, 610_000]);
  assert.deepEqual(arrivalsUs(overLink(PLAN, STT, link, only('none'))), arrivalsUs(PLAN));
  const { networkUs, waitUs } = overLink(PLAN, STT, { lossShare: 0.01 }, () => 0);
  assert.deepEqual([networkUs.send, waitUs], [200_005, 300_000]);
  const { connect, tls } = setUpOverLink(PLAN.networkUs, { lossShare: 0.01 }, () => 0);
  assert.deepEqual([connect, tls], [1_020_000, 240_000]);
});

test("a profile's link concerns drawn times only, part by part: opened ahead as by the exchange", () => {
  const lossy = { ...profile, network: { ...profile.network, link: { lossShare: 0.5, retransmitMs: 0 } } };
  const captured = { ...PLAN, reused: true, networkUs: { queue: 0, send: 5 } };
  const fitted = { planOf: () => undefined, queueOf: () => 0, levelled: (plan: ExchangePlan) => plan };
  const seen = { queue: 0, connect: 7, tls: 9, send: 0, basis: 'fitted' } as const;
  const connectsUs = (setUpOf: FittedPlans['setUpOf'], plans: Pick<PlannerOptions, 'captured'>): Set<number> => {
    const planner = createPlanner({ profile: lossy, seed: 1, ...plans, fitted: { ...fitted, setUpOf } });
    const turns = Array.from({ length: 40 }, (_, turn) => context(turn));
    const [own, ahead] = [turns.map((turn) => planner.planOf(turn, STT).networkUs), turns.map(planner.networkOf)];
    assert.deepEqual(own.map(({ connect }) => connect), ahead.map(({ connect }) => connect)); // prettier-ignore
    return new Set(ahead.map(({ connect = 0 }) => Math.floor(connect / 1_000_000)));
  };
  for (const plans of [{}, { captured: () => captured }]) {
    assert.deepEqual(connectsUs(() => seen, plans), new Set([0]), 'a set-up that was seen is as it was'); // prettier-ignore
    assert.equal(connectsUs(() => undefined, plans).size, 2, 'control: of those drawn some have lost a SYN');
  }
});

test('losses come as often as their share says', () => {
  const planner = createPlanner({ profile, seed: 1, link: { lossShare: 0.02, retransmitMs: 10_000 } });
  const late = Array.from({ length: 2000 }, (_, turn) => planner.planOf(context(turn), STT)).filter(
    ({ waitUs }) => waitUs > 10_000_000,
  ).length;
  assert.ok(late > 20 && late < 62, `${late} of 2000 waits, expected 40`);
});

test('a draw of one consumer moves no draw of another: other requests, their order, and the link', () => {
  const facts = fc.constantFrom<Facts>(
    STT,
    {
      operation: 'llm',
      model: 'x/y',
      messages: 1,
      promptChars: 900,
      maxTokens: 9,
      text: 'x'.repeat(90),
      uploadBytes: 9,
    },
    { operation: 'tts', method: 'stream', speed: 1, text: 'x'.repeat(50), uploadBytes: 9 },
  );
  const request = fc.record({ turn: fc.nat(5), ordinal: fc.nat(3), attempt: fc.nat(2), facts });
  fc.assert(
    fc.property(
      fc.array(request, { maxLength: 12 }),
      request,
      fc.boolean(),
      (others, { turn, facts, ...place }, lossy) => {
        const asked = context(turn, place);
        const alone = createPlanner({ profile, seed: 7 }).planOf(asked, facts);
        const busy = createPlanner({ profile, seed: 7, link: lossy ? { lossShare: 0 } : undefined });
        for (const other of others) {
          busy.networkOf(context(other.turn, { stage: 'llm' }));
          busy.planOf(
            context(other.turn, { ordinal: other.ordinal, attempt: other.attempt, stage: 'tts' }),
            other.facts,
          );
        }
        assert.deepEqual(busy.planOf(asked, facts), alone);
      },
    ),
    { seed: 1, numRuns: 300 },
  );
});

test('control: a stream shared by consumers would move; ours differ by place and seed', () => {
  const plan = (turn: number, seed: number): ExchangePlan =>
    createPlanner({ profile, seed }).planOf(context(turn), STT);
  assert.notDeepEqual(plan(0, 7), plan(1, 7));
  assert.notDeepEqual(plan(0, 7), plan(0, 8));
});

test('a link of a scenario is checked, in both worlds', () => {
  const link = { uploadKbps: 256, lossShare: 0.01 };
  assert.deepEqual(parseScenario({ title: 't', rules: [], link }, 'x', 'wire').link, link);
  assert.throws(
    () => parseScenario({ title: 't', rules: [], link: { lossShare: 2 } }, 'x.json', 'sim'),
    /x\.json: \/link\/lossShare must be <= 0\.5/,
  );
  assert.throws(
    () => parseScenario({ title: 't', rules: [], link: { loss: 0.1 } }, 'x.json', 'sim'),
    /additional properties: loss/,
  );
});

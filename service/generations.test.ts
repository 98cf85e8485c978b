/** Generation records in virtual time: after the turn, beside the next one, and never at its expense. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { tones } from '../testing/turn-by-hand.ts';
import { flatProfile } from '../testing/flat-profile.ts';
import { runFixtureTurn } from '../sim/world/fixtures.ts';
import type { Scenario } from '../sim/faults/scenario.ts';
import { createSimWorld, type SimWorld } from '../sim/world/world.ts';
import { apart, createGenerations, type Generations } from './generations.ts';
import type { MeasuredTurn } from './turn-log/metrics.ts';
import type { TurnEvent, TurnLog } from './base/events.ts';
import type { FinishedTurn, Projection } from './turn/observe.ts';
import { resolveStrategy, type StrategyPatch } from './strategy/patch.ts';
import { spansOf } from './telemetry/spans.ts';

type Rules = Scenario['rules'];

interface Closed {
  atMs: number;
  log: TurnLog;
  measured: MeasuredTurn;
}

interface Run {
  turn: FinishedTurn;
  endedMs: number;
  /** In order. */
  closed: Closed[];
  sunk: TurnEvent[];
  world: SimWorld;
}

const turn = {
  audio: '',
  transcript: 'aaaa bbbb cccc dddd eeee',
  reply: 'Bir cümle söylendi, ve bitti. İkincisi de hemen ardından geldi.',
  speechStartMs: 200,
  speechEndMs: 1200,
};
const interview = {
  name: 'by-hand',
  language: 'tr',
  systemPrompt: 'Sor.',
  greeting: 'Merhaba.',
  turns: [turn, turn],
};
const said = tones(6000, [[200, 1200]]);

/** One turn, or two back to back, and then whatever `after` does; all records are awaited at the end. */
async function run(
  options: {
    rules?: Rules;
    patch?: StrategyPatch;
    records?: boolean;
    turns?: number;
    models?: Record<string, number>;
    after?: (generations: Generations, world: SimWorld) => Promise<void>;
  } = {},
): Promise<Run> {
  const { rules = [], records = true, turns = 1, models = {} } = options;
  const world = createSimWorld({
    profile: flatProfile({ stt: 100, llm: 100, tts: 200, connect: 30, models }),
    seed: 'records',
    interviews: [interview],
    scenario: { title: 'records', rules },
  });
  const strategy = resolveStrategy([options.patch ?? {}], 'test');
  const closed: Closed[] = [];
  const sunk: TurnEvent[] = [];
  const inner: Projection = {
    opened: () => (event) => void sunk.push(event),
    closed: (log, measured) => void closed.push({ atMs: world.clock.nowUs() / 1000, log, measured }),
  };
  const generations = createGenerations(assert.ifError);
  const asking = (turnIndex: number) => world.ports(apart(strategy), 'by-hand', turnIndex);
  const projections = [records ? generations.before(inner, 'by-hand', asking) : inner];
  return world.clock.run(async () => {
    let last: FinishedTurn | undefined;
    for (let turnIndex = 0; turnIndex < turns; turnIndex++) {
      last = await runFixtureTurn(world, interview, turnIndex, {
        strategy,
        audio: said.audio,
        profile: 'by hand',
        projections,
      });
    }
    assert.ok(last);
    const endedMs = world.clock.nowUs() / 1000;
    await options.after?.(generations, world);
    await generations.settled();
    assert.equal(world.clock.sleeping(), 0, 'no timer stays behind');
    assert.equal(world.exchangesInUse(), 0, 'no exchange either');
    return { turn: last, endedMs, closed, sunk, world };
  });
}

const late = (attempts: number[], status = 404): Rules => [
  { route: 'llm.generation', attempts, fault: { kind: 'status', status, message: 'Generation not found' } },
];
const llmSpan = ({ log, measured }: Closed) => spansOf(log, measured).find(({ name }) => name === 'llm')?.attributes;
const recordKeys = (each: Closed): string[] =>
  Object.keys(llmSpan(each) ?? {}).filter((key) => key.startsWith('retake.llm.record.'));

test('the record comes after the turn and stands on its llm span; control: without it the turn is the same', async () => {
  const plain = await run({ records: false });
  const { turn: finished, endedMs, closed, sunk } = await run();
  const [only] = closed;
  assert.ok(only !== undefined && closed.length === 1);
  assert.deepEqual(finished, plain.turn, 'what the session and its client get');
  assert.equal(endedMs, plain.endedMs, 'the session is free at the same time');
  assert.ok(only.atMs >= endedMs + 500 && only.atMs < endedMs + 1500, `closed ${only.atMs - endedMs} ms later`);
  assert.deepEqual(sunk, only.log.events, 'a capture has the record too');
  const added = only.log.events.slice(plain.turn.log.events.length);
  assert.deepEqual(
    added.map(({ kind, exchange }) => [kind, exchange]),
    [['llm.record', 'llm.0']],
  );
  const attributes = llmSpan(only) ?? {};
  assert.equal(attributes['retake.llm.record.total_cost_usd'], attributes['retake.llm.cost_usd']);
  assert.equal(attributes['retake.llm.record.native_prompt_tokens'], attributes['gen_ai.usage.input_tokens']);
  assert.equal(attributes['retake.llm.record.provider_ms'], 100);
  assert.deepEqual(recordKeys(plain.closed[0] ?? only), [], 'control: off, none of it');
  assert.deepEqual(only.measured, plain.closed[0]?.measured, 'no figure of the turn moves');
});

test('a record that comes late is asked for again; one that never comes, or fails, leaves the turn as it is', async () => {
  const plain = await run({ records: false });
  const second = await run({ rules: late([0]) });
  assert.equal(recordKeys(second.closed[0] ?? assert.fail()).length > 4, true);
  assert.ok((second.closed[0]?.atMs ?? 0) >= second.endedMs + 1500);
  const faults: Rules[] = [
    late([0, 1, 2]),
    late([0, 1, 2], 500),
    late([0, 1, 2], 401),
    [{ route: 'llm.generation', fault: { kind: 'html' } }],
    [{ route: 'llm.generation', fault: { kind: 'truncated-json' } }],
    [{ route: 'llm.generation', fault: { kind: 'reset-mid-body' } }],
    [{ route: 'llm.generation', fault: { kind: 'stall-before-headers' } }],
  ];
  for (const rules of faults) {
    const { closed, endedMs, turn: finished } = await run({ rules });
    assert.deepEqual(closed[0]?.log.events, plain.turn.log.events, JSON.stringify(rules));
    assert.deepEqual(finished, plain.turn);
    assert.ok((closed[0]?.atMs ?? Infinity) <= endedMs + 5000, 'bounded');
  }
});

test('the next turn neither waits for records nor meets them on its connections', async () => {
  const plain = await run({ records: false, turns: 2 });
  const both = await run({ turns: 2, rules: late([0, 1]) });
  assert.deepEqual(both.turn, plain.turn);
  assert.equal(both.endedMs, plain.endedMs);
  assert.deepEqual(
    both.closed.map((each) => [each.log.identity.turnIndex, recordKeys(each).length > 0]),
    [
      [0, true],
      [1, true],
    ],
  );
});

test('stopping closes waiting turns at once, and later ones without asking', async () => {
  const { closed, endedMs } = await run({ after: (generations) => generations.stop() });
  assert.deepEqual([closed[0]?.atMs, recordKeys(closed[0] ?? assert.fail())], [endedMs, []]);
  const other = await run({ after: (generations) => generations.stop('another session') });
  assert.ok(recordKeys(other.closed[0] ?? assert.fail()).length > 0, 'control: another session’s end stops nothing');
});

test('a hedge’s loser that had answered is charged by its record; control: estimated without one', async () => {
  const slow: Rules = [{ route: 'llm', ordinals: [0], tune: { ttftMs: 2000 } }];
  const patch: StrategyPatch = { llm: { hedge: { afterMs: 300, model: 'openai/gpt-4o-mini' } } };
  const plain = await run({ records: false, rules: slow, patch });
  const { closed } = await run({ rules: slow, patch });
  const [estimate] = plain.turn.summary.bets ?? [];
  const [bet] = closed[0]?.measured.summary.bets ?? [];
  const record = closed[0]?.log.events.find(({ kind, exchange }) => kind === 'llm.record' && exchange === 'llm.0');
  assert.deepEqual([estimate?.kind, estimate?.outcome, estimate?.estimated], ['hedge', 'hit', true]);
  assert.deepEqual([bet?.wastedUsd, bet?.estimated], [record?.attrs?.['totalCostUsd'], false]);
  const span = closed.flatMap((each) => spansOf(each.log, each.measured)).find(({ name }) => name === 'hedge');
  assert.equal(span?.attributes['retake.bet.wasted_usd'], bet?.wastedUsd);
  assert.ok((bet?.wastedUsd ?? 0) > 0);
});

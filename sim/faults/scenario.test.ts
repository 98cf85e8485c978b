/** Scenarios: what each switch does, to the millisecond, in virtual time; and files that are refused with a reason. */
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { EventKind, TurnLog } from '../../service/base/events.ts';
import type { StrategyPatch } from '../../service/strategy/patch.ts';
import { tones, turnByHand } from '../../testing/turn-by-hand.ts';
import { flatProfile } from '../../testing/flat-profile.ts';
import { createPlanner } from '../times/planner.ts';
import { loadScenario, parseScenario, tuneWith, type Scenario } from './scenario.ts';

type Rule = Scenario['rules'][number];

const said = tones(6000, [[200, 1200]]);
const profile = flatProfile({
  stt: 100,
  llm: 200,
  tts: 400,
  other: { queueSubmitMs: 20, queueStatusMs: 10, cdnMs: 30 },
});
const run = (rules: Rule[], patch: StrategyPatch = {}) =>
  turnByHand({ profile, tones: said, patch, scenario: { title: 'test', rules } });
const first = (log: TurnLog, kind: EventKind) => log.events.find((event) => event.kind === kind)!;
const betweenMs = (log: TurnLog, from: EventKind, to: EventKind): number =>
  (first(log, to).atUs - first(log, from).atUs) / 1000;

test('time to first content and comments are what the scenario says; other routes keep their times', async () => {
  const plain = await run([]);
  assert.equal(betweenMs(plain.log, 'llm.start', 'llm.content'), 200);
  const tuned = await run([{ route: 'llm', tune: { ttftMs: 750, comments: { count: 3, everyMs: 100 } } }], {
    llm: { sse: 'parser' },
  });
  assert.equal(betweenMs(tuned.log, 'llm.start', 'llm.content'), 750);
  assert.equal(first(tuned.log, 'llm.done').attrs?.['comments'], 3);
  assert.equal(betweenMs(tuned.log, 'tts.start', 'tts.audio'), betweenMs(plain.log, 'tts.start', 'tts.audio'));
});

test('a drawn time to first content follows the seed, and the arm where draws are independent', () => {
  const tune = tuneWith({ title: 'x', rules: [{ route: 'llm', tune: { ttftQuantiles: [[0, 300], [1, 500]] } }] }); // prettier-ignore
  const waitUs = (seed: number, arm: string, draws: 'common' | 'independent'): number => {
    const context = { sessionId: 's', turnIndex: 0, stage: 'llm', ordinal: 0, attempt: 0, fetchIndex: 0, arm } as const;
    const facts = { operation: 'llm', model: 'm', messages: 1, promptChars: 9, maxTokens: 9, text: 'x', uploadBytes: 0 } as const; // prettier-ignore
    const { waitUs, items } = createPlanner({ profile, seed, draws, tune }).planOf(context, facts);
    return waitUs + (items[0]?.gapUs ?? 0);
  };
  const [own, otherSeed, otherArm] = [waitUs(1, 'a', 'common'), waitUs(2, 'a', 'common'), waitUs(1, 'b', 'common')];
  assert.ok(own >= 300_000 && own <= 500_000, `${own} µs`);
  assert.notEqual(otherSeed, own);
  assert.equal(otherArm, own, 'control: common draws know no arm');
  assert.notEqual(waitUs(1, 'a', 'independent'), waitUs(1, 'b', 'independent'));
});

test('deltas of a given size, reasoning before them, and every form of the usage chunk', async () => {
  const tuned = await run([{ route: 'llm', tune: { deltaChars: 5, reasoningDeltas: 4 } }]);
  const done = first(tuned.log, 'llm.done');
  const chars = done.attrs?.['itemChars'];
  assert.ok(Array.isArray(chars) && Math.max(...chars.map(Number)) === 5);
  assert.equal(done.attrs?.['reasoningDeltas'], 4);
  for (const sse of ['sdk', 'parser'] as const) {
    for (const usage of ['empty', 'delta', 'none'] as const) {
      const { log, replyText } = await run([{ route: 'llm', tune: { usage } }], { llm: { sse } });
      assert.equal(replyText, tuned.replyText);
      assert.equal(typeof first(log, 'llm.done').attrs?.['costUsd'], usage === 'none' ? 'undefined' : 'number');
    }
  }
});

test('a terminator of its own costs the connection, unless the stream is drained', async () => {
  const rules: Rule[] = [{ route: 'llm', tune: { terminator: 'apart', terminatorMs: 50 } }];
  const drained = await run(rules, { network: { keepAlive: { idleMs: 4000, drain: true } } });
  const cut = await run(rules);
  const drainedOf = (log: TurnLog): unknown =>
    log.events.find(({ kind, exchange }) => kind === 'http.done' && exchange === 'llm.0.0.0')?.attrs?.['drained'];
  assert.deepEqual([drainedOf(drained.log), drainedOf(cut.log)], [true, false]);
});

test('audio that comes late comes at once; the queue takes the time that it is told', async () => {
  const late = await run([{ route: 'tts.stream', tune: { firstChunk: 'late' } }]);
  const arrivals = first(late.log, 'tts.done').attrs?.['itemUs'];
  assert.ok(Array.isArray(arrivals) && arrivals.length > 1 && new Set(arrivals).size === 1);
  const queued = await run([{ route: 'queue.submit', tune: { inQueueMs: 300, inProgressMs: 200 } }], {
    tts: { method: 'generate', queue: { status: 'stream' } },
  });
  // submitted at 20, done 500 later; result 10, download 30
  assert.equal(betweenMs(queued.log, 'tts.start', 'tts.audio'), 20 + 500 + 10 + 30);
});

test('llm.fallback: the gateway takes the next model after a failure, and after a stall', async () => {
  const models = ['google/gemini-2.5-flash', 'openai/gpt-4o-mini'];
  const patch = { llm: { fallback: [models[1]] } };
  const gone: Rule[] = [{ route: 'llm', model: models[0]!, fault: { kind: 'status', status: 404 } }];
  const served = await run(gone, patch);
  assert.deepEqual([served.summary.failure, served.summary.model?.served], [undefined, models[1]]);
  assert.equal(betweenMs(served.log, 'llm.start', 'llm.content'), 200);
  assert.equal((await run(gone)).summary.failure?.kind, 'rejected', 'control: without it the turn fails');

  const stalls: Rule[] = [{ route: 'llm', model: models[0]!, fault: { kind: 'stall-before-headers' } }];
  const left = await run(stalls, patch);
  assert.equal(left.summary.model?.served, models[1]);
  assert.equal(betweenMs(left.log, 'llm.start', 'llm.content'), 6000 + 200);
  assert.equal((await run(stalls)).summary.failure?.kind, 'timeout', 'control');
});

test('Retry-After is obeyed, as seconds; backoff has its bounds and its budget', async () => {
  const limited = (retryAfterS?: number): Rule[] => [
    {
      route: 'stt.transcriptions',
      attempts: [0],
      fault: { kind: 'status', status: 429, retryAfterS },
    },
  ];
  const waitMs = (log: TurnLog): unknown => first(log, 'retry.wait')?.attrs?.['waitMs'];
  const told = await run(limited(1.5));
  assert.equal(waitMs(told.log), 1500);
  assert.equal(betweenMs(told.log, 'stt.start', 'stt.done'), 1500 + 100);
  const own = Number(waitMs((await run(limited())).log));
  assert.ok(own >= 150 * 0.75 && own <= 150 * 1.25, `${own} ms`);
  const tooLong = await run(limited(3));
  assert.deepEqual([tooLong.summary.failure?.kind, waitMs(tooLong.log)], ['rate-limited', undefined]);
});

test('a wrong scenario file is refused with the field and the complaint', () => {
  const broken = (json: unknown, world: 'sim' | 'wire', message: RegExp): void =>
    assert.throws(() => parseScenario(json, 'scenario x.json', world), message);
  broken({ title: 'x', rules: [{ route: 'nowhere' }] }, 'sim', /x\.json: \/rules\/0\/route .*stt\.transcriptions/);
  broken({ title: 'x', rules: [{ route: 'llm', falt: {} }] }, 'sim', /additional properties: falt/);
  broken({ rules: [] }, 'sim', /title/);
  const table = (ttftQuantiles: number[][]) => ({ title: 'x', rules: [{ route: 'llm', tune: { ttftQuantiles } }] });
  const at = '/rules/0/tune/ttftQuantiles: quantiles must';
  broken(table([[0, 500], [1, 300]]), 'sim', new RegExp(`x.json: ${at} rise, but .1, 300. follows .0, 500.`)); // prettier-ignore
  broken(table([[0.1, 300], [1, 500]]), 'sim', new RegExp(`${at} begin at p = 0`)); // prettier-ignore
  assert.equal(parseScenario(table([[0.5, 300]]), 'x', 'sim').rules.length, 1, 'a single pair is a constant');
  const named = { title: 'x', rules: [{ route: 'llm', fault: { kind: 'tls' } }] };
  broken(named, 'wire', /no server can make "tls" happen/);
  assert.equal(parseScenario(named, 'x', 'sim').rules.length, 1);
  assert.throws(
    () => loadScenario('/nowhere.json', 'sim'),
    /^InputError: scenario \/nowhere\.json: cannot be read \(ENOENT: does not exist\)$/,
  );
});

test('the scenarios that come with Retake are valid', () => {
  const folder = new URL('../scenarios/', import.meta.url);
  const files = readdirSync(folder);
  assert.ok(files.length >= 2);
  for (const file of files) loadScenario(fileURLToPath(new URL(file, folder)), 'wire');
});

/**
 * Every switch of the stand-ins, set for one route by a scenario, in `sim` and `wire`. The same check must hold under the
 * rules and fail without them.
 */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { postedAudio } from '../../service/audio/posted.ts';
import type { Clock, UserAudio } from '../../service/base/ports.ts';
import type { EventKind, TurnEvent, TurnLog } from '../../service/base/events.ts';
import { resolveStrategy, type StrategyPatch } from '../../service/strategy/patch.ts';
import { tones, turnByHand } from '../../testing/turn-by-hand.ts';
import { flatProfile } from '../../testing/flat-profile.ts';
import { runFixtureTurn, type Interview } from '../world/fixtures.ts';
import { parseScenario, type Scenario } from './scenario.ts';
import { createWireWorld, type WireWorld } from '../wire/wire.ts';

type Rule = Scenario['rules'][number];

const SPOKEN = tones(1500, [[100, 700]]);
const profile = flatProfile({ tts: 20, deltaGap: 2, other: { queueSubmitMs: 5, queueStatusMs: 5, cdnMs: 5 } });
const REPLY = 'Bir cümle söylendi, ve bitti. İkincisi de hemen ardından geldi.';
const turn = { audio: '', transcript: 'aaaa bbbb cccc', reply: REPLY, speechStartMs: 100, speechEndMs: 700 };
const interview: Interview = {
  name: 'by-hand',
  language: 'tr',
  systemPrompt: 'Sor.',
  greeting: 'Merhaba.',
  turns: [turn, turn],
};

const find = (log: TurnLog, kind: EventKind, exchange?: string): TurnEvent | undefined =>
  log.events.find((event) => event.kind === kind && (exchange === undefined || event.exchange === exchange));
const attr = (log: TurnLog, kind: EventKind, name: string, exchange?: string): unknown =>
  find(log, kind, exchange)?.attrs?.[name];
const betweenMs = (log: TurnLog, from: EventKind, to: EventKind): number =>
  ((find(log, to)?.atUs ?? NaN) - (find(log, from)?.atUs ?? NaN)) / 1000;
const numbersIn = (value: unknown): number[] => (Array.isArray(value) ? value.map(Number) : []);
const failedAs = (log: TurnLog): string =>
  `${String(attr(log, 'turn.failed', 'errorStage'))} ${String(attr(log, 'turn.failed', 'errorKind'))}`;

interface Row {
  name: string;
  rules: readonly Rule[];
  patch?: StrategyPatch;
  holds: (log: TurnLog) => boolean;
  /** Only in `sim`: no server can make it happen. */
  simOnly?: boolean;
  /** A wait that a busy machine may also take by itself: its control is in `sim`. */
  timed?: boolean;
}

const LLM = 'google/gemini-2.5-flash';
const ROWS: readonly Row[] = [
  {
    name: '[DONE] terminator apart',
    rules: [{ route: 'llm', tune: { terminator: 'apart', terminatorMs: 240 } }],
    patch: { network: { keepAlive: { idleMs: 4000, drain: true } } },
    holds: (log) => {
      const done = find(log, 'http.done', 'llm.0.0.0');
      return (done?.atUs ?? 0) - (numbersIn(done?.attrs?.['chunkUs']).at(-1) ?? Infinity) >= 50_000;
    },
    timed: true,
  },
  {
    name: 'usage-chunk form',
    rules: [{ route: 'llm', tune: { usage: 'none' } }],
    holds: (log) => attr(log, 'llm.done', 'costUsd') === undefined,
  },
  {
    name: 'comment count and delay',
    rules: [{ route: 'llm', tune: { ttftMs: 400, comments: { count: 3, everyMs: 100 } } }],
    patch: { llm: { sse: 'parser' } },
    holds: (log) => attr(log, 'llm.done', 'comments') === 3 && betweenMs(log, 'llm.start', 'llm.content') >= 300,
  },
  {
    name: 'delta granularity',
    rules: [{ route: 'llm', tune: { deltaChars: 5 } }],
    holds: (log) => Math.max(...numbersIn(attr(log, 'llm.done', 'itemChars'))) === 5,
  },
  {
    name: 'error at connect',
    rules: [{ route: 'llm', fault: { kind: 'refused' } }],
    holds: (log) => failedAs(log) === 'llm unreachable',
    simOnly: true,
  },
  {
    name: 'error at header',
    rules: [{ route: 'llm', fault: { kind: 'status', status: 402 } }],
    holds: (log) => attr(log, 'http.headers', 'status', 'llm.0.0.0') === 402,
  },
  {
    name: 'error mid-stream',
    rules: [{ route: 'llm', fault: { kind: 'error-chunk' } }],
    holds: (log) => failedAs(log) === 'llm provider' && attr(log, 'http.headers', 'status', 'llm.0.0.0') === 200,
  },
  {
    name: 'Retry-After',
    rules: [{ route: 'stt.transcriptions', attempts: [0], fault: { kind: 'status', status: 429, retryAfterS: 0.2 } }],
    holds: (log) => attr(log, 'retry.wait', 'waitMs') === 200,
  },
  {
    name: 'queue steps',
    rules: [{ route: 'queue.submit', tune: { inQueueMs: 300, inProgressMs: 200 } }],
    patch: { tts: { method: 'generate', queue: { status: 'stream' } } },
    holds: (log) => betweenMs(log, 'tts.start', 'tts.audio') >= 500,
    timed: true,
  },
  {
    name: '/stream first-chunk policy',
    rules: [{ route: 'tts.stream', tune: { firstChunk: 'late' } }],
    holds: (log) => {
      const itemUs = numbersIn(attr(log, 'tts.done', 'itemUs'));
      return itemUs.length > 1 && (itemUs.at(-1) ?? 0) - (itemUs[0] ?? 0) < 240_000;
    },
    timed: true,
  },
  {
    name: 'per-model TTFT quantiles',
    rules: [
      { route: 'llm', model: LLM, tune: { ttftQuantiles: [[0, 300], [1, 500]] } }, // prettier-ignore
      { route: 'llm', model: 'openai/gpt-4o-mini', tune: { ttftMs: 5000 } },
    ],
    holds: (log) => {
      const ms = betweenMs(log, 'llm.start', 'llm.content');
      return ms >= 300 && ms < 4000;
    },
    timed: true,
  },
];

/** Chunks of TTS that come 60 ms after each other, so that all at once can be told from one by one. */
const slowAudio = {
  ...profile,
  tts: { ...profile.tts, stream: { ...profile.tts.stream, gapMs: { source: 'set by a test', quantiles: [[0, 60]] } } },
} as typeof profile;

const scenario: Scenario = {
  title: 'a session a switch',
  rules: ROWS.flatMap(({ name, rules, simOnly }) =>
    simOnly === true ? [] : rules.map((rule) => ({ ...rule, session: name })),
  ),
};
/** Of servers, not of requests. */
const CONNECTIONS: Rule[] = [
  { route: 'stt.transcriptions', connection: { http2: false } },
  { route: 'llm', connection: { tlsMs: 300, keepAliveHintS: 1 } },
];

let wire: WireWorld;
let servers: WireWorld;
/** Turns under each row's rules and without them: all at once, since each mostly waits. */
const spoken = new Map<string, TurnLog>();
before(async () => {
  wire = await createWireWorld({ profile: slowAudio, seed: 1, interviews: [interview], scenario });
  servers = await createWireWorld({
    ...{ profile, seed: 1, interviews: [interview] },
    scenario: { title: 'servers', rules: CONNECTIONS },
  });
  await Promise.all(
    ROWS.filter(({ simOnly }) => simOnly !== true).flatMap(({ name, patch = {} }) =>
      [name, `not ${name}`].map(async (id) => spoken.set(id, await overSockets(wire, id, patch))),
    ),
  );
});
const SAID = Int16Array.from({ length: 9600 }, (_, index) => Math.round(6000 * Math.sin(index / 5)));
const posted = (clock: Clock): UserAudio => postedAudio(clock, SAID, 16_000);
after(() => Promise.all([wire.close(), servers.close()]));

async function overSockets(world: WireWorld, sessionId: string, patch: StrategyPatch, turns = 1): Promise<TurnLog> {
  const arm = world.arm();
  try {
    const strategy = resolveStrategy([patch], 'test');
    const options = { strategy, audio: posted, profile: 'flat', sessionId };
    for (let turnIndex = 0; turnIndex < turns - 1; turnIndex++)
      await runFixtureTurn(arm, interview, turnIndex, options);
    return (await runFixtureTurn(arm, interview, turns - 1, options)).log;
  } finally {
    await arm.close();
  }
}

for (const { name, rules, patch = {}, holds, simOnly, timed } of ROWS) {
  test(`${name}: in sim`, async () => {
    const inSim = { profile: slowAudio, tones: SPOKEN, patch, reply: REPLY };
    const { log } = await turnByHand({ ...inSim, scenario: { title: name, rules: [...rules] } });
    assert.ok(holds(log), 'under the rules');
    assert.ok(!holds((await turnByHand(inSim)).log), 'control: without them');
  });
  if (simOnly === true) {
    test(`${name}: refused in wire`, () => {
      assert.throws(() => parseScenario({ title: 'x', rules: [...rules] }, 'x', 'wire'), /no server can make/);
    });
    continue;
  }
  test(`${name}: in wire`, () => {
    assert.ok(holds(spoken.get(name) ?? assert.fail('not run')), 'under the rules');
    const other = spoken.get(`not ${name}`) ?? assert.fail('not run');
    if (timed !== true) assert.ok(!holds(other), 'control: another session');
  });
}

const tlsMs = (log: TurnLog): number =>
  ((find(log, 'http.tls', 'llm.0.0.0')?.atUs ?? NaN) - (find(log, 'http.connected', 'llm.0.0.0')?.atUs ?? NaN)) / 1000;
const HTTP2 = { network: { http2: true } };
const KEPT = { network: { keepAlive: { idleMs: 60_000, drain: true } } };
const serverRules = { title: 'servers', rules: CONNECTIONS };

test('HTTP/1.1 or 2, TLS delay and keep-alive hint, each of one route’s server: in sim', async () => {
  const inSim = { profile, tones: SPOKEN, reply: REPLY };
  const run = (patch: StrategyPatch, under: object) => turnByHand({ ...inSim, patch, ...under });
  const { log } = await run(HTTP2, { scenario: serverRules });
  assert.equal(attr(log, 'http.queued', 'protocol', 'stt.0.0.0'), '1.1');
  assert.equal(attr(log, 'http.queued', 'protocol', 'llm.0.0.0'), '2');
  assert.equal(tlsMs(log), 300);
  const plain = await run(HTTP2, {});
  assert.deepEqual(
    [attr(plain.log, 'http.queued', 'protocol', 'stt.0.0.0'), tlsMs(plain.log) > 0],
    ['2', false],
    'control',
  );
  const second = await run(KEPT, { scenario: serverRules, turns: 2 });
  assert.equal(attr(second.log, 'http.queued', 'reused', 'llm.0.0.0'), false);
  assert.equal(attr(second.log, 'http.queued', 'reused', 'stt.0.0.0'), true);
  const kept = await run(KEPT, { turns: 2 });
  assert.equal(attr(kept.log, 'http.queued', 'reused', 'llm.0.0.0'), true, 'control');
});

test('HTTP/1.1 or 2, TLS delay and keep-alive hint, each of one route’s server: in wire', async () => {
  const log = await overSockets(servers, 'protocol', HTTP2);
  assert.equal(attr(log, 'http.queued', 'protocol', 'stt.0.0.0'), '1.1');
  assert.equal(attr(log, 'http.queued', 'protocol', 'llm.0.0.0'), '2');
  assert.ok(tlsMs(log) >= 300, `${tlsMs(log)} ms`);
  const second = await overSockets(servers, 'hint', KEPT, 2);
  assert.equal(attr(second, 'http.queued', 'reused', 'llm.0.0.0'), false);
  assert.equal(attr(second, 'http.queued', 'reused', 'stt.0.0.0'), true);
  const plain = await overSockets(wire, 'control', { network: { ...HTTP2.network, ...KEPT.network } }, 2);
  assert.deepEqual(
    [attr(plain, 'http.queued', 'protocol', 'stt.0.0.0'), attr(plain, 'http.queued', 'reused', 'llm.0.0.0')],
    ['2', true],
  );
});

test('a record of each request: headers, socket and time, as the server saw them', async () => {
  const received = await wire.requests();
  assert.ok(received.length > 10);
  for (const { headers, socketId, receivedEpochUs } of received)
    assert.ok(Object.keys(headers).length > 3 && socketId > 0 && receivedEpochUs > 1e15);
});

test('a connection switch with anything narrower than its route is refused: others share the connection', () => {
  const narrow = [{ route: 'llm', turns: [1], connection: { http2: false } }];
  assert.throws(() => parseScenario({ title: 'x', rules: narrow }, 'x', 'sim'), /concerns a whole server/);
});

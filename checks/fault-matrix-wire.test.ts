/** The faults that only sockets can show, over sockets: the real transport against closed ports, false names and servers that break off. */
import assert from 'node:assert/strict';
import { createServer, type LookupFunction } from 'node:net';
import { once } from 'node:events';
import { after, before, test } from 'node:test';
import { resolveStrategy, type StrategyPatch } from '../service/strategy/patch.ts';
import { createRealWorld, type RunWorld } from '../service/world.ts';
import type { TurnLog } from '../service/base/events.ts';
import { loadProfile } from '../sim/times/profile.ts';
import type { Scenario } from '../sim/faults/scenario.ts';
import { bareSession, toneUpload } from '../testing/bare-session.ts';
import { createWireWorld, type WireWorld } from '../sim/wire/wire.ts';

const scenario: Scenario = {
  title: 'one session a fault',
  rules: [
    { route: 'stt.transcriptions', session: 'reset-headers', turns: [0], fault: { kind: 'reset-before-headers' } },
    { route: 'tts.stream', session: 'reset-body', turns: [0], fault: { kind: 'reset-mid-body' } },
    { route: 'llm', session: 'reset-llm', turns: [0], attempts: [0], fault: { kind: 'reset-before-headers' } },
    {
      route: 'llm',
      session: 'limited',
      turns: [0],
      attempts: [0],
      fault: { kind: 'status', status: 429, retryAfterS: 0.2 },
    },
    { route: 'tts.speech', session: 'html', turns: [0], fault: { kind: 'html' } },
    { route: 'cdn.get', session: 'cut', turns: [0], fault: { kind: 'truncated-json', afterChunks: 0 } },
  ],
};

let wire: WireWorld;
before(async () => {
  wire = await createWireWorld({ profile: loadProfile('zero'), seed: 1, scenario });
});
after(() => wire.close());

interface Outcome {
  failure: string | undefined;
  attempts: number;
  bytes: number;
  log: TurnLog;
}

/** Two turns of a session; what the first came to, after the second has worked. */
async function twoTurns(
  id: string,
  patch: StrategyPatch = {},
  world: RunWorld = wire,
  second = true,
): Promise<Outcome> {
  const strategy = resolveStrategy([patch], 'test');
  const session = bareSession({
    id,
    world: 'wire',
    strategy,
    ports: (turnIndex) => world.ports(strategy, id, turnIndex),
  });
  let bytes = 0;
  const speak = () =>
    session.turn({
      audio: toneUpload(world.clock),
      reply: {
        audio: async (pcm) => {
          bytes += pcm.byteLength;
        },
      },
    });
  const { log, summary } = await speak();
  const heard = bytes;
  if (second) assert.equal((await speak()).summary.failure, undefined, 'the next turn works');
  const failure = summary.failure === undefined ? undefined : `${summary.failure.stage} ${summary.failure.kind}`;
  const attempts = log.events.flatMap(({ kind, exchange }) =>
    kind === 'http.start' ? [1 + Number(exchange?.split('.')[2])] : [],
  );
  return { failure, attempts: Math.max(...attempts), bytes: heard, log };
}

test('a connection that breaks before headers: asked again, then told', async () => {
  const { failure, attempts } = await twoTurns('reset-headers');
  assert.deepEqual([failure, attempts], ['stt reset', 2]);
});

test('a connection that breaks in mid-body: the part that was heard is not spoken again', async () => {
  const { failure, bytes, log } = await twoTurns('reset-body');
  assert.equal(failure, 'tts reset');
  assert.ok(bytes > 0);
  for (const heard of log.events.filter(({ kind }) => kind === 'tts.audio')) {
    const again = log.events.find(
      ({ kind, exchange, id }) => kind === 'http.start' && id > heard.id && exchange?.startsWith(`${heard.exchange}.`),
    );
    assert.equal(again, undefined, `piece ${heard.exchange} was asked for again after it was heard`);
  }
});

test('a fault that strikes once costs a wait and not the turn', async () => {
  const broken = await twoTurns('reset-llm');
  assert.deepEqual([broken.failure, broken.attempts], [undefined, 2]);
  const limited = await twoTurns('limited');
  assert.deepEqual([limited.failure, limited.attempts], [undefined, 2]);
  const wait = limited.log.events.find(({ kind }) => kind === 'retry.wait')!;
  assert.equal(wait.attrs?.['waitMs'], 200, 'Retry-After is obeyed');
});

test('answers of the wrong kind, by every way of speaking', async () => {
  assert.equal((await twoTurns('html', { tts: { method: 'speech' } })).failure, 'tts malformed');
  assert.equal(
    (await twoTurns('cut', { tts: { method: 'generate', queue: { pollMs: 10 } } })).failure,
    'tts malformed',
  );
});

test('names, ports and certificates: nobody is reached, and it says so', async () => {
  const closed = createServer();
  closed.listen(0, '127.0.0.1');
  await once(closed, 'listening');
  const address = closed.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  closed.close();
  const noName: LookupFunction = (_host, _options, done) =>
    done(Object.assign(new Error('getaddrinfo ENOTFOUND'), { code: 'ENOTFOUND' }), '');
  const rows: [what: string, falRunUrl: string, code: RegExp][] = [
    ['name', 'https://name.invalid', /ENOTFOUND/],
    ['port', `https://127.0.0.1:${port}`, /ECONNREFUSED/],
    ['certificate', wire.endpoints.falRunUrl, /CERT|SELF_SIGNED|UNABLE_TO_VERIFY/],
  ];
  for (const [what, falRunUrl, code] of rows) {
    const world = createRealWorld({
      access: { endpoints: { ...wire.endpoints, falRunUrl }, falKey: 'k', openRouterKey: 'k', audioHosts: [] },
      seed: '1',
      ...(what === 'name' ? { lookup: noName } : {}),
    });
    const { failure, attempts, log } = await twoTurns(what, {}, world, false);
    assert.deepEqual([failure, attempts], ['stt unreachable', 2], what);
    assert.match(String(log.events.find(({ kind }) => kind === 'http.failed')?.attrs?.['errorKind']), code);
    await world.close();
  }
});

test('each provider receives its own key only, and nothing that traces or identifies the user', async () => {
  await twoTurns('whole', { stt: { method: 'generate' }, tts: { method: 'generate', queue: { pollMs: 10 } } });
  const requests = (await wire.requests()).filter(({ headers }) => headers['x-retake-draw']?.includes('"whole"'));
  const servers = new Set(requests.map(({ server }) => server));
  assert.deepEqual([...servers].sort(), ['falCdn', 'falQueue', 'falRest', 'falRun', 'openrouter']);
  for (const { server, headers, method, url } of requests) {
    const expected = server === 'falCdn' ? undefined : server === 'openrouter' ? 'Bearer stand-in' : 'Key stand-in';
    assert.equal(headers['authorization'], expected, `${method} ${url}`);
    for (const name of ['traceparent', 'tracestate', 'baggage', 'cookie', 'referer'])
      assert.equal(headers[name], undefined, `${name} went to ${server}`);
    assert.doesNotMatch(url, /stand-in/);
  }
});

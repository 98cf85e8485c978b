import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import test from 'node:test';
import fc from 'fast-check';
import { InputError } from '../../service/base/errors.ts';
import { isJaegerSource, jaegerSourceOf, jaegerTraces, pagesOf, withoutPassword, type TimeWindow } from './jaeger.ts';

const NOW_US = Date.parse('2026-11-25T13:00:00Z') * 1000;

test('a source names server, search and window', () => {
  const text =
    'jaeger:http://127.0.0.1:16686/jaeger/?service=retake&from=2026-11-25T12:00Z&tag=retake.variant=a=b&tag=x=1';
  assert.ok(isJaegerSource(text) && !isJaegerSource('out/run'));
  const { text: as, ...source } = jaegerSourceOf(text, NOW_US);
  assert.equal(as, text);
  assert.deepEqual(source, {
    authorization: undefined,
    url: 'http://127.0.0.1:16686/jaeger',
    service: 'retake',
    operation: 'turn',
    fromUs: NOW_US - 3_600e6,
    toUs: NOW_US,
    tags: [
      { key: 'retake.variant', value: 'a=b' },
      { key: 'x', value: '1' },
    ],
  });
  const other = jaegerSourceOf('jaeger:https://j?service=pipecat&from=90s&to=30s', NOW_US);
  assert.deepEqual([other.operation, other.fromUs, other.toUs], [undefined, NOW_US - 90e6, NOW_US - 30e6]);
  assert.equal(jaegerSourceOf('jaeger:http://j?from=999999d', NOW_US).fromUs, 0, 'all of time');
});

test('a broken source is one clear error', () => {
  const cases: [string, RegExp][] = [
    ['jaeger:', /not the address of a Jaeger; write jaeger:http/],
    ['jaeger:ftp://x', /not the address of a Jaeger/],
    ['jaeger:http://j?since=1h', /there is no parameter since; write/],
    ['jaeger:http://j?from=yesterday', /from yesterday: give how long ago/],
    ['jaeger:http://j?from=1h&to=2h', /from is later than to/],
    ['jaeger:http://j?tag=lane', /tag=lane has no value/],
  ];
  for (const [text, message] of cases) assert.throws(() => jaegerSourceOf(text, NOW_US), message);
});

test('a password in the address is sent, and shown nowhere; control: an address without one stays as it is', async (context) => {
  const asked: (string | undefined)[] = [];
  const server = createServer(({ headers }, response) => {
    asked.push(headers.authorization);
    response.writeHead(500).end('{}');
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  context.after(() => server.close());
  const { port } = server.address() as AddressInfo;
  const written = `jaeger:http://us%40er:pa%3Ass/wo@rd@127.0.0.1:${port}?tag=mail=a@b`;
  for (const text of [written.replace('/wo@rd', ''), `jaeger:http://heron@127.0.0.1:${port}`]) {
    const source = jaegerSourceOf(text, NOW_US);
    const error: unknown = await jaegerTraces(source, context.signal)
      .next()
      .catch((thrown: unknown) => thrown);
    const shown = `${String(error)} ${source.text} ${source.url} ${withoutPassword(text)}`;
    assert.doesNotMatch(shown, /us%40er|us@er|pa%3Ass|pa:ss|heron/);
    assert.match(source.text, /^jaeger:http:\/\/\*\*\*@127\.0\.0\.1:\d+/);
  }
  assert.deepEqual(
    asked.map((each) => Buffer.from(each?.replace('Basic ', '') ?? '', 'base64').toString()),
    ['us@er:pa:ss', 'heron:'],
  );
  for (const bad of [written, 'jaeger:http://a:%E0@j', 'jaeger:ftp://heron:secret@j', 'jaeger:http://a:secret@j?x=1'])
    assert.throws(
      () => jaegerSourceOf(bad, NOW_US),
      (error) => error instanceof InputError && !/secret|rd@/.test(error.message),
      bad,
    );
  for (const text of ['jaeger:http://j?tag=mail=a@b', 'out/a@b', 'http://u:p@j'])
    assert.equal(withoutPassword(text), text);
});

test('another server than Jaeger answers: its 404 is not an empty window', async (context) => {
  const answers = [
    { status: 404, body: '{"type":"about:blank","status":404}', error: /not Jaeger's query service/ },
    { status: 404, body: '<html>', error: /not Jaeger's query service/ },
    { status: 200, body: '{}', error: /not Jaeger's query service/ },
    { status: 502, body: 'bad gateway', error: /answered 502: bad gateway/ },
    { status: 404, body: '{"error":{"httpCode":404,"message":"No traces found"}}' },
  ];
  for (const { status, body, error } of answers) {
    const server = createServer((_, response) => response.writeHead(status).end(body)).listen(0, '127.0.0.1');
    await once(server, 'listening');
    context.after(() => server.close());
    const address = server.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    const source = jaegerSourceOf(`jaeger:http://127.0.0.1:${port}`, NOW_US);
    const read = async (): Promise<unknown[]> => {
      const traces: unknown[] = [];
      for await (const trace of jaegerTraces(source, new AbortController().signal)) traces.push(trace);
      return traces;
    };
    if (error === undefined) assert.deepEqual(await read(), [], 'control: Jaeger has nothing');
    else await assert.rejects(read, error);
  }
});

/** A store that, like Jaeger, gives the newest entries of a window, at most so many, and does not say what it left out. */
const storeOf =
  (starts: readonly number[], limit: number) =>
  ({ fromUs, toUs }: TimeWindow): Promise<Set<number>> => {
    const inside = starts
      .map((startUs, id) => ({ startUs, id }))
      .filter(({ startUs }) => startUs >= fromUs && startUs <= toUs)
      .sort((a, b) => b.startUs - a.startUs);
    return Promise.resolve(new Set(inside.slice(0, limit).map(({ id }) => id)));
  };

test('windows are halved until nothing is left out, and nothing comes twice', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.integer({ min: 0, max: 1000 }), { maxLength: 60 }),
      fc.integer({ min: 2, max: 12 }),
      async (starts, limit) => {
        const perMicrosecond = Math.max(
          0,
          ...Map.groupBy(starts, (at) => at)
            .values()
            .map(({ length }) => length),
        );
        fc.pre(perMicrosecond < limit);
        const found: number[] = [];
        for await (const page of pagesOf({ fromUs: 0, toUs: 1000 }, limit, storeOf(starts, limit))) found.push(...page);
        assert.deepEqual(
          found.sort((a, b) => a - b),
          starts.map((_, id) => id),
        );
      },
    ),
  );
});

test('control: one window alone loses traces beyond a page; a microsecond with a full page is an error', async () => {
  const starts = Array.from({ length: 30 }, (_, index) => index * 7);
  assert.equal((await storeOf(starts, 10)({ fromUs: 0, toUs: 1000 })).size, 10);
  const crowd = Array.from({ length: 10 }, () => 5);
  await assert.rejects(async () => {
    for await (const page of pagesOf({ fromUs: 0, toUs: 1000 }, 10, storeOf(crowd, 10))) assert.ok(page.size < 10);
  }, /microsecond 5/);
});

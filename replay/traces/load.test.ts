/** Traces from files: ours and others', whole, split, repeated and broken. */
import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { readBundle } from '../../service/capture/bundle-reader.ts';
import { filesIn } from '../../service/capture/store.ts';
import { InputError } from '../../service/base/errors.ts';
import { measureTurn } from '../../service/turn-log/metrics.ts';
import { otlpLineOf } from '../../service/telemetry/otel.ts';
import { definedOnly } from '../../service/base/json.ts';
import { alignSpans } from '../diff/align-spans.ts';
import { tracedTurnKey } from './trace-tree.ts';
import { alignTurns } from '../diff/align.ts';
import { gatherTraces, NO_PROBLEMS, type GatheredTrace } from './gather.ts';
import { jsonLines, spansIn } from './otlp.ts';
import { bundleTurns, loadTurns, traceOfTurn, type TurnTrace } from './load.ts';

const FORMAT_1 = 'fixtures/sessions/format-1';
const BUNDLE = join(FORMAT_1, '52d7037fd5e995c80448');
/** Spans that a turn may have more than it had when the captures of format 1 were made. */
const MAX_GROWTH = 6;

interface Span {
  traceId?: string;
  spanId: string;
  parentSpanId?: string;
  name: string;
  startMs: number;
  endMs: number;
  attributes?: Record<string, string | number>;
  failed?: boolean;
}

const EPOCH_MS = 1_790_000_000_000;

function otlp(spans: readonly Span[], traceId = 'a'.repeat(32)): string {
  return JSON.stringify({
    resourceSpans: [
      {
        scopeSpans: [
          {
            spans: spans.map((span) => ({
              traceId: span.traceId ?? traceId,
              spanId: span.spanId,
              ...(span.parentSpanId === undefined ? {} : { parentSpanId: span.parentSpanId }),
              name: span.name,
              startTimeUnixNano: `${EPOCH_MS + span.startMs}000000`,
              endTimeUnixNano: `${EPOCH_MS + span.endMs}000999`,
              attributes: Object.entries(span.attributes ?? {}).map(([key, value]) => ({
                key,
                value: typeof value === 'number' ? { intValue: String(value) } : { stringValue: value },
              })),
              ...(span.failed === true ? { status: { code: 2 } } : {}),
            })),
          },
        ],
      },
    ],
  });
}

function file(...lines: readonly string[]): string {
  const path = join(mkdtempSync(join(tmpdir(), 'retake-trace-')), 'x.otlp.jsonl');
  writeFileSync(path, lines.join('\n'));
  return path;
}

const one = async (path: string): Promise<TurnTrace> => {
  const { turns } = await loadTurns(path);
  assert.equal(turns.length, 1);
  return turns[0] ?? assert.fail('no turn');
};

test('a turn is the same from memory, from its bundle and from its OTLP line', async () => {
  const { turns: logs } = await readBundle(filesIn(BUNDLE));
  const [log = assert.fail('no turn')] = logs;
  const memory = traceOfTurn(log);
  assert.deepEqual((await one(BUNDLE)).summary, memory.summary);
  const line = await one(file(otlpLineOf(log, measureTurn(log))));
  assert.deepEqual(line.summary, memory.summary);
  assert.deepEqual(line.spans, memory.spans);
  assert.ok(memory.spans.paths.includes('turn › llm › http POST › http.wait'), memory.spans.paths.join('\n'));
  assert.ok(memory.spans.paths.includes('turn › tts #2 › http POST'), 'siblings of one name are numbered');
});

test('a trace of an earlier version reads as the same turn, and its renamed spans align', async () => {
  for (const folder of readdirSync(FORMAT_1)) {
    const { turns: logs } = await readBundle(filesIn(join(FORMAT_1, folder)));
    const [log = assert.fail('no turn')] = logs;
    const old = await one(join(FORMAT_1, folder, 'trace.otlp.jsonl'));
    const today = traceOfTurn(log);
    // figures that it did not know are absent
    assert.deepEqual({ ...today.summary, ...old.summary }, today.summary);
    assert.deepEqual(old.summary.ledger, today.summary.ledger);
    const key = tracedTurnKey(today.summary);
    const pair = alignTurns([old.summary], [today.summary]).pairs;
    const rows = alignSpans(pair, new Map([[key, old.spans]]), new Map([[key, today.spans]]));
    const row = (path: string) => rows.find((each) => each.path === path) ?? assert.fail(path);
    // a wait ends a microsecond early, so that Jaeger sees it before the next one
    assert.deepEqual(row('turn › response › wait endpointing').deltaMs, -0.001);
    for (const path of [
      'turn › response',
      'turn › stt › http POST › http.wait',
      'turn › llm › llm.ttft',
      'turn › tts #2',
    ])
      assert.deepEqual([row(path).n, row(path).deltaMs], [1, 0], path);
    const unpaired = rows.filter(({ n }) => n === 0).map(({ path }) => path.split(' › ').at(-1));
    assert.deepEqual(unpaired, ['deliver', 'wait stt', 'wait llm', 'wait tts', 'wait deliver', 'playback']);
    const grown = today.spans.paths.length - old.spans.paths.length;
    assert.ok(grown <= MAX_GROWTH, `${grown} spans more than the earlier version`);
  }
});

test('traces of 0.2.0, with errors on all that failed and a link on the root, read as what they were', async () => {
  const { turns, problems } = await loadTurns('fixtures/traces/0.2.0/captured.otlp.jsonl');
  assert.deepEqual(problems, []);
  assert.deepEqual(
    turns.map(({ summary: { sessionId, e2eUs, failure, interrupted } }) => [
      sessionId,
      e2eUs,
      failure?.stage,
      interrupted,
    ]),
    [
      ['before-failed', undefined, 'llm', undefined],
      ['before-hedged', 1_560_000, undefined, undefined],
      ['before-interrupted', 1_560_000, undefined, true],
    ],
  );
  const replayed = await one('fixtures/traces/0.2.0/replayed.otlp.jsonl');
  for (const { summary, spans } of [...turns.slice(1), replayed]) {
    const ledgerUs = summary.ledger.reduce((sum, { us }) => sum + us, 0);
    assert.equal(ledgerUs, summary.e2eUs);
    assert.ok(spans.paths.includes('turn › response › wait endpointing'), 'by its present name');
    const isEarlier = spans.paths.includes('turn › deliver');
    assert.equal(
      isEarlier,
      summary.interrupted !== true,
      'control: 0.2.0 had no playback, and none of an interrupted reply',
    );
  }
  const [, hedged] = turns;
  const pair = alignTurns(
    [hedged?.summary ?? assert.fail()],
    [{ ...replayed.summary, sessionId: 'before-hedged' }],
  ).pairs;
  assert.deepEqual(
    pair.map(({ a, b }) => (b.e2eUs ?? 0) - (a.e2eUs ?? 0)),
    [0],
  );
});

const FOREIGN: Span[] = [
  { spanId: '1', name: 'conversation turn', startMs: 0, endMs: 900, attributes: { 'session.id': 'ada' } },
  { spanId: '2', parentSpanId: '1', name: 'stt', startMs: 0, endMs: 300 },
  { spanId: '3', parentSpanId: '1', name: 'chat gpt-4o', startMs: 300, endMs: 700 },
  { spanId: '4', parentSpanId: '1', name: 'tts', startMs: 500, endMs: 900 },
];

test("another pipeline's trace: its critical path is its ledger, and adds up", async () => {
  const { summary, spans } = await one(file(otlp(FOREIGN)));
  assert.equal(summary.e2eUs, 900_000);
  assert.deepEqual(summary.ledger, [
    { stage: 'stt', phase: 'wait', us: 300_000 },
    { stage: 'llm', phase: 'wait', us: 200_000 },
    { stage: 'tts', phase: 'wait', us: 400_000 },
  ]);
  assert.deepEqual(
    [summary.sessionId, summary.turnIndex, summary.world, summary.lane, summary.failure],
    ['ada', 0, 'live', 'captured', undefined],
  );
  assert.deepEqual(summary.serviceUs, { stt: 300_000, llm: 400_000, tts: 400_000 });
  assert.equal(spans.paths[0], 'conversation turn');
});

test('its turns are numbered within their session in order of time, and a failed one says so', async () => {
  const turn = (id: string, startMs: number, more: Partial<Span> = {}): string =>
    otlp(
      [{ spanId: id, name: 'turn', startMs, endMs: startMs + 10, attributes: { 'session.id': 'ada' }, ...more }],
      id.repeat(32),
    );
  const { turns } = await loadTurns(file(turn('b', 200), turn('a', 100), turn('c', 300, { failed: true })));
  assert.deepEqual(
    turns.map(({ summary }) => [summary.traceId[0], summary.turnIndex, summary.failure?.kind]),
    [
      ['a', 0, undefined],
      ['b', 1, undefined],
      ['c', 2, 'error'],
    ],
  );
});

test('a trace spread over lines is one trace; a span sent twice counts once', async () => {
  const [root, ...children] = FOREIGN;
  assert.ok(root);
  const spread = await one(file(otlp(children), otlp([root]), otlp(children), ''));
  const whole = await one(file(otlp(FOREIGN)));
  assert.deepEqual(spread, whole);
});

async function* documents(...lines: readonly string[]): AsyncGenerator<{ json: unknown; where: string }> {
  for (const [index, line] of lines.entries()) yield { json: JSON.parse(line), where: String(index) };
}

test('traces are closed oldest first when too many spans wait, and later spans are counted', async () => {
  const span = (traceId: string, spanId: string): string =>
    otlp([{ traceId, spanId, name: 'x', startMs: 0, endMs: 1 }]);
  const lines = [span('a', '1'), span('a', '2'), span('b', '3'), span('c', '4'), span('a', '5')];
  const gathered = async (limit: number): Promise<[string, number]> => {
    const problems = { ...NO_PROBLEMS };
    const traces: GatheredTrace[] = [];
    for await (const trace of gatherTraces(documents(...lines), problems, { heldSpans: limit })) traces.push(trace);
    return [traces.map(({ traceId, spans }) => `${traceId}${spans.length}`).join(' '), problems.lateSpans];
  };
  assert.deepEqual(await gathered(3), ['a2 b1 c1', 1]);
  assert.deepEqual(await gathered(100), ['a3 b1 c1', 0], 'control: with room for all');
});

test('spans that are their own ancestors are told, and orphans become roots', async () => {
  const circle: Span[] = [
    { spanId: 'x', parentSpanId: 'y', name: 'x', startMs: 0, endMs: 1 },
    { spanId: 'y', parentSpanId: 'x', name: 'y', startMs: 0, endMs: 1 },
  ];
  const { turns, problems } = await loadTurns(file(otlp([...FOREIGN, ...circle])));
  assert.equal(turns.length, 1);
  assert.match(problems.join(), /2 spans are their own ancestors/);
  const orphan = FOREIGN.slice(1, 2).map((each) => ({ ...each, parentSpanId: 'gone' }));
  assert.equal((await loadTurns(file(otlp(orphan)))).turns.length, 1);
});

test('Jaeger’s answer and arrays of requests are read as well', () => {
  const json: unknown = JSON.parse(otlp(FOREIGN));
  assert.equal([...spansIn({ result: json })].length, 4);
  assert.equal([...spansIn([json, json])].length, 8);
});

const BROKEN: readonly [what: string, lines: string[], message: RegExp][] = [
  ['not JSON', [otlp(FOREIGN), '{"resourceSpans":['], /x\.otlp\.jsonl:2: not a line of OTLP JSON/],
  ['no spans', ['{}'], /there is no span of a turn/],
  ['an empty file', [''], /there is no span of a turn/],
];
for (const [what, lines, message] of BROKEN) {
  test(`a file with ${what} is one line that says where`, async () => {
    await assert.rejects(loadTurns(file(...lines)), (error) => {
      assert.ok(error instanceof InputError);
      assert.match(error.message, message);
      return true;
    });
  });
}

test('lines across chunk borders are whole lines', async () => {
  const long = otlp([{ spanId: '1', name: 'x'.repeat(700_000), startMs: 0, endMs: 1 }]);
  const seen: number[] = [];
  for await (const { json } of jsonLines(file(long, long, '', long))) seen.push([...spansIn(json)].length);
  assert.deepEqual(seen, [1, 1, 1]);
});

test('spans align by path and ordinal; unpaired spans are counted by side', async () => {
  const extra: Span = { spanId: '5', parentSpanId: '1', name: 'tts', startMs: 900, endMs: 950 };
  const cache: Span = { spanId: '6', parentSpanId: '1', name: 'cache', startMs: 0, endMs: 7 };
  const a = await one(file(otlp([...FOREIGN, extra])));
  const slower = FOREIGN.map((span) => (span.name === 'stt' ? { ...span, endMs: 310 } : span));
  const b = await one(file(otlp([...slower, cache], 'b'.repeat(32))));
  const { both } = alignTurns([a.summary], [b.summary]);
  const byTrace = ({ summary, spans }: TurnTrace): ReadonlyMap<string, TurnTrace['spans']> =>
    new Map([[tracedTurnKey(summary), spans]]);
  const rows = alignSpans(both, byTrace(a), byTrace(b));
  const row = (path: string) => definedOnly(rows.find((each) => each.path === path) ?? {});
  assert.deepEqual(row('conversation turn › stt'), {
    ...{ path: 'conversation turn › stt', n: 1, aMs: 300, bMs: 310, deltaMs: 10 },
    ...{ onlyA: 0, onlyB: 0 },
  });
  assert.deepEqual(row('conversation turn › tts #2'), {
    ...{ path: 'conversation turn › tts #2', n: 0, onlyA: 1, onlyB: 0, onlyAMs: 50 },
  });
  assert.deepEqual(row('conversation turn › cache'), {
    ...{ path: 'conversation turn › cache', n: 0, onlyA: 0, onlyB: 1, onlyBMs: 7 },
  });
  const spans = rows.reduce((sum, { n, onlyA, onlyB }) => sum + 2 * n + onlyA + onlyB, 0);
  assert.equal(spans, a.spans.paths.length + b.spans.paths.length, 'every span is in a row');
});

test('an attribute that only the reader knows is kept when asked for; one that no span has is none', async () => {
  const ours = {
    ...{ 'session.id': 's', 'retake.turn.index': 0, 'retake.lane': 'captured', 'retake.variant': 'captured' },
    ...{ 'retake.world': 'live', 'retake.zero': 'audio', 'call.sid': 'c1', 'call.leg': 2 },
  };
  const own = file(otlp([{ spanId: '1', name: 'turn', startMs: 0, endMs: 1, attributes: ours }]));
  const foreign = file(
    otlp(FOREIGN.map((span) => ({ ...span, attributes: { ...span.attributes, 'call.sid': 'c1' } }))),
  );
  const kept = async (path: string, attribute?: string): Promise<string | undefined> =>
    (await loadTurns(path, undefined, attribute)).turns[0]?.attribute;
  for (const path of [own, foreign]) assert.equal(await kept(path, 'call.sid'), 'c1');
  assert.equal(await kept(own, 'call.leg'), '2');
  for (const path of [own, foreign])
    for (const name of [undefined, 'call.other', '__proto__', 'constructor'])
      assert.equal(await kept(path, name), undefined, `control: ${name}`);
});

test("a bundle's turn whose events make no sense is left out, and told", async () => {
  const bundle = await readBundle(filesIn(BUNDLE));
  const [log = assert.fail('no turn')] = bundle.turns;
  const events = log.events.map((event) => (event.kind === 'stt.start' ? { ...event, cause: 99_999 } : event));
  const { turns, problems } = bundleTurns({ ...bundle, turns: [{ ...log, events }, log] });
  assert.equal(turns.length, 1, 'control: the turn as it was is read');
  assert.match(problems.join(), /turn 0 cannot be measured: left out \(event 99999 is missing from the log\)/);
});

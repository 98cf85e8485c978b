/** Traces that nobody's exporter writes: each is a result or one line, in time and memory that grow with its size alone. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { InputError } from '../../service/base/errors.ts';
import { unusable } from '../diff/align.ts';
import { renderReport } from '../report/formats.ts';
import { buildReport, type Report } from '../report/build.ts';
import { loadTurns, readTurns, type LoadedTurns } from './load.ts';
import { gatherTraces, NO_PROBLEMS } from './gather.ts';
import { foreignTurns } from './foreign.ts';
import { spansIn, type TraceSpan } from './otlp.ts';
import { tracedTurnKey, treesOf, turnSpansOf } from './trace-tree.ts';

const TRACE = 'a'.repeat(32);
const EPOCH_US = 1_790_000_000_000_000;

interface Span {
  traceId?: string;
  spanId: number;
  parent?: number;
  name?: string;
  fromUs?: number;
  toUs?: number;
  /** Of OTLP, as text. */
  attributes?: string;
}

function spanText({ traceId = TRACE, spanId, parent, name = 'x', fromUs = 0, toUs = 100, attributes }: Span): string {
  const about = {
    ...{ traceId, spanId: String(spanId), parentSpanId: parent === undefined ? '' : String(parent), name },
    startTimeUnixNano: `${EPOCH_US + fromUs}000`,
    endTimeUnixNano: `${EPOCH_US + toUs}000`,
  };
  return `${JSON.stringify(about).slice(0, -1)}${attributes === undefined ? '' : `,"attributes":[${attributes}]`}}`;
}

const documentOf = (spans: readonly string[]): string =>
  `{"resourceSpans":[{"scopeSpans":[{"spans":[${spans.join(',')}]}]}]}`;

const many = (count: number, span: (index: number) => Span): string[] =>
  Array.from({ length: count }, (_, index) => spanText(span(index)));

async function* lines(...texts: readonly string[]): AsyncGenerator<{ json: unknown; where: string }> {
  for (const [index, text] of texts.entries()) yield { json: JSON.parse(text), where: `line ${index + 1}` };
}

const load = (...texts: readonly string[]): Promise<LoadedTurns> => readTurns(lines(...texts), 'x');

function reportOf(turns: LoadedTurns['turns']): Report {
  const arm = { lane: 'captured', variant: 'x', commit: 'x', strategyHash: 'x' };
  const spans = new Map(turns.map((turn) => [tracedTurnKey(turn.summary), turn.spans]));
  const side = { arm, turns: turns.map(({ summary }) => summary), spans };
  return buildReport({ world: 'live', a: side, b: side }) ?? assert.fail('no report');
}

/** A result as the command prints it: nothing of it may be no number. */
async function printed({ turns }: LoadedTurns): Promise<string> {
  const text = await renderReport('terminal', reportOf(turns), { columns: 100, color: false });
  assert.doesNotMatch(text, /NaN|Infinity|undefined/);
  return text;
}

test('a span with 130,000 children is a result', () => {
  const span = (id: number, parentSpanId: string, startUs: number, endUs: number): TraceSpan => ({
    ...{ traceId: TRACE, spanId: String(id), parentSpanId, name: 'x', startUs, endUs, failed: false, attributes: {} },
  });
  const children = Array.from({ length: 130_000 }, (_, index) => span(index + 1, '0', index, index + 1));
  const [root = assert.fail('no root')] = treesOf([span(0, '', 0, 130_000), ...children]).roots;
  const [turn] = foreignTurns(root) ?? [];
  assert.equal(turn?.summary.ledger.length, 130_000);
  assert.equal(turn.spans.paths.at(-1), 'x › x #130000');
});

test('of 5,000 levels the upper ones are compared, and the others are counted', async () => {
  const chain = (step: number): string =>
    documentOf(
      many(5000, (index) => ({
        ...{ spanId: index, parent: index === 0 ? undefined : index - 1 },
        ...{ fromUs: index * step, toUs: index * step + 100 },
      })),
    );
  for (const text of [chain(0), chain(200)]) {
    const loaded = await load(text);
    assert.deepEqual(loaded.problems, ['x: 4900 spans lie more than 100 levels deep: left out']);
    assert.equal(loaded.turns[0]?.spans.paths.length, 100);
    await printed(loaded);
  }
});

test('paths of deep trees stay short, and differ', () => {
  const spans = Array.from({ length: 100 }, (_, index) => ({
    ...{ spanId: String(index), parentSpanId: index === 0 ? '' : String(Math.floor((index - 1) / 2) * 2), startUs: 0 },
    ...{ endUs: 1, name: `${'n'.repeat(190)}${index % 2}` },
  }));
  const [root = assert.fail('no root')] = treesOf(spans).roots;
  const { paths } = turnSpansOf(root);
  assert.equal(new Set(paths).size, 100);
  assert.ok(paths.every((path) => path.length <= 500));
  assert.deepEqual(paths, turnSpansOf(root).paths, 'the same again');
});

test('more turns or spans than fit are one line that says what to do', async () => {
  const turns = documentOf(many(30, (index) => ({ spanId: 0, traceId: String(index) })));
  const wide = documentOf([spanText({ spanId: 0 }), ...many(30, (index) => ({ spanId: index + 1, parent: 0 }))]);
  const limits = (text: string, limit: object): Promise<LoadedTurns> => readTurns(lines(text), 'x', limit);
  await assert.rejects(
    limits(turns, { turns: 20 }),
    /^InputError: x: more than 20 turns or .*; compare a shorter time/,
  );
  await assert.rejects(limits(wide, { spans: 20 }), /more than 250,000 turns or 20 spans; compare a shorter time/);
  const few = await limits(
    documentOf(many(30, (index) => ({ spanId: index, traceId: String(index), name: `n${index}` }))),
    { paths: 20 },
  );
  assert.match(few.problems.join(), /10 spans are not compared: there are more than 20 different paths; keep ids out/);
  assert.deepEqual((await limits(turns, {})).turns.length, 30, 'control');
});

test('a trace with too many spans, or too long attributes, is left out; others are read', async () => {
  const attributes = `{"key":"session.id","value":{"stringValue":"${'v'.repeat(1900)}"}}`;
  const large = many(8, (index) => ({ spanId: index, attributes }));
  const whole = documentOf([...large, spanText({ spanId: 1, traceId: 'b' }), ...large]);
  const problems = { ...NO_PROBLEMS };
  const seen: string[] = [];
  for await (const { traceId } of gatherTraces(lines(whole), problems, { traceSpans: 20 })) seen.push(traceId);
  assert.deepEqual([seen, problems], [['b'], { lateSpans: 0, unusableSpans: 0, largeTraces: 1 }]);
});

test('traces of one span are held for a moment only, however many there are', async () => {
  let open = 0;
  async function* traces(): AsyncGenerator<{ json: unknown; where: string }> {
    for (let first = 0; first < 20_000; first += 1000) {
      yield* lines(documentOf(many(1000, (index) => ({ spanId: 0, traceId: String(first + index) }))));
      open += 1000;
    }
  }
  let most = 0;
  let closed = 0;
  for await (const _ of gatherTraces(traces(), { ...NO_PROBLEMS }, { heldSpans: 2000 }))
    most = Math.max(most, open - closed++);
  assert.equal(closed, 20_000);
  assert.ok(most <= 3000, `${most} held`);
});

test('times that are none are counted, and a trace of them alone is one line', async () => {
  const good = spanText({ spanId: 1 });
  const start = new RegExp(`"${EPOCH_US}000"`);
  const times = [
    `"${'9'.repeat(400)}"`,
    '"18446744073709551615"',
    '1e400',
    '-1',
    '"-5"',
    '"x"',
    '{}',
    '[[1]]',
    'null',
    '1e300',
  ];
  const bad = times.map((time) => good.replace(start, time));
  const { turns, problems } = await load(documentOf([good, ...bad]));
  assert.equal(turns[0]?.summary.e2eUs, 100);
  assert.match(problems.join(), new RegExp(`^x: ${times.length} spans have an id or a time that is none`));
  await assert.rejects(
    load(documentOf(bad)),
    /^InputError: x: there is no span of a turn; 10 spans have an id or a time/,
  );
  const backwards = await load(documentOf([spanText({ spanId: 1, fromUs: 100, toUs: 0 })]));
  assert.equal(backwards.turns[0]?.summary.e2eUs, 0, 'an end before its start is its start');
});

test('spans that are their own parents, circles, and ids said twice', async () => {
  const circle = many(1000, (index) => ({ spanId: index + 10, parent: ((index + 1) % 1000) + 10 }));
  const own = spanText({ spanId: 5, parent: 5 });
  const twice = [spanText({ spanId: 1 }), spanText({ spanId: 1, parent: 1, toUs: 7 })];
  const { turns, problems } = await load(documentOf([...twice, own, ...circle]));
  assert.deepEqual(
    [turns.length, turns[0]?.summary.e2eUs, problems],
    [1, 100, ['x: 1001 spans are their own ancestors: left out']],
  );
});

test('documents and values that are nested 20,000 times', async () => {
  const nested = (open: string, inner: string, close: string): string =>
    open.repeat(20_000) + inner + close.repeat(20_000);
  const span = (value: string): string =>
    documentOf([spanText({ spanId: 1, attributes: `{"key":"session.id","value":${value}}` })]);
  const documents = [
    nested('[', documentOf([spanText({ spanId: 1 })]), ']'),
    nested('{"result":', documentOf([spanText({ spanId: 1 })]), '}'),
    span(nested('{"arrayValue":{"values":[', '', ']}}')),
    span(nested('{"kvlistValue":{"values":[{"key":"a","value":', '{}', '}]}}')),
    span(`{"intValue":${nested('[', '', ']')}}`),
    span(`{"stringValue":${nested('[', '', ']')}}`),
  ];
  for (const text of documents) {
    const { turns } = await load(text);
    assert.deepEqual(
      turns.map(({ summary }) => summary.sessionId),
      [TRACE],
    );
  }
});

test('attributes that nobody reads, and texts without end, are not held', () => {
  const attribute = (key: string, value: string): string => JSON.stringify({ key, value: { stringValue: value } });
  const attributes = [
    ...[attribute('input.value', 'x'.repeat(100_000)), attribute('session.id', 's'.repeat(100_000))],
    ...[attribute('__proto__', 'p'), attribute('conversation.id', 'c')],
  ].join();
  const [span] = spansIn(JSON.parse(documentOf([spanText({ spanId: 1, name: 'n'.repeat(100_000), attributes })])));
  assert.deepEqual([span?.attributes, span?.name.length], [{ 'conversation.id': 'c' }, 200]);
});

test('latencies beyond any day are not told; what a trace says of its turns is a number', async () => {
  const attributes = (latency: string): string =>
    `{"key":"turn.number","value":{"intValue":"1"}},{"key":"turn.user_bot_latency_seconds","value":{"doubleValue":${latency}}},{"key":"metrics.ttfb","value":{"doubleValue":${latency}}}`;
  const turn = (latency: string): string =>
    documentOf([
      spanText({ spanId: 1, name: 'turn', attributes: attributes(latency) }),
      spanText({ spanId: 2, parent: 1, name: 'tts', attributes: attributes(latency) }),
    ]);
  for (const latency of ['1e308', '-1', '86401'])
    assert.deepEqual(
      (await load(turn(latency))).turns.map(({ summary }) => [summary.e2eUs, summary.serviceUs.tts]),
      [[undefined, 100]],
      latency,
    );
  assert.equal((await load(turn('2'))).turns[0]?.summary.e2eUs, 2_000_000, 'control');
});

test('a conversation of too many turns is left out and counted', async () => {
  const turns = many(1001, (index) => ({ spanId: index + 1, parent: 0, name: 'agent_turn' }));
  const { turns: others, problems } = await load(
    documentOf([spanText({ spanId: 0, name: 'agent_session' }), ...turns, spanText({ spanId: 0, traceId: 'b' })]),
  );
  assert.equal(others.length, 1);
  assert.deepEqual(problems, [
    'x: 1 traces hold more than 1,000 turns: left out; export a trace for each conversation',
  ]);
});

const OURS = {
  ...{
    'session.id': 's',
    'retake.turn.index': 0,
    'retake.lane': 'captured',
    'retake.variant': 'v',
    'retake.world': 'live',
  },
  ...{ 'retake.zero': 'audio', 'retake.e2e_us': 100, 'retake.ledger': '[["stt","wait",60],["llm","wait",40]]' },
};

function ownTurn(changes: Readonly<Record<string, unknown>>): string {
  const attributes = Object.entries({ ...OURS, ...changes }).map(([key, value]) =>
    JSON.stringify({ key, value: typeof value === 'number' ? { doubleValue: value } : { stringValue: value } }),
  );
  return documentOf([spanText({ spanId: 1, name: 'turn', attributes: attributes.join() })]);
}

test('a turn span of ours that was edited is left out and counted, never an internal error; alone it is one line', async () => {
  const whole = await load(ownTurn({}));
  await printed(whole);
  const damaged: Readonly<Record<string, unknown>>[] = [
    { 'retake.ledger': `[[${'['.repeat(20_000)}${']'.repeat(20_000)},"wait",100]]` },
    { 'retake.turn.index': -1 },
    { 'retake.turn.index': 0.5 },
    { 'retake.lane': 'x' },
  ];
  const other = ownTurn({ 'retake.turn.index': 7 }).replaceAll(TRACE, 'b'.repeat(32));
  for (const edit of damaged) {
    await assert.rejects(load(ownTurn(edit)), InputError, JSON.stringify(edit));
    const { turns, problems } = await load(ownTurn(edit), other);
    assert.deepEqual([turns.length, problems.length], [1, 1], 'beside another turn it is left out and counted');
    assert.match(problems[0] ?? '', /^x: 1 turn spans are damaged: left out; the first: /);
  }
  // what can be read and makes no sense is read, and left out of the comparison by its cause
  const senseless: readonly [edit: Readonly<Record<string, unknown>>, cause: string][] = [
    [{ 'retake.e2e_us': 99 }, 'parts do not add up'],
    [{ 'retake.e2e_us': 100.5 }, 'parts do not add up'],
    [{ 'retake.e2e_us': -100 }, 'end to end is no positive time'],
    [{ 'retake.e2e_us': 0 }, 'end to end is no positive time'],
    [{ 'retake.ledger': '[["stt","wait",160],["llm","wait",-60]]' }, 'parts do not add up'],
    [{ 'retake.ledger': '[]' }, 'no ledger'],
  ];
  for (const [edit, cause] of senseless) {
    const [turn] = (await load(ownTurn(edit))).turns;
    assert.equal(unusable(turn?.summary ?? assert.fail()), cause, JSON.stringify(edit));
  }
  assert.equal(unusable(whole.turns[0]?.summary ?? assert.fail()), undefined, 'control');
});

test('a report of 70,000 pairs is printed', async () => {
  const { turns } = await load(
    documentOf(many(9, (index) => ({ spanId: 1, traceId: String(index), toUs: index + 1 }))),
  );
  const report = reportOf(turns);
  const pairs = Array.from({ length: 70_000 }, (_, index): [number, number] => [index % 9, 9 + (index % 9)]);
  assert.match(await renderReport('terminal', { ...report, pairs }, {}), /end to end, turns by ms/);
});

test('a line of empty lists, 3 bytes each, is one line that says how many values there may be', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'retake-hostile-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const path = join(folder, 'x.jsonl');
  const before = process.memoryUsage().rss;
  writeFileSync(path, Buffer.alloc(12_000_000, '[],').fill('[[]', 0, 3).fill(']]', 11_999_998));
  await assert.rejects(loadTurns(path), /x\.jsonl:1: more than 5,000,000 values in one document; write smaller/);
  assert.ok(process.memoryUsage().rss - before < 150e6, 'nothing was parsed');
});

test('a line without end is one line that says what to write', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'retake-hostile-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const path = join(folder, 'x.jsonl');
  writeFileSync(path, Buffer.alloc(66 * 1024 * 1024, ' '));
  await assert.rejects(loadTurns(path), /a line is longer than 64 MB; write one export request a line/);
});

/** What a person reads in Jaeger: of many kinds of turns the critical path is the ledger, and each search finds what it says. */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import type { StrategyPatch } from '../../service/strategy/patch.ts';
import { otlpLineOf } from '../../service/telemetry/otel.ts';
import { parsedJson } from '../../service/base/json.ts';
import { measureTurn } from '../../service/turn-log/metrics.ts';
import type { Scenario } from '../../sim/faults/scenario.ts';
import { CONFIGS } from '../../scripts/infra/run.ts';
import { flatProfile } from '../../testing/flat-profile.ts';
import { pathComplaints, type PathSpan } from '../../testing/jaeger-critical-path.ts';
import { tones, turnByHand } from '../../testing/turn-by-hand.ts';
import { folderOf, retake, startRetake, startStack, until, type Stack } from './harness.ts';
import { uploadTurns } from './talkers.ts';
import { asJaegerKeeps, jaegerSpans, pathsOf, spanKey, spooledSpans, type StoredSpan } from './spans.ts';

/** A wait is a microsecond short of its part, and may hold moments of our code. */
const SLACK_US = 2000;
const RUN_IDS = { sim: 'reading-sim', wire: 'reading-wire' } as const;

/** The first turn is cold, the next ones are warm; the third one fails, the fourth one needs a second attempt. */
const FAULTS: Scenario = {
  title: 'a turn that fails and one that recovers',
  rules: [
    { route: 'llm', turns: [2], fault: { kind: 'error-chunk' } },
    { route: 'stt.transcriptions', turns: [3], attempts: [0], fault: { kind: 'status', status: 503 } },
    { route: 'tts.stream', turns: [4], fault: { kind: 'status', status: 401 } },
  ],
};
const DEAF: Scenario = {
  title: 'a turn that nobody understands',
  rules: [{ route: 'stt.transcriptions', turns: [3], fault: { kind: 'status', status: 401 } }],
};
const KINDS: readonly {
  name: string;
  patch: StrategyPatch;
  scenario?: Scenario;
  turnsEach: number;
  profile?: string;
  /** The last turn fails before the answer begins. */
  lastIsRefused?: RegExp;
}[] = [
  { name: 'plain', patch: {}, scenario: FAULTS, turnsEach: 5 },
  {
    name: 'hedged',
    patch: { llm: { hedge: { afterMs: 200, model: 'openai/gpt-4o-mini' } } },
    scenario: DEAF,
    lastIsRefused: /stt auth/,
    turnsEach: 4,
  },
  { name: 'speculative', patch: { pipeline: { speculation: 'predict' } }, turnsEach: 3 },
  { name: 'generate', patch: { tts: { method: 'generate' } }, turnsEach: 3 },
  { name: 'quick', patch: {}, turnsEach: 3, profile: 'zero' },
];
const INTERRUPTED = 3;

interface Trace {
  turn: StoredSpan;
  spans: readonly StoredSpan[];
}

test('turns of every kind: the path is the ledger, errors are the failed turns, saved searches find what they say', async (context) => {
  const folder = folderOf(context);
  const stack = await startStack(context, folder, { COLLECTOR_SERVICES: 'rows' });
  const spoken = await Promise.all(KINDS.map((kind) => speak(context, stack, folder, kind)));
  await interruptedTurns(stack);
  await replay(stack, join(folder, 'plain'), 'sim');
  await replay(stack, join(folder, 'quick'), 'wire', ['--profile', 'zero']);
  const captured = spoken.reduce((sum, turns) => sum + turns, INTERRUPTED);
  const expected = captured + 3 * (KINDS[0]?.turnsEach ?? 0) + 3 * (KINDS.at(-1)?.turnsEach ?? 0);
  await until(async () => (await tracesIn(stack)).length >= expected, `${expected} turns in Jaeger`);
  const traces = await tracesIn(stack);
  context.diagnostic(`${traces.length} turns`);

  await context.test('the critical path is the ledger, stage by stage', () => {
    const complaints = traces.flatMap(({ turn, spans }) => {
      const ledger = ledgerOf(turn);
      return ledger.length === 0
        ? []
        : pathComplaints(spans.map(pathSpan), ledger, SLACK_US).map((each) => [kindOf(turn), each]);
    });
    assert.deepEqual(complaints, []);
    const measured = traces.filter(({ turn }) => ledgerOf(turn).length > 0);
    assert.ok(measured.length >= 30, `${measured.length} turns with a ledger`);
    const control = measured.flatMap(({ turn, spans }) => {
      const touching = spans
        .map(pathSpan)
        .map((span) => (span.name.startsWith('wait') ? { ...span, endUs: span.endUs + 1 } : span));
      return pathComplaints(touching, ledgerOf(turn), SLACK_US);
    });
    assert.notDeepEqual(control, [], 'control: spans that touch');
  });

  await context.test('every kind is there', () => {
    const has = (name: string): number => traces.filter(({ spans }) => spans.some((span) => span.name === name)).length;
    assert.ok(
      has('hedge') >= 1 && has('speculation') >= 3 && has('queue.poll') >= 3 && has('tcp.connect') >= 3,
      'spans of each kind',
    );
    const lanes = Map.groupBy(traces, ({ turn }) => `${text(turn, 'retake.world')} ${text(turn, 'retake.lane')}`);
    for (const kind of ['sim candidate', 'wire candidate', 'wire captured'])
      assert.ok((lanes.get(kind)?.length ?? 0) >= 3, kind);
  });

  await context.test('an error is a failed turn, and its errors are the way to the cause', async () => {
    const failed = traces.filter(({ turn }) => 'retake.failure.stage' in turn.attributes);
    assert.ok(failed.length >= 2 && failed.length < traces.length);
    const red = traces.filter(({ spans }) => spans.some(({ status }) => status.code === 2));
    assert.deepEqual(idsOf(red), idsOf(failed));
    for (const { turn, spans } of failed) {
      const chain = spans.filter(({ status }) => status.code === 2);
      const names = chain.map(({ name }) => name);
      assert.ok(names.includes('turn') && names.includes(text(turn, 'retake.failure.stage')), names.join());
      // each below the next one, from the turn down to the phase
      assert.equal(new Set(chain.map(({ parentSpanId }) => parentSpanId)).size, chain.length, names.join());
      const ids = new Set(['', ...chain.map(({ spanId }) => spanId)]);
      assert.ok(chain.every(({ parentSpanId }) => ids.has(parentSpanId)) && chain.length <= 4, names.join());
    }
  });

  await context.test(
    'a row of a search says whose turn it is; the services are the pipeline, and a span keeps all else',
    async () => {
      const spooled = new Map(KINDS.flatMap(({ name }) => [...spooledSpans(join(folder, name))]));
      assert.ok(spooled.size > 500, `${spooled.size} spans`);
      const read = new Map(traces.flatMap(({ spans }) => spans.map((span) => [spanKey(span), span])));
      for (const [key, span] of spooled) {
        const resource = { ...span.resource, 'service.name': `string:${serviceOf(span)}` };
        assert.deepEqual(read.get(key), asJaegerKeeps({ ...span, resource }, read.get(key)));
      }
      for (const { turn, spans } of traces) {
        const services = new Set(spans.map(serviceIn));
        const row = rowOf(turn);
        assert.equal(serviceIn(turn), 'retake');
        assert.ok(services.has(row), row);
        assert.equal(services.has('retake-interrupted'), text(turn, 'retake.interrupted') === 'true', row);
      }
      const query = `endTs=4102444800000&lookback=4102444800000`;
      const answer = await fetch(`${stack.jaeger.urls.ui}/api/dependencies?${query}`);
      const { data } = (await answer.json()) as { data: { parent: string; child: string }[] };
      const edges = data
        .filter(({ child }) => /^retake/.test(child))
        .map(({ parent, child }) => `${parent} > ${child}`);
      assert.deepEqual(
        edges.sort(),
        ['interrupted', 'llm', 'stt', 'tts'].map((stage) => `retake > retake-${stage}`),
      );
    },
  );

  await context.test('a captured turn and its replay differ in their rows only', () => {
    const captured = new Map(traces.map(({ turn, spans }) => [turn.traceId, spans]));
    const withoutRow = (spans: readonly StoredSpan[]): string[] =>
      pathsOf(spans).filter((path) => !path.endsWith(':speech'));
    const replayed = traces.filter(({ turn }) => text(turn, 'retake.run.id') === RUN_IDS.wire);
    assert.ok(replayed.length > 0);
    for (const { turn, spans } of replayed) {
      const original = captured.get(text(turn, 'retake.captured.trace_id')) ?? [];
      assert.deepEqual(withoutSetUp(withoutRow(spans)), withoutSetUp(withoutRow(original)));
      assert.notDeepEqual(pathsOf(spans), pathsOf(original), 'control: the rows differ');
    }
  });

  const { menu } = JSON.parse(readFileSync(CONFIGS.ui, 'utf8')) as {
    menu: { label: string; items: { label: string; url: string }[] }[];
  };
  const saved = menu.find(({ label }) => label === 'Retake')?.items ?? [];
  assert.deepEqual(saved.map(({ label }) => label).sort(), Object.keys(MEANT).sort());
  for (const { label, url } of saved) {
    await context.test(`saved search: ${label}`, async () => {
      const answer = await fetch(stack.jaeger.urls.ui + url.replace('/search?', '/api/traces?'));
      const { data } = (await answer.json()) as { data: { traceID: string }[] };
      const meant = traces.filter((trace) => MEANT[label]?.(trace));
      assert.deepEqual(data.map(({ traceID }) => traceID).sort(), idsOf(meant));
      assert.ok(meant.length < traces.length, 'control: other turns are there');
      assert.ok(meant.length > 0, 'something is found');
    });
  }
});

/** What each saved search says that it finds. */
const MEANT: Readonly<Record<string, (trace: Trace) => boolean>> = {
  'Slow responses': ({ turn }) => Number(text(turn, 'retake.e2e_us')) > 1_400_000,
  'Failed turns': ({ turn }) => turn.status.code === 2,
  'Failed in STT': ({ turn }) => text(turn, 'retake.failure.stage') === 'stt',
  'Failed in the LLM': ({ turn }) => text(turn, 'retake.failure.stage') === 'llm',
  'Failed in TTS': ({ turn }) => text(turn, 'retake.failure.stage') === 'tts',
  'Interrupted replies': ({ turn }) => text(turn, 'retake.interrupted') === 'true',
  'New connections': ({ spans }) => spans.some(({ name }) => name === 'tls' || name === 'tcp.connect'),
  'Captured turns': ({ turn }) => text(turn, 'retake.lane') === 'captured',
};

/** Turns of one kind, in a service of its own. Returns how many. */
async function speak(
  context: TestContext,
  stack: Stack,
  folder: string,
  kind: (typeof KINDS)[number],
): Promise<number> {
  const dataFolder = join(folder, kind.name);
  const [strategy, scenario] = ['strategy', 'scenario'].map((file) => join(folder, `${kind.name}.${file}.json`));
  writeFileSync(strategy ?? '', JSON.stringify(kind.patch));
  writeFileSync(scenario ?? '', JSON.stringify(kind.scenario ?? { title: 'no faults', rules: [] }));
  const service = await startRetake(context, {
    dataFolder,
    otlp: stack.collector.urls.otlp,
    profile: kind.profile ?? 'seed',
    words: ['--scenario', scenario ?? ''],
    env: { RETAKE_STRATEGY: strategy ?? '' },
  });
  const spoken = uploadTurns({ url: service.url, sessions: 1, turnsEach: kind.turnsEach, concurrent: 1 });
  if (kind.lastIsRefused === undefined) await spoken;
  else await assert.rejects(spoken, kind.lastIsRefused);
  await service.stop();
  return kind.turnsEach;
}

/** In virtual time, since a client that interrupts is a conversation. */
async function interruptedTurns({ collector }: Stack): Promise<void> {
  for (let index = 0; index < INTERRUPTED; index++) {
    const { log } = await turnByHand({
      profile: flatProfile({ stt: 400, llm: 100 + index }),
      sessionId: `interrupted-${index}`,
      tones: {
        ...tones(12_000, [
          [200, 1200],
          [3000 + 100 * index, 4500],
        ]),
        speech: { fromMs: 200, toMs: 1200 },
      },
      patch: { client: { bargeIn: { minSpeechMs: 500 } } },
    });
    const response = await fetch(`${collector.urls.otlp}/v1/traces`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: otlpLineOf(log, measureTurn(log)),
    });
    assert.equal(response.status, 200, await response.text());
  }
}

async function replay(
  stack: Stack,
  data: string,
  world: keyof typeof RUN_IDS,
  words: readonly string[] = [],
): Promise<void> {
  const { code, err } = await retake(
    [
      'replay',
      '--data',
      data,
      '--set',
      'tts.concurrency=1',
      '--world',
      world,
      '--run-id',
      RUN_IDS[world],
      '-o',
      `${data}-run`,
      ...words,
    ],
    { OTEL_EXPORTER_OTLP_ENDPOINT: stack.collector.urls.otlp },
  );
  assert.equal(code, 0, err);
}

/** Simulated turns have simulated dates, so the query asks for all of time. */
async function tracesIn({ jaeger }: Stack): Promise<Trace[]> {
  const spans = await jaegerSpans(jaeger.urls.ui, { fromUs: 0 });
  return [...Map.groupBy(spans.values(), ({ traceId }) => traceId).values()].flatMap((own) => {
    const turn = own.find(({ name }) => name === 'turn');
    return turn === undefined ? [] : [{ turn, spans: own }];
  });
}

const serviceIn = ({ resource }: StoredSpan): string => (resource['service.name'] ?? '').replace('string:', '');

/** The service that a span is to have in Jaeger. */
function serviceOf(span: StoredSpan): string {
  const stage = text(span, 'retake.stage');
  if (/^(stt|llm|tts)$/.test(stage)) return `retake-${stage}`;
  if (span.name === 'playback' && text(span, 'retake.cancelled') === 'interrupted') return 'retake-interrupted';
  if (span.name !== 'speech') return 'retake';
  return rowOf(span);
}

/** What a row of a search says: the turn, its lane and its variant, where that has another name. */
function rowOf(span: StoredSpan): string {
  const [index, lane, variant] = ['turn.index', 'lane', 'variant'].map((key) => text(span, `retake.${key}`));
  return lane === variant ? `turn ${index} ${lane}` : `turn ${index} ${lane} ${variant}`;
}

/**
 * Whether a connection was there already is a matter of what else went over it; when our process stood still, of the machine, and so is a
 * wait for providers that answer at once. compare.integration.ts compares waits, with providers that take their time.
 */
const withoutSetUp = (paths: readonly string[]): string[] =>
  paths.filter((path) => !/:(dns|tcp\.connect|tls|blocked|wait \w+)$/.test(path));

const idsOf = (traces: readonly Trace[]): string[] => traces.map(({ turn }) => turn.traceId).sort();
const text = ({ attributes }: StoredSpan, key: string): string => (attributes[key] ?? '').replace(/^\w+:/, '');
const kindOf = (turn: StoredSpan): string =>
  `${text(turn, 'retake.world')} ${text(turn, 'retake.lane')} ${turn.traceId}`;

function ledgerOf(turn: StoredSpan): { stage: string; us: number }[] {
  const rows = parsedJson(text(turn, 'retake.ledger')) as [string, string, number][] | undefined;
  return (rows ?? []).map(([stage, , us]) => ({ stage, us }));
}

function pathSpan({ spanId, parentSpanId, name, start, end, links }: StoredSpan): PathSpan {
  const us = (nanoseconds: string): number => Number(nanoseconds.slice(0, -3));
  return {
    spanId,
    parentSpanId: parentSpanId === '' ? undefined : parentSpanId,
    name,
    startUs: us(start),
    endUs: us(end),
    links,
  };
}

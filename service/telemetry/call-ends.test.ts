/** Errors stand on what failed the turn, and nowhere else: in turns of virtual time that fail, recover, hedge or are interrupted. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { tones, turnByHand } from '../../testing/turn-by-hand.ts';
import { flatProfile } from '../../testing/flat-profile.ts';
import type { FaultSpec } from '../../sim/faults/kinds.ts';
import type { RouteName } from '../../sim/faults/routes.ts';
import { DEFAULT_VIEW, MAX_EVENTS, spansOf, type SpanRecord } from './spans.ts';
import { measureTurn } from '../turn-log/metrics.ts';

type Options = Parameters<typeof turnByHand>[0];

const SPEECH = tones(2500, [[200, 1200]]);
const struck = (route: RouteName, fault: FaultSpec, attempts?: number[]): Partial<Options> => ({
  scenario: { title: 'one fault', rules: [{ route, turns: [0], fault, attempts }] },
});

async function spansWith(more: Partial<Options>, view = DEFAULT_VIEW): Promise<readonly SpanRecord[]> {
  const profile = flatProfile({ stt: 300, llm: 400, tts: 200, deltaGap: 30, deltaChars: 12 });
  const { log } = await turnByHand({ profile, tones: SPEECH, ...more });
  return spansOf(log, measureTurn(log), view);
}

const errorsIn = (spans: readonly SpanRecord[]): string[] =>
  spans.filter(({ status }) => status.code === 'error').map(({ name }) => name);
const cancelledIn = (spans: readonly SpanRecord[]): string[] =>
  spans.flatMap(({ name, attributes }) => {
    const why = attributes['retake.cancelled'];
    return why === undefined || !/^(stt|llm|tts)$/.test(name) ? [] : [`${name} ${String(why)}`];
  });

test('a failed turn: the call, its exchange and its phase are errors; what the failure stopped is cancelled', async () => {
  const llm = await spansWith(struck('llm', { kind: 'error-chunk', afterChunks: 4 }));
  assert.deepEqual(errorsIn(llm), ['turn', 'llm', 'http POST', 'http.body']);
  assert.deepEqual(cancelledIn(llm), ['tts turn-failed']);
  const stt = await spansWith(struck('stt.transcriptions', { kind: 'status', status: 401 }));
  assert.deepEqual(errorsIn(stt), ['turn', 'stt', 'http POST', 'http.body']);
  const tts = await spansWith(struck('tts.stream', { kind: 'reset-mid-body' }));
  // the body had no time to begin
  assert.deepEqual(errorsIn(tts), ['turn', 'tts', 'http POST', 'http.wait']);
});

test('an attempt that is made again is no error, but says what was wrong', async () => {
  const spans = await spansWith(struck('stt.transcriptions', { kind: 'status', status: 503 }, [0]));
  assert.deepEqual([errorsIn(spans), cancelledIn(spans)], [[], []]);
  const [first, second] = spans.filter(({ name }) => name === 'http POST');
  assert.deepEqual([first?.attributes['error.type'], second?.attributes['error.type']], ['503', undefined]);
});

test('the loser of a hedge, and what an interruption stops, are cancelled', async () => {
  const hedge = { afterMs: 100, model: 'openai/gpt-4o-mini' };
  const hedged = await spansWith({ patch: { llm: { hedge } } });
  assert.deepEqual([errorsIn(hedged), cancelledIn(hedged)], [[], ['llm hedge-lost']]);
  const interruption: Partial<Options> = {
    profile: flatProfile({ stt: 300, llm: 400, tts: 1500 }),
    patch: { client: { bargeIn: { minSpeechMs: 300 } }, tts: { concurrency: 1 } },
    reply: 'Bir cümle söylendi ve bitti. '.repeat(12),
    tones: {
      ...tones(12_000, [
        [200, 1200],
        [6000, 7500],
      ]),
      speech: { fromMs: 200, toMs: 1200 },
    },
  };
  const interrupted = await spansWith(interruption);
  assert.deepEqual([errorsIn(interrupted), cancelledIn(interrupted)], [[], ['tts interrupted']]);
  assert.equal(playbackIn(interrupted).attributes['retake.cancelled'], 'interrupted');
  assert.deepEqual(
    playbackIn(interrupted).events.map(({ name }) => name),
    ['pause', 'stop'],
  );
  assert.ok(interrupted[0]?.attributes['retake.interrupted_us'] !== undefined);
  const full = playbackIn(await spansWith(interruption, { ...DEFAULT_VIEW, playback: 'full' }));
  assert.ok(full.endUs - (full.events.at(-1)?.atUs ?? 0) <= 2, 'it ends with the interruption');
});

const playbackIn = (spans: readonly SpanRecord[]): SpanRecord =>
  spans.find(({ name }) => name === 'playback') ?? assert.fail('nothing was heard');

test('a reply heard to its end was not stopped; of many events a span shows the first ones and the last', async () => {
  const many = 2 * MAX_EVENTS;
  const spans = await spansWith({ reply: 'Bir cümle söylendi ve bitti. '.repeat(many) });
  assert.equal(playbackIn(spans).attributes['retake.cancelled'], undefined);
  assert.ok(Number(playbackIn(spans).attributes['retake.deliver.pieces']) >= many, 'control: there were more');
  const events = spans.find(({ name }) => name === 'llm')?.events ?? [];
  const pieces = events.map(({ attributes }) => attributes['retake.tts.piece']);
  assert.equal(events.length, MAX_EVENTS);
  assert.deepEqual([events[0]?.name, pieces[1]], ['first token', 0]);
  assert.equal(pieces.at(-1), Number(playbackIn(spans).attributes['retake.deliver.pieces']) - 1);
});

test('words spoken ahead in vain fail no turn, whatever became of them', async () => {
  const predict = { pipeline: { speculation: 'predict' } } as const;
  const spans = await spansWith({ patch: predict, ...struck('tts.stream', { kind: 'status', status: 401 }) });
  assert.deepEqual(errorsIn(spans), ['turn', 'tts', 'http POST', 'http.body'], 'the reply met the fault too');
  const byId = new Map(spans.map((span) => [span.spanId, span.name]));
  const failed = spans.find(({ name, status }) => name === 'tts' && status.code === 'error');
  assert.equal(byId.get(failed?.parentSpanId ?? ''), 'turn', 'not below the speculation');
});

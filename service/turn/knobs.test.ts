/** What each knob of the prompt, the model, the voice and the wait is worth on a turn that can be added up on paper, each with its control. */
import { callBy } from '../../bench/programs/stream-bodies.ts';
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { tones, turnByHand } from '../../testing/turn-by-hand.ts';
import { flatProfile } from '../../testing/flat-profile.ts';
import type { EventKind, TurnLog } from '../base/events.ts';
import { compressedPrompt } from '../text/prompt.ts';
import { createOpenRouter } from '../providers/openrouter.ts';
import type { StrategyPatch } from '../strategy/patch.ts';
import { LIVE_ENDPOINTS } from '../world.ts';

const SPEECH = tones(2500, [[200, 1200]]);
type Ms = Parameters<typeof flatProfile>[0];
type More = Partial<Parameters<typeof turnByHand>[0]>;
const run = (ms: Ms, patch: StrategyPatch, more: More = {}) =>
  turnByHand({ profile: flatProfile(ms), tones: SPEECH, patch, ...more });
const of = (log: TurnLog, kind: EventKind, index?: number): number =>
  log.events.find((event) => event.kind === kind && (index === undefined || event.attrs?.['index'] === index))?.atUs ??
  assert.fail(`no ${kind}`);

/** End to end, baseline − candidate, in ms. */
async function gainMs(ms: Ms, from: StrategyPatch, to: StrategyPatch, more: More = {}): Promise<number> {
  const [a, b] = [await run(ms, from, more), await run(ms, to, more)];
  return ((a.summary.e2eUs ?? NaN) - (b.summary.e2eUs ?? NaN)) / 1000;
}

test('stt.vad.silenceMs: the decision comes as much earlier as it is shorter', async () => {
  const silence = (silenceMs: number) => ({ stt: { vad: { silenceMs } } });
  assert.equal(await gainMs({}, silence(500), silence(300)), 200);
  assert.equal(await gainMs({}, silence(500), silence(700)), -200, 'control');
});

test('llm.model: the other model’s own time; llm.route: throughput is :nitro, and latency is unknown to a stand-in', async () => {
  const ms = { llm: 900, models: { 'openai/gpt-4o-mini': 300, 'google/gemini-2.5-flash:nitro': 250 } };
  assert.equal(await gainMs(ms, {}, { llm: { model: 'openai/gpt-4o-mini' } }), 600);
  assert.equal(await gainMs(ms, {}, { llm: { model: 'google/gemini-2.5-flash:nitro' } }), 650);
  assert.equal(await gainMs(ms, {}, { llm: { route: { sort: 'throughput' } } }), 650);
  assert.equal(await gainMs(ms, {}, { llm: { route: { sort: 'latency' } } }), 0, 'control');
});

/** 0.1 ms for each character of the prompt. */
const PER_CHAR = 0.1;
const charged = { perPromptChar: PER_CHAR };
const costMs = (chars: number): number => Math.round(chars * PER_CHAR * 1000) / 1000;

test('llm.historyTurns and llm.systemPrompt: each character that is left out saves its time', async () => {
  const three = { turns: 3, pauseMs: 500 };
  const earlier = 2 * 'aaaa bbbb cccc dddd eeee'.length;
  const replies = 2 * 'Bir cümle söylendi, ve bitti. İkincisi de hemen ardından geldi.'.length;
  assert.equal(await gainMs(charged, {}, { llm: { historyTurns: 0 } }, three), costMs(earlier + replies));
  assert.equal(
    await gainMs(charged, {}, { llm: { historyTurns: 1 } }, three),
    costMs((earlier + replies) / 2),
    'half of it',
  );
  assert.equal(await gainMs({}, {}, { llm: { historyTurns: 0 } }, three), 0, 'control: where characters cost nothing');
  const long = { systemPrompt: 'x'.repeat(5000) };
  assert.equal(
    await gainMs(charged, {}, { llm: { systemPrompt: 'compressed' } }, long),
    costMs(5000 - compressedPrompt('tr').length),
  );
});

const REPLY = 'Birinci cümle burada. İkinci cümle burada. Üçüncü cümle burada.';
/** Of profile `zero`, in which speech has 15 characters a second. */
const CHARS_PER_SECOND = 15;

test('tts.speed: speech takes 1 / 1.15 of its time; the first audible stays', async () => {
  const [own, faster] = [
    await run({}, {}, { reply: REPLY }),
    await run({}, { tts: { speed: 1.15 } }, { reply: REPLY }),
  ];
  assert.equal(own.summary.e2eUs, faster.summary.e2eUs);
  const savedMs = ((own.summary.replyEndUs ?? 0) - (faster.summary.replyEndUs ?? 0)) / 1000;
  const spokenMs = (1000 * REPLY.length) / CHARS_PER_SECOND;
  assert.ok(Math.abs(savedMs - spokenMs * (1 - 1 / 1.15)) < 3, `${savedMs} of ${spokenMs} ms`);
});

test('llm.maxTokens: the reply is over when its tokens are, the first audible stays', async () => {
  const [whole, cut] = [
    await run({}, {}, { reply: REPLY }),
    await run({}, { llm: { maxTokens: 10 } }, { reply: REPLY }),
  ];
  assert.equal(cut.replyText, REPLY.slice(0, 40), 'four characters a token');
  assert.equal(whole.summary.e2eUs, cut.summary.e2eUs);
  const savedMs = ((whole.summary.replyEndUs ?? 0) - (cut.summary.replyEndUs ?? 0)) / 1000;
  // 23 characters less, and one piece less with its leading silence of 100 ms
  assert.ok(Math.abs(savedMs - ((1000 * 23) / CHARS_PER_SECOND + 100)) < 3, `${savedMs} ms`);
});

test('tts.concurrency: of three pieces ready at once the last waits for as many syntheses as there are no slots for', async () => {
  const ms = { tts: 400 };
  const lateMs = async (concurrency: number): Promise<number> => {
    const { log } = await run(ms, { tts: { concurrency } }, { reply: REPLY });
    return (of(log, 'tts.start', 2) - of(log, 'tts.start', 0)) / 1000;
  };
  assert.deepEqual([await lateMs(1), await lateMs(2), await lateMs(3), await lateMs(4)], [800, 400, 0, 0]);
});

test('OpenRouter is asked for llm.temperature, .seed, .reasoning, .maxTokens, .route and .fallback', async () => {
  const asked = async (sse: 'sdk' | 'parser', more: object): Promise<Record<string, unknown>> => {
    let body: Record<string, unknown> = {};
    const fetch = (_input: unknown, init?: RequestInit): Promise<Response> => {
      body = typeof init?.body === 'string' ? JSON.parse(init.body) : {};
      const chunk = { choices: [{ index: 0, delta: { content: 'Evet.' }, finish_reason: 'stop' }] };
      const text = `data: ${JSON.stringify(chunk)}\n\ndata: [DONE]\n\n`;
      return Promise.resolve(new Response(text, { headers: { 'content-type': 'text/event-stream' } }));
    };
    const call = callBy(fetch);
    const llm = createOpenRouter({ ...LIVE_ENDPOINTS, openRouterKey: 'none', keys: [] });
    const messages = [{ role: 'user', content: 'Selam' }] as const;
    const request = { model: 'a/b', messages, maxTokens: 7, sessionId: 's', fallback: [], sse, ...more };
    await llm.stream(request, call, () => undefined);
    return body;
  };
  for (const sse of ['sdk', 'parser'] as const) {
    const plain = await asked(sse, {});
    assert.equal(plain['max_tokens'], 7);
    for (const field of ['temperature', 'seed', 'reasoning', 'provider', 'models'])
      assert.equal(plain[field], undefined, `control: ${field} is not sent`);
    const full = await asked(sse, {
      ...{ temperature: 0.2, seed: 5, reasoning: 'low', fallback: ['c/d'] },
      route: { sort: 'latency', order: ['X'], only: ['Y'], ignore: ['Z'], dataCollection: 'deny' },
    });
    assert.deepEqual([full['temperature'], full['seed'], full['reasoning']], [0.2, 5, { effort: 'low' }]);
    assert.deepEqual(full['provider'], {
      ...{ sort: 'latency', order: ['X'], only: ['Y'], ignore: ['Z'] },
      data_collection: 'deny',
    });
    assert.ok(JSON.stringify(full['models']).includes('c/d'));
  }
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import OpenAI from 'openai';
import { createPromptCache } from './openrouter-model.ts';
import { createVirtualClock } from '../world/clock.ts';
import { createTestWorld, type TestWorldOptions } from '../../testing/exchange.ts';

const REPLY = 'Merhaba, hoş geldiniz. Bugün nasılsınız? Kendinizden söz eder misiniz?';
const script = { transcript: () => 'Merhaba.', reply: () => REPLY };
const BODY = {
  model: 'openai/gpt-4o-mini',
  messages: [{ role: 'user' as const, content: 'Merhaba' }],
  max_tokens: 200,
};

function setUp(options: TestWorldOptions = {}) {
  const clock = createVirtualClock();
  const world = createTestWorld(clock, { script, ...options });
  const client = new OpenAI({
    apiKey: 'k',
    baseURL: 'https://openrouter.ai/api/v1',
    fetch: world.fetch,
    maxRetries: 0,
  });
  return { clock, world, client };
}
const post = (world: ReturnType<typeof setUp>['world'], body: unknown, init: RequestInit = {}): Promise<Response> =>
  world.fetch('https://openrouter.ai/api/v1/chat/completions', {
    method: 'POST',
    headers: { authorization: 'Bearer k' },
    body: JSON.stringify(body),
    ...init,
  });

test('the openai client reads the stream: each delta when it was due, usage and cost at the end', async () => {
  const { clock, world, client } = setUp();
  const seen: { text: string; atUs: number }[] = [];
  const costs: unknown[] = [];
  await clock.run(async () => {
    const stream = await client.chat.completions.create({ ...BODY, stream: true });
    for await (const chunk of stream) {
      const text = chunk.choices[0]?.delta.content;
      if (text !== undefined && text !== null && text !== '') seen.push({ text, atUs: clock.nowUs() });
      if (chunk.usage) costs.push(chunk.usage.completion_tokens, 'cost' in chunk.usage && chunk.usage.cost);
    }
  });
  assert.equal(seen.map(({ text }) => text).join(''), REPLY);
  assert.ok(seen.length > 8, 'small deltas');
  assert.ok(new Set(seen.map(({ atUs }) => atUs)).size === seen.length, 'each at a time of its own');
  assert.deepEqual(costs[0], Math.ceil(REPLY.length / 4));
  assert.ok(Number(costs[1]) > 0);
  assert.ok((seen[0]?.atUs ?? 0) > (world.marks[0]?.headersUs ?? Infinity), 'content comes after the headers');
  assert.equal(clock.sleeping(), 0);
});

test('the bytes on the wire: a comment, deltas, stop, usage without choices, [DONE]', async () => {
  for (const usage of [undefined, 'delta'] as const) {
    const { clock, world } = setUp({ scenario: { title: 'usage', rules: [{ route: 'llm', tune: { usage } }] } });
    const response = await clock.run(async () => {
      const answer = await post(world, { ...BODY, stream: true });
      return { id: answer.headers.get('x-generation-id'), text: await answer.text() };
    });
    const events = response.text.trimEnd().split('\n\n');
    assert.equal(events[0], ': OPENROUTER PROCESSING');
    assert.equal(events.at(-1), 'data: [DONE]');
    const { choices }: { choices: unknown[] } = JSON.parse((events.at(-2) ?? '').slice(6));
    assert.equal(choices.length, usage === 'delta' ? 1 : 0);
    assert.match(events.at(-3) ?? '', /"finish_reason":"stop","native_finish_reason":"STOP"/);
    assert.match(response.id ?? '', /^gen-[0-9a-f]{20}$/);
  }
});

test('openai gives up the body at [DONE]: a terminator that comes apart costs the connection, one together does not', async () => {
  const opened = async (terminator: 'apart' | 'together', read: 'sdk' | 'all'): Promise<number> => {
    const { loadProfile } = await import('../times/profile.ts');
    const profile = structuredClone(loadProfile('seed'));
    if (terminator === 'together') profile.network.terminatorMs.quantiles = [[0, 0]];
    const { clock, world, client } = setUp({ profile });
    await clock.run(async () => {
      for (let call = 0; call < 5; call++) {
        if (read === 'all') await (await post(world, { ...BODY, stream: true })).text();
        else for await (const chunk of await client.chat.completions.create({ ...BODY, stream: true })) void chunk;
      }
    });
    return world.transport.opened()['https://openrouter.ai'] ?? 0;
  };
  assert.equal(await opened('apart', 'sdk'), 5);
  assert.equal(await opened('together', 'sdk'), 1);
  assert.equal(await opened('apart', 'all'), 1);
});

test('an abort in mid-stream breaks the body at once and leaves no timer', async () => {
  const { clock, world } = setUp();
  await clock.run(async () => {
    const controller = new AbortController();
    const response = await post(world, { ...BODY, stream: true }, { signal: controller.signal });
    const reading = response.text();
    await clock.sleep(1000);
    const atUs = clock.nowUs();
    controller.abort(new Error('barge-in'));
    await assert.rejects(reading, /barge-in/);
    assert.equal(clock.nowUs(), atUs);
  });
  assert.equal(clock.sleeping(), 0);
});

test('whole answers, length limits, generation records and models', async () => {
  const { clock, world, client } = setUp();
  await clock.run(async () => {
    const whole = await client.chat.completions.create({ ...BODY, max_tokens: 5 });
    assert.equal(whole.choices[0]?.message.content, REPLY.slice(0, 20));
    assert.equal(whole.choices[0]?.finish_reason, 'length');
    const record = await world.fetch(`https://openrouter.ai/api/v1/generation?id=${whole.id}`, {
      headers: { authorization: 'Bearer k' },
    });
    assert.match(await record.text(), /"provider_name":"OpenAI".*"finish_reason":"length"/);
    const models = await client.models.list();
    assert.ok(models.data.some(({ id }) => id === 'google/gemini-2.5-flash'));
  });
});

test('errors in their JSON shape, before and in the stream', async () => {
  const { clock, world, client } = setUp({
    scenario: {
      title: 'errors',
      rules: [
        { route: 'llm', turns: [1], fault: { kind: 'status', status: 429, message: 'Rate limited', retryAfterS: 2 } },
        { route: 'llm', turns: [2], fault: { kind: 'error-chunk', afterChunks: 2 } },
      ],
    },
  });
  await clock.run(async () => {
    const denied = await post(world, BODY, { headers: {} });
    assert.equal(denied.status, 401);
    assert.match(await denied.text(), /^{"error":{"code":401,"message":"Missing Authentication header"/);
    assert.equal((await post(world, { model: 'x/y' })).status, 400);

    world.context.turnIndex = 1;
    const limited = await post(world, BODY);
    assert.deepEqual([limited.status, limited.headers.get('retry-after')], [429, '2']);

    world.context.turnIndex = 2;
    const texts: string[] = [];
    await assert.rejects(async () => {
      for await (const chunk of await client.chat.completions.create({ ...BODY, stream: true })) {
        texts.push(chunk.choices[0]?.delta.content ?? '');
      }
    }, /disconnected unexpectedly/);
    assert.equal(texts.length, 2, 'two deltas came before it');
  });
});

test('a profile says from which length on a prefix is cached; without it a short one is not', () => {
  const messages = [{ role: 'user' as const, content: 'x'.repeat(400) }];
  const twice = (minTokens?: number): number[] => {
    const cachedTokensOf = createPromptCache(minTokens);
    return [1, 2].map(() => cachedTokensOf('key', 'google/gemini-2.5-flash', messages));
  };
  assert.deepEqual(twice(1).map((tokens) => tokens > 0), [false, true]); // prettier-ignore
  assert.deepEqual(twice(), [0, 0]);
});

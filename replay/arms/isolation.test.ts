/**
 * Lanes of a replay are told apart by what no model reads: over real sockets each has keys of its own, and its prompts are the captured ones. The
 * LLM here is a server of the test, which keeps every request, caches prompts by their key, and says back the last line that it was told.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { text as textOf } from 'node:stream/consumers';
import { after, test } from 'node:test';
import { fieldOf, listIn, parsedJson, textIn } from '../../service/base/json.ts';
import { uploadSessions } from '../../testing/sessions.ts';
import type { ExperimentOptions } from '../plan/plan.ts';
import { planExperiment } from '../plan/plan.ts';
import { runExperiment, type Experiment } from '../run/experiment.ts';
import { createArm } from './arm.ts';
import { startWire } from './against.ts';

interface Asked {
  sessionId?: string;
  cacheKey?: string;
  system: string;
  body: string;
}

let asked: Asked[] = [];
/** Prompts by key: what was sent with it before. */
let told = new Map<string, string>();
/** The answer says what it cost. */
let saysUsage = true;

const llm = createServer((request, response) => {
  void textOf(request).then((body) => {
    const json = parsedJson(body);
    const system = textIn(listIn(json, 'messages')[0], 'content') ?? '';
    const [sessionId, cacheKey] = [textIn(json, 'session_id'), textIn(json, 'prompt_cache_key')];
    asked.push({ sessionId, cacheKey, system, body });
    const isKnown = told.get(cacheKey ?? '') === system;
    told.set(cacheKey ?? '', system);
    const event = (value: object): string => `data: ${JSON.stringify({ id: 'gen-1', model: 'm/m', ...value })}\n\n`;
    const choice = (content: string, finish: string | null): object => ({
      choices: [{ index: 0, delta: { content }, finish_reason: finish }],
    });
    const usage = {
      prompt_tokens: 100,
      completion_tokens: 9,
      prompt_tokens_details: { cached_tokens: isKnown ? 40 : 0 },
    };
    response.setHeader('content-type', 'text/event-stream');
    response.end(
      event(choice(system.split('\n').at(-1) ?? '', null)) +
        event(choice('', 'stop')) +
        (saysUsage ? event({ choices: [], usage }) : '') +
        'data: [DONE]\n\n',
    );
  });
});
await once(llm.listen(0, '127.0.0.1'), 'listening');
const wire = await startWire({ profile: 'zero', seed: '1', draws: 'common' });
after(async () => {
  llm.close();
  await wire.close();
});
const port = fieldOf(llm.address(), 'port');
const { access } = wire.against;
const against = {
  ...wire.against,
  access: { ...access, endpoints: { ...access.endpoints, openRouterUrl: `http://127.0.0.1:${String(port)}/api/v1` } },
};
const sessions = await uploadSessions({ sessions: 2, turns: 2 });
const options: ExperimentOptions = {
  sessions,
  candidates: [{ variant: 'clause', patches: [{ pipeline: { chunking: 'clause' } }] }],
  baseline: [],
  world: 'wire',
  profile: 'zero',
  seed: '1',
  draws: 'common',
  runs: 1,
  commit: 'test',
};
const ownWords = [{ variant: 'cooler', patches: [{ llm: { temperature: 0.1 } }] }];

async function replay(more: Partial<ExperimentOptions> = {}, usage = true): Promise<Experiment> {
  asked = [];
  told = new Map();
  saysUsage = usage;
  const armFor = (): ReturnType<typeof createArm> => createArm(against);
  return runExperiment({ ...options, against, armFor, withText: true, ...more });
}

const prompts = new Set(sessions.map(({ systemPrompt }) => systemPrompt));
const keys = (): string[] => [...new Set(asked.map(({ cacheKey = '' }) => cacheKey))];

test('each lane of a session has keys of its own, and no model reads them', async () => {
  const { replayed, reports } = await replay();
  assert.equal(asked.length, 2 * 2 * 3, 'two sessions of two turns in three lanes');
  assert.equal(keys().length, 2 * 3, 'one key a session and lane');
  for (const { sessionId, cacheKey, system, body } of asked) {
    assert.match(cacheKey ?? '', /^[0-9a-f]{16}$/);
    assert.equal(sessionId, cacheKey);
    assert.ok(prompts.has(system), 'the captured prompt to the letter');
    assert.equal(body.split(cacheKey ?? '').length, 3, 'the key stands in its two fields alone');
  }
  // a lane finds what it sent itself, and nothing of the others
  for (const { planned, summary } of replayed)
    assert.equal(summary.cachedPromptShare, planned.turnIndex === 0 ? 0 : 0.4, planned.lane);
  const cached = reports[0]?.report.guards.find(({ name }) => name === 'cached prompt');
  assert.deepEqual([cached?.state, cached?.value], ['holds', 0]);
});

test('a provider that says nothing of its cache leaves the figure and the guard out: absent is not 0', async () => {
  const { replayed, reports } = await replay({}, false);
  assert.ok(replayed.every(({ summary }) => summary.failure === undefined && !('cachedPromptShare' in summary)));
  assert.ok(!reports[0]?.report.guards.some(({ name }) => name === 'cached prompt'));
});

test('on request the key ends the system prompt of lanes on the captured words; no reply of a lane holds it', async () => {
  const { replayed } = await replay({ promptNonce: true });
  for (const { system, cacheKey = '' } of asked) {
    assert.ok(system.endsWith(`\n[${cacheKey}]`));
    assert.ok(prompts.has(system.slice(0, -`\n[${cacheKey}]`.length)), 'the captured prompt stands before it');
  }
  const said = replayed.map(({ text }) => text?.reply ?? '').join('\n');
  assert.ok(said.length > 100 && keys().every((key) => !said.includes(key)), 'the model said it, the lane did not');
});

test('a lane that is judged on its own words has no key in its prompt, flag or not; its captured-words lanes have', async () => {
  const { replayed } = await replay({ promptNonce: true, candidates: ownWords });
  const marked = asked.filter(({ system, cacheKey = '' }) => system.includes(cacheKey));
  assert.deepEqual([asked.length, marked.length], [2 * 2 * 5, 2 * 2 * 2]);
  const own = replayed.filter(({ planned }) => !planned.variant.endsWith('(captured words)'));
  assert.equal(own.length, 2 * 2 * 3);
  for (const { text } of own) {
    assert.ok(
      [...prompts].some((prompt) => prompt.endsWith(text?.reply ?? '!')),
      'control: the model is heard',
    );
    for (const key of keys()) assert.ok(!(text?.reply ?? '').includes(key));
  }
});

test('the flag is refused where no lane would take it', () => {
  for (const refused of [{ world: 'sim' }, { words: 'own' }] as const)
    assert.throws(
      () => planExperiment({ ...options, ...refused, promptNonce: true }),
      /--prompt-nonce is for lanes on/,
    );
  planExperiment({ ...options, promptNonce: true });
});

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { operatorPatch } from './prompt-file.ts';
import { promptOf } from './prompt-text.ts';
import { StrategySchema } from './schema.ts';
import { DEFAULT_STRATEGY, lacksPrompt, strategyDiff, strategyHash, withoutPromptText } from './strategy.ts';
import { resolveStrategy } from './patch.ts';
import { patchFromSet } from './set.ts';

test('the defaults satisfy the schema', () => {
  assert.deepEqual(resolveStrategy([], 'defaults'), DEFAULT_STRATEGY);
});

test('no text in a strategy is without a bound: it comes from clients, and goes into every trace', () => {
  const unbounded: string[] = [];
  const visit = (node: unknown, path: string): void => {
    if (typeof node !== 'object' || node === null) return;
    const { type, maxLength, pattern = '' } = node as { type?: unknown; maxLength?: number; pattern?: string };
    const isBounded =
      maxLength !== undefined || (pattern !== '' && !/[+*]|,\}/.test(pattern)) || 'const' in node || 'enum' in node;
    if (type === 'string' && !isBounded) unbounded.push(path);
    for (const [name, each] of Object.entries(node)) visit(each, `${path}/${name}`);
  };
  visit(StrategySchema, '');
  assert.deepEqual(unbounded, []);
  visit({ model: { type: 'string', pattern: '^a+$' } }, '');
  assert.deepEqual(unbounded, ['/model'], 'control');
});

test('patches merge knob by knob, later ones winning', () => {
  const strategy = resolveStrategy(
    [{ llm: { maxTokens: 300 } }, { llm: { maxTokens: 200 } }, { tts: { speed: 1.15 } }],
    'test',
  );
  assert.equal(strategy.llm.maxTokens, 200);
  assert.equal(strategy.llm.model, DEFAULT_STRATEGY.llm.model);
  assert.deepEqual(strategyDiff(DEFAULT_STRATEGY, strategy), [
    ['llm.maxTokens', 500, 200],
    ['tts.speed', 1, 1.15],
  ]);
});

test('keepAlive goes from an object to false and back', () => {
  const off = resolveStrategy([patchFromSet('network.keepAlive=false')], 'test');
  assert.equal(off.network.keepAlive, false);
  const on = resolveStrategy([{ network: { keepAlive: { idleMs: 60_000, drain: true } } }], 'test', off);
  assert.deepEqual(on.network.keepAlive, { idleMs: 60_000, drain: true });
});

const REFUSED: readonly [set: string, message: RegExp][] = [
  [
    'llm.modle=openai/gpt-4o-mini',
    /^InputError: --set llm.modle=.*: there is no knob "llm.modle" \(did you mean "model"\?\); knobs there: model, maxTokens/,
  ],
  ['lmm.model=x/y', /there is no knob "lmm" \(did you mean "llm"\?\); sections: client, stt, llm, tts, /],
  ['llm.maxTokens=many', /knob "llm.maxTokens" must be integer, not "many"/],
  ['llm.maxTokens=0', /knob "llm.maxTokens" must be >= 1, not 0/],
  ['pipeline.chunking=word', /knob "pipeline.chunking" must be one of sentence, clause, reply, not "word"/],
  [
    'stt.upload=half',
    /knob "stt.upload" must be "whole" or {"atPause":{"pauseMs":…}} or {"growing":{"chunkMs":…}}, not "half"/,
  ],
  ['stt.upload.growing.chunkMs=soon', /knob "stt.upload.growing.chunkMs" must be integer, not "soon"/],
  [
    'stt.upload.atPause.pauseMs=500',
    /--set: knob "stt.upload.atPause.pauseMs" must be shorter than "stt.vad.silenceMs"/,
  ],
  ['llm.route={"sort":"speed"}', /knob "llm.route/],
  ['llm.route={"sort":"latency","zdr":true}', /there is no knob "llm.route.zdr"; knobs there/],
  ['network.keepAlive={"idelMs":1}', /no knob "network.keepAlive.idelMs" \(did you mean "idleMs"\?\); knobs there/],
  ['llm.route={"only":["Groq"],"ignore":["Groq"]}', /both allows only and ignores "Groq"/],
  ['llm.systemPrompt={"file":"/no/such/prompt.txt"}', /knob "llm.systemPrompt.file": .*ENOENT/],
  ['llm.systemPrompt={"file":7}', /there is no knob "llm.systemPrompt.file"/],
  ['llm.seed=-1', /knob "llm.seed"/],
  ['pipeline.speculation=prefill', /cannot be prefill with google\/gemini-2.5-flash: no source says that it continues/],
  ['pipeline.prefetch=partial', /cannot be partial with "stt.upload" whole: there is no transcript before the end/],
  ['llm.hedge={"afterMs":500}', /would ask the same model again with nothing else changed; name another "model"/],
  ['llm.model=gpt', /knob "llm.model" must be: an OpenRouter model id, author\/slug, not "gpt"/],
];
for (const [set, message] of REFUSED) {
  test(`--set ${set} is refused by name`, () => {
    assert.throws(() => resolveStrategy([patchFromSet(set)], '--set'), message);
  });
}

/** As they come over HTTP, in a bundle, an import or from a worker. */
const FOREIGN: readonly [patch: string, message: RegExp][] = [
  [
    '{"llm":{"systemPrompt":{"file":"/no/such/prompt.txt"}}}',
    /^InputError: there: knob "llm.systemPrompt.file" is for the operator's command line and RETAKE_STRATEGY only; give the text itself as "llm.systemPrompt.text"$/,
  ],
  [`{"llm":{"systemPrompt":{"file":"/dev/zero","sha256":"${'0'.repeat(64)}"}}}`, /"llm.systemPrompt.file" is for/],
  ['{"llm":{"systemPrompt":{"file":7,"text":"Ask."}}}', /"llm.systemPrompt.file" is for the operator/],
  ['{"llm":{"systemPrompt":{"text":" "}}}', /knob "llm.systemPrompt.text" is empty/],
  [
    `{"llm":{"systemPrompt":{"text":"Ask.","sha256":"${'0'.repeat(64)}"}}}`,
    /another text than its sha256 and chars say/,
  ],
  ['{"llm":{"systemPrompt":{"text":"Ask.","chars":5}}}', /another text than its sha256 and chars say/],
  ['{"network":{"__proto__":{"region":"eu"}}}', /there is no knob "network.__proto__"/],
  ['{"__proto__":{"llm":{}}}', /there is no knob "__proto__"/],
];
for (const [patch, message] of FOREIGN) {
  test(`${patch} from elsewhere is refused by name`, () => {
    assert.throws(() => resolveStrategy([JSON.parse(patch)], 'there'), message);
  });
}

test('a part of a union is a patch by itself: the rest comes from the base; control: it is no strategy alone', () => {
  const part = patchFromSet('llm.hedge.afterMs=500');
  const base = resolveStrategy([patchFromSet('llm.hedge={"afterMs":900,"model":"openai/gpt-4o-mini"}')], 'base');
  assert.deepEqual(resolveStrategy([part], 'part', base).llm.hedge, { afterMs: 500, model: 'openai/gpt-4o-mini' });
  assert.throws(
    () => patchFromSet('llm.hedge.aftrMs=500', '--baseline-set'),
    /^InputError: --baseline-set .*llm\.hedge\.aftrMs/,
  );
});

test('an assignment without a value says how to write one', () => {
  assert.throws(() => patchFromSet('llm.model'), /expected knob=value/);
});

test('the hash does not depend on the order of keys, and does on every value', () => {
  const { client, ...others } = DEFAULT_STRATEGY;
  assert.equal(strategyHash({ ...others, client }), strategyHash(DEFAULT_STRATEGY));
  assert.notEqual(strategyHash(resolveStrategy([{ tts: { speed: 1.15 } }], 't')), strategyHash(DEFAULT_STRATEGY));
});

test(':nitro and a sort are two ways of one thing: refused together, each allowed alone', () => {
  const nitro = { llm: { model: 'google/gemini-2.5-flash:nitro' } };
  const sorted = { llm: { route: { sort: 'latency' } } };
  assert.throws(() => resolveStrategy([nitro, sorted], '--set'), /"llm.route.sort" cannot go with .* :nitro/);
  assert.equal(resolveStrategy([nitro], '--set').llm.model, nitro.llm.model);
  assert.deepEqual(resolveStrategy([sorted], '--set').llm.route, sorted.llm.route);
});

test("the operator's prompt file becomes its text, digest and length; any other prompt replaces all three", (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'retake-prompt-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const file = join(folder, 'prompt.txt');
  const text = 'Ask one question.\n';
  writeFileSync(file, text);
  const patch = operatorPatch({ llm: { systemPrompt: { file } } }, 'test');
  const strategy = resolveStrategy([patch, { llm: { maxTokens: 9 } }], 'test');
  const sha256 = createHash('sha256').update(text).digest('hex');
  assert.deepEqual(strategy.llm.systemPrompt, { sha256, chars: 17, text });
  assert.ok(!JSON.stringify(strategy).includes(folder));
  const other = resolveStrategy([{ llm: { systemPrompt: { text: 'Ask.' } } }], 'test', strategy);
  assert.deepEqual(other.llm.systemPrompt, promptOf('Ask.'));
  assert.equal(resolveStrategy([{ llm: { systemPrompt: 'captured' } }], 'test', strategy).llm.systemPrompt, 'captured');

  for (const [bytes, says] of [
    [Buffer.from([0x41, 0xff]), /prompt.txt is not UTF-8 text; save it as UTF-8/],
    [Buffer.from(' \n'), /prompt.txt is empty; write/],
    [Buffer.alloc(256_001, 'a'), /has 256,001 bytes; a prompt file has at most 256,000/],
  ] as const) {
    writeFileSync(file, bytes);
    assert.throws(() => operatorPatch({ llm: { systemPrompt: { file } } }, 'here'), says);
  }
  assert.throws(() => operatorPatch({ llm: { systemPrompt: { file: folder } } }, 'here'), /^InputError: here: knob/);
});

test('hash and report name a prompt by its digest; without its text it lacks outside of virtual time', () => {
  const whole = resolveStrategy([{ llm: { systemPrompt: { text: 'Ask.' } } }], 'test');
  const { sha256, chars } = promptOf('Ask.');
  const timing = resolveStrategy([{ llm: { systemPrompt: { sha256, chars } } }], 'test');
  const early = resolveStrategy([{ llm: { systemPrompt: { sha256 } } }], 'test');
  assert.equal(new Set([whole, timing, early].map(strategyHash)).size, 1);
  assert.notEqual(
    strategyHash(whole),
    strategyHash(resolveStrategy([{ llm: { systemPrompt: { text: 'Ask' } } }], 'test')),
  );
  assert.ok(!JSON.stringify(withoutPromptText(whole)).includes('Ask.'));
  const lacking = [DEFAULT_STRATEGY, whole, timing, early].map((strategy) =>
    (['live', 'wire', 'sim'] as const).filter((world) => lacksPrompt(strategy, world) !== undefined),
  );
  assert.deepEqual(lacking, [[], [], ['live', 'wire'], ['live', 'wire', 'sim']]);
});

test('HTTP/2 without keep-alive is a contradiction, refused with its reason; each alone is fine', () => {
  const both = { network: { http2: true, keepAlive: false } };
  assert.throws(() => resolveStrategy([both], 'test'), /"network.http2" cannot go with "network.keepAlive" false/);
  resolveStrategy([{ network: { http2: true } }, { network: { preconnect: true } }], 'test');
  resolveStrategy([{ network: { keepAlive: false, preconnect: true } }], 'test');
});

test('a knob that a model cannot serve is refused with model and reason, and admitted with another model', () => {
  const llama = { llm: { model: 'meta-llama/llama-3.1-8b-instruct' } };
  const prompt = { pipeline: { prefetch: 'prompt' } };
  assert.throws(
    () => resolveStrategy([llama, prompt], 't'),
    /cannot be prompt with meta-llama.*caches prompts unasked/,
  );
  assert.equal(resolveStrategy([prompt], 't').pipeline.prefetch, 'prompt');
  const prefill = { pipeline: { speculation: 'prefill' } };
  assert.equal(resolveStrategy([llama, prefill], 't').pipeline.speculation, 'prefill');
  const hedged = { llm: { ...llama.llm, hedge: { afterMs: 1, model: 'openai/gpt-4o-mini' } } };
  assert.throws(() => resolveStrategy([hedged, prefill], 't'), /"llm.hedge.model" must continue the opener/);
});

test('a value nested without end is refused in one line', () => {
  const deep: unknown = JSON.parse('['.repeat(20_000) + ']'.repeat(20_000));
  for (const patch of [{ llm: deep }, { llm: { temperature: deep } }, { tts: { method: deep } }, { x: deep }]) {
    assert.throws(() => resolveStrategy([patch], 'x'), { name: 'InputError', message: /^x: .{10,400}$/ });
  }
});

test('a list of thousands of values is refused before its items are compared; control: a long list of models is read', () => {
  const began = performance.now();
  for (const prefetch of [Array.from({ length: 100_000 }, (_, index) => index), new Array(50_000).fill('connect')])
    assert.throws(
      () => resolveStrategy([{ pipeline: { prefetch } }], 'there'),
      /^InputError: there: a strategy of over 2000 values; set only knobs that differ$/,
    );
  assert.ok(performance.now() - began < 5000, 'comparing every two of them takes minutes');
  assert.throws(
    () => resolveStrategy([{ pipeline: { prefetch: ['connect', 'connect', 'connect', 'connect'] } }], 'there'),
    /knob "pipeline\.prefetch"/,
  );
});

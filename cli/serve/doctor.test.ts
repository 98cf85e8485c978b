/** The doctor against the stand-ins, over real sockets: every provider answers, and what is wrong is said in one line. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { CommandContext } from '../../replay/report/context.ts';
import { contextFor } from '../../testing/command-context.ts';
import { doctor } from './doctor.ts';

async function run(
  env: CommandContext['env'],
  options: { world: 'wire' | 'live'; json?: boolean },
): Promise<{ lines: string[]; code: number | undefined }> {
  const lines: string[] = [];
  let code: number | undefined;
  const context = contextFor({ env, out: (text) => void lines.push(text), exit: (value) => void (code = value) });
  await doctor(context, options);
  return { lines, code };
}
const data = (): string => mkdtempSync(join(tmpdir(), 'retake-doctor-'));

test('wire: one call per provider, with time, served model, region and price', async () => {
  const { lines, code } = await run({ RETAKE_DATA: data() }, { world: 'wire' });
  assert.equal(code, undefined, lines.join('\n'));
  const line = (name: string): string =>
    lines.find((each) => each.startsWith(`✓ ${name}`)) ?? assert.fail(lines.join('\n'));
  assert.match(line('stt'), /\d+ ms · \d+ characters · region not told · unpriced: 2 s of audio/);
  assert.match(
    line('llm'),
    /first after \d+ ms · .*tokens; asked for google\/gemini-2\.5-flash · served google\/gemini-2\.5-flash/,
  );
  assert.match(line('tts'), /first after \d+ ms · \d+ ms of audio · .* · unpriced: 22 characters/);
});

test('live without keys: says which, calls nobody, exits 2', async () => {
  const { lines, code } = await run({ RETAKE_DATA: data(), FAL_KEY: 'x' }, { world: 'live', json: true });
  assert.equal(code, 2);
  const { checks }: { checks: { name: string; ok: boolean; detail: string }[] } = JSON.parse(lines.join('\n'));
  assert.deepEqual(
    checks.filter(({ ok }) => !ok).map(({ name }) => name),
    ['keys', 'configuration'],
  );
  assert.match(checks.find(({ name }) => name === 'keys')?.detail ?? '', /^OPENROUTER_API_KEY not set/);
});

test('a provider that refuses is one line each, the key in none of them', async () => {
  const env = {
    RETAKE_DATA: data(),
    FAL_KEY: 'secret-key-1',
    OPENROUTER_API_KEY: 'secret-key-2',
    RETAKE_FAL_RUN_URL: 'http://127.0.0.1:9',
    RETAKE_OPENROUTER_URL: 'http://127.0.0.1:9/api/v1',
  };
  const { lines, code } = await run(env, { world: 'live' });
  assert.equal(code, 2);
  assert.equal(lines.filter((line) => /^✗ (stt|llm|tts)/.test(line)).length, 3, lines.join('\n'));
  assert.ok(!lines.join('\n').includes('secret-key'));
});

test('an empty answer is a failure with a next step; tokens that nobody told are unknown, not 0', async (t) => {
  let reply = '';
  const events = (...data: string[]): string => data.map((each) => `data: ${each}\n\n`).join('');
  const server = createServer((request, response) => {
    request.resume();
    const url = request.url ?? '';
    if (url.endsWith('/audio/transcriptions')) {
      response.setHeader('content-type', 'application/json').end(JSON.stringify({ text: reply }));
      return;
    }
    response.setHeader('content-type', 'text/event-stream');
    const choice = (content: string, finish_reason: string | null): string =>
      JSON.stringify({ model: 'a/b', choices: [{ index: 0, delta: { content }, finish_reason }] });
    if (url.endsWith('/chat/completions')) response.end(events(choice(reply, null), choice('', 'stop'), '[DONE]'));
    else response.end(events(...(reply === '' ? [] : [JSON.stringify({ audio: 'AAAA' })]), '{"done":true}'));
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  t.after(() => server.close());
  const address = server.address();
  const origin = `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`;
  const env = {
    RETAKE_DATA: data(),
    FAL_KEY: 'x',
    OPENROUTER_API_KEY: 'x',
    RETAKE_FAL_RUN_URL: origin,
    RETAKE_OPENROUTER_URL: `${origin}/api/v1`,
  };
  const empty = await run(env, { world: 'live' });
  assert.equal(empty.code, 2);
  for (const line of [
    /^✗ stt .*the answer has no text for 2 s of speech; check FAL_KEY, RETAKE_FAL_RUN_URL/,
    /^✗ llm .*the answer of google\/gemini-2\.5-flash has no text; check OPENROUTER_API_KEY, RETAKE_OPENROUTER_URL/,
    /^✗ tts .*the answer has no audio; check FAL_KEY, RETAKE_FAL_RUN_URL/,
  ])
    assert.ok(
      empty.lines.some((each) => line.test(each)),
      `${line} in ${empty.lines.join('\n')}`,
    );

  reply = 'Hello.';
  const full = await run(env, { world: 'live' });
  assert.equal(full.code, undefined, full.lines.join('\n'));
  const llm = full.lines.find((each) => each.startsWith('✓ llm')) ?? '';
  assert.match(llm, /6 characters, tokens not told; .* · unpriced: tokens not told/);
  assert.ok(!llm.includes('0 + 0'));
});

test('a data folder that cannot be written is one line, and exit code 2', async () => {
  const file = join(data(), 'file');
  writeFileSync(file, '');
  const { lines, code } = await run({ RETAKE_DATA: join(file, 'x') }, { world: 'live', json: false });
  assert.equal(code, 2);
  assert.match(lines.join('\n'), /✗ data folder .*cannot be written; set RETAKE_DATA/);
});

/** From the service in `wire` by its spool, the real Collector and Jaeger, back through /api/v3: no span is changed or lost. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { loadTurns } from '../../replay/traces/load.ts';
import { folderOf, retake, sentToJaeger, startRetake, startStack, until } from './harness.ts';
import { uploadTurns } from './talkers.ts';
import { asJaegerKeeps, exportedSpans, jaegerSpans, spooledSpans, traceIdsOf } from './spans.ts';

const SESSIONS = 50;
const TURNS_EACH = 10;
const PROMPT = 'canary-prompt: ask about the deployment that went wrong';

test('500 turns under 50 concurrent sessions come back as they were spooled', async (context) => {
  const folder = folderOf(context);
  const stack = await startStack(context, folder);
  const service = await startRetake(context, { dataFolder: folder, otlp: stack.collector.urls.otlp });
  const session = { systemPrompt: PROMPT };
  const turns = await uploadTurns({
    ...service,
    sessions: SESSIONS,
    turnsEach: TURNS_EACH,
    concurrent: SESSIONS,
    session,
  });
  assert.equal(turns.length, SESSIONS * TURNS_EACH);
  const spooled = spooledSpans(folder);
  assert.equal(traceIdsOf(spooled.keys()).size, SESSIONS * TURNS_EACH);
  await until(async () => (await sentToJaeger(stack)) >= spooled.size, 'in Jaeger');
  const read = await jaegerSpans(stack.jaeger.urls.ui);
  assert.deepEqual(new Set(read.keys()), new Set(spooled.keys()));
  for (const [key, span] of spooled) assert.deepEqual(read.get(key), asJaegerKeeps(span, read.get(key)));
  const exported = await exportedSpans(stack.collector.urls.file);
  const twice = [...exported.values()].filter((times) => times !== 1);
  assert.deepEqual(twice, [], 'nothing came twice');

  await context.test('what was said is in no trace', () => {
    const said = turns.flatMap(({ text }) =>
      [...text.matchAll(/"text":"([^"]{12,})"/g)].map(([, words = '']) => words),
    );
    assert.ok(said.length > turns.length, 'control: transcripts and pieces were heard');
    const traces = readFileSync(stack.collector.urls.file, 'utf8');
    const found = [...new Set([...said, PROMPT])].filter((words) => traces.includes(words));
    assert.deepEqual(found, []);
  });

  await context.test('sessions pull and diff read the same ledgers as the local log', async () => {
    const source = `jaeger:${stack.jaeger.urls.ui}?service=retake&from=1h`;
    const pulled = join(folder, 'pulled');
    const { code, out, err } = await retake(['sessions', 'pull', source, '-o', pulled, '--json']);
    assert.equal(code, 0, err);
    assert.equal((JSON.parse(out) as { traces: number }).traces, turns.length);
    const local = new Map<string, unknown>();
    for (const { traceId } of turns) {
      const turn = (await (await fetch(`${service.url}/v1/turns/${traceId}`)).json()) as { summary: object };
      local.set(traceId, turn.summary);
    }
    for (const path of [pulled, source]) {
      const read = await loadTurns(path);
      assert.equal(read.turns.length, turns.length);
      for (const { summary } of read.turns) assert.deepEqual(summary, local.get(summary.traceId));
    }
    const diff = await retake(['diff', source, pulled, '--json']);
    const { primary, basis } = JSON.parse(diff.out) as { primary: { deltaMs: number }; basis: string };
    assert.deepEqual({ deltaMs: primary.deltaMs, basis }, { deltaMs: 0, basis: 'predicted' });
    const none = await retake(['sessions', 'pull', `${source}&tag=session.id=nobody`, '-o', join(folder, 'none')]);
    assert.equal(none.code, 2, 'control: no session has that name');
  });
});

/** A captured turn and its replay in Jaeger have the same span paths and a link between them; no link is dead. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { CONFIGS } from '../../scripts/infra/run.ts';
import { FIXTURE, folderOf, retake, startRetake, startStack, until, type Stack } from './harness.ts';
import { jaegerSpans, pathsOf, type StoredSpan } from './spans.ts';

const RUN_ID = 'integration-run';
const RETAKE_URL = 'http://127.0.0.1:8080';
const OTHER_MODEL = 'google/gemini-2.0-flash-001';

test('captured and replayed turns compare in Jaeger, and every link leads somewhere', async (context) => {
  const folder = folderOf(context);
  const stack = await startStack(context, folder);
  const service = await startRetake(context, { dataFolder: folder, otlp: stack.collector.urls.otlp, profile: 'seed' });
  const words = ['send', FIXTURE, '--url', service.url, '--interview', 'en-frontend', '--language', 'en', '--json'];
  const sent = await Promise.all([retake(words), retake(words), retake(words)]);
  assert.deepEqual(
    sent.map(({ code, err }) => [code, code === 0 ? '' : err]),
    sent.map(() => [0, '']),
  );
  await until(async () => (await turnsIn(stack)).length === sent.length, 'captured turns in Jaeger');

  const run = join(folder, 'run');
  const env = { OTEL_EXPORTER_OTLP_ENDPOINT: stack.collector.urls.otlp, RETAKE_JAEGER_UI: stack.jaeger.urls.ui };
  const replay = ['replay', '--data', folder, '--set', `llm.model=${OTHER_MODEL}`, '--world', 'sim', '-o', run];
  const unnamed = await retake(replay, env);
  assert.equal(unnamed.code, 2, 'control: a sim run is exported under a name only');
  const replayed = await retake([...replay, '--run-id', RUN_ID], env);
  assert.equal(replayed.code, 0, replayed.err);
  // three lanes and the capture
  await until(async () => (await turnsIn(stack)).length === 4 * sent.length, 'replayed turns in Jaeger');

  const turns = await turnsIn(stack);
  const spans = Map.groupBy((await allSpans(stack)).values(), ({ traceId }) => traceId);
  const lane = ({ attributes }: StoredSpan): string | undefined => attributes['retake.lane']?.replace('string:', '');
  const captured = turns.filter((turn) => lane(turn) === 'captured');
  const candidates = turns.filter((turn) => lane(turn) === 'candidate');
  assert.deepEqual([captured.length, candidates.length], [sent.length, sent.length]);
  for (const candidate of candidates) {
    assert.equal(candidate.attributes['retake.model.requested'], `string:${OTHER_MODEL}`);
    assert.deepEqual(candidate.links, [], 'a link on the root would cost the critical path');
    const response = spans.get(candidate.traceId)?.find(({ name }) => name === 'response');
    const original = captured.find(({ traceId, spanId }) => response?.links.includes(`${traceId}/${spanId}`));
    assert.ok(original !== undefined, 'the replayed turn links to the span of the captured one');
    assert.equal(candidate.attributes['retake.captured.trace_id'], `string:${original.traceId}`);
    const [replayedPaths, capturedPaths] = [candidate, original].map(({ traceId }) =>
      // when our own process stood still is told of the run that was live only
      pathsOf((spans.get(traceId) ?? []).filter(({ name }) => name !== 'blocked')),
    );
    assert.deepEqual(replayedPaths, capturedPaths);
  }

  await context.test('the search for slow responses finds those above the target', async () => {
    const isSlow = ({ attributes }: StoredSpan): boolean =>
      Number(attributes['retake.e2e_us']?.replace('int:', '')) > 1_400_000;
    const query = `service=retake&operation=turn&limit=100&start=1&end=4102444800000000`;
    const tags = encodeURIComponent('{"retake.slow.response":"true"}');
    const answer = await fetch(`${stack.jaeger.urls.ui}/api/traces?${query}&tags=${tags}`);
    const { data } = (await answer.json()) as { data: { traceID: string }[] };
    const slow = turns.filter(isSlow).map(({ traceId }) => traceId);
    assert.ok(slow.length > 0, 'control: today is slow');
    assert.deepEqual(data.map(({ traceID }) => traceID).sort(), slow.sort());
  });

  await context.test('links of the report', async () => {
    const { out } = await retake(['report', run, '--format', 'markdown'], env);
    const links = [...out.matchAll(/\]\((http[^)]+)\)/g)].map(([, url = '']) => url);
    const compared = links.flatMap((url) => [...url.matchAll(/([0-9a-f]{32})\.\.\.([0-9a-f]{32})/g)]);
    assert.ok(compared.length >= 3 * sent.length, `${links.length} links`);
    const originals = new Set(captured.map(({ traceId }) => traceId));
    assert.ok(
      compared.some(([, left = '']) => originals.has(left)),
      'captured...replayed is among them',
    );
    for (const url of links) assert.equal((await fetch(url)).status, 200, url);
    for (const [, ...ids] of compared) {
      for (const id of ids) assert.equal((await fetch(`${stack.jaeger.urls.ui}/api/v3/traces/${id}`)).status, 200);
    }
  });

  await context.test('links of the UI, from every turn span; in Retake also after a restart', async () => {
    const { linkPatterns } = JSON.parse(readFileSync(CONFIGS.ui, 'utf8')) as {
      linkPatterns: { type: string; key: string; url: string }[];
    };
    await service.stop();
    const again = await startRetake(context, { dataFolder: folder, otlp: stack.collector.urls.otlp, profile: 'seed' });
    const follow = async (url: string): Promise<Response> =>
      fetch(url.startsWith('/') ? stack.jaeger.urls.ui + url : url.replace(RETAKE_URL, again.url));
    for (const turn of turns) {
      const values = { ...turn.attributes, traceID: turn.traceId, 'trace.traceID': turn.traceId };
      for (const { key, url, type } of linkPatterns) {
        const isThere = type === 'traces' || key in turn.attributes;
        // only a replayed turn has another to be compared with
        assert.equal(isThere, key !== 'retake.captured.trace_id' || lane(turn) !== 'captured', `${key} on the turn`);
        if (!isThere) continue;
        const filled = url.replace(/#\{([^}]+)\}/g, (_, name: string) =>
          encodeURIComponent(String(Reflect.get(values, name)).replace(/^\w+:/, '')),
        );
        assert.doesNotMatch(filled, /undefined/);
        const answer = await follow(filled);
        assert.equal(answer.status, 200, `${filled}: ${await answer.text()}`);
      }
    }
    const search =
      linkPatterns.find(({ key }) => key === 'retake.run.id')?.url.replace('#{retake.run.id}', RUN_ID) ?? '';
    const found = (await (await follow(search.replace('/search?', '/api/traces?'))).json()) as { data: unknown[] };
    assert.equal(found.data.length, 3 * sent.length, 'what the search page asks for');
    const dead = await follow(`${RETAKE_URL}/v1/sessions/nobody`);
    assert.equal(dead.status, 404, 'control: a link to nothing is seen');
  });
});

async function turnsIn(stack: Stack): Promise<StoredSpan[]> {
  return [...(await allSpans(stack)).values()].filter(({ name }) => name === 'turn');
}

/** Simulated turns have simulated dates, so the query asks for all of time. */
function allSpans(stack: Stack): Promise<Map<string, StoredSpan>> {
  return jaegerSpans(stack.jaeger.urls.ui, { fromUs: 0 });
}

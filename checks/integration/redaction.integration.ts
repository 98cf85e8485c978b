/** The Collector drops content under unknown keys and secrets under known ones. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import test from 'node:test';
import { folderOf, startStack, until } from './harness.ts';
import { MADE_FROM_US, madeTrace, send, madeSpans, type MadeSpan } from './made-traces.ts';
import { exportedSpans, jaegerSpans } from './spans.ts';

const CONTENT = 'canary-of-content-4711';
const SECRETS = [
  'Bearer canary-secret-0123456789',
  'sk-or-v1-canarycanarycanary',
  'Key 0a1b2c3d-0000-4000-8000-000000000000:canary0123456789abcdef',
];
const CANARY = /canary/i;

test('canaries in every attribute: unknown keys go, known ones keep their place without the secret', async (context) => {
  const folder = folderOf(context);
  const stack = await startStack(context, folder);
  const trace = madeTrace(1);
  const before = madeSpans(trace).map((span) => span.attributes.map(({ key }) => key));
  let planted = 0;
  const plant = (attributes: MadeSpan['attributes']): void => {
    for (const attribute of attributes) {
      // the query needs these to find the trace
      if (attribute.key === 'service.name' || !('stringValue' in attribute.value)) continue;
      attribute.value = { stringValue: `x ${SECRETS[planted++ % SECRETS.length]} y` };
    }
    for (const key of ['gen_ai.input.messages', 'gen_ai.output.messages', 'transcript', 'input', 'authorization']) {
      attributes.push({ key, value: { stringValue: CONTENT } });
      attributes.push({ key: `${key}.list`, value: { arrayValue: { values: [{ stringValue: CONTENT }] } } });
      attributes.push({
        key: `${key}.map`,
        value: { kvlistValue: { values: [{ key: CONTENT, value: { stringValue: CONTENT } }] } },
      });
      attributes.push({ key: `${CONTENT}.${key}`, value: { intValue: '1' } });
      planted += 4;
    }
  };
  for (const { resource, scopeSpans } of trace.resourceSpans) {
    plant(resource.attributes);
    for (const { scope, spans } of scopeSpans) {
      plant((scope.attributes = []));
      for (const span of spans) {
        plant(span.attributes);
        const event = { name: 'exception', timeUnixNano: span['startTimeUnixNano'], attributes: [] };
        span['events'] = [event];
        plant(event.attributes);
        span.status = { code: 2, message: `refused: ${SECRETS.join(' ')}` };
      }
    }
  }
  assert.ok(planted > 500, `${planted} canaries`);
  assert.match(JSON.stringify(trace), CANARY, 'control: they are in what is sent');
  await send(stack.collector.urls.otlp, [trace]);
  const window = { fromUs: MADE_FROM_US, toUs: MADE_FROM_US + 60e6 };
  await until(async () => (await jaegerSpans(stack.jaeger.urls.ui, window)).size > 0, 'in Jaeger');
  const spans = [...(await jaegerSpans(stack.jaeger.urls.ui, window)).values()];
  await until(async () => (await exportedSpans(stack.collector.urls.file)).size > 0, 'in the file export');
  assert.doesNotMatch(readFileSync(stack.collector.urls.file, 'utf8'), CANARY);
  assert.doesNotMatch(JSON.stringify(spans), CANARY);
  assert.doesNotMatch(readFileSync(stack.collector.logPath, 'utf8'), CANARY);
  const query = `service=retake&limit=10&start=${MADE_FROM_US - 1}&end=${MADE_FROM_US + 60e6}`;
  const stored = await (await fetch(`${stack.jaeger.urls.ui}/api/traces?${query}`)).text();
  assert.match(stored, /retake\.turn\.index/);
  assert.doesNotMatch(stored, CANARY);
  // known keys are all still there
  const after = spans.map(({ attributes }) => Object.keys(attributes).filter((key) => !key.startsWith('@jaeger')));
  assert.deepEqual(after.flat().sort(), before.flat().sort());
});

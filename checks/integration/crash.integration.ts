/** SIGKILL loses the traces that the Collector's sampler held and nothing else; the spool brings them back. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { folderOf, retake, startRetake, startStack, until, type Stack } from './harness.ts';
import { uploadTurns, openSession, uploadTurn } from './talkers.ts';
import { exportedSpans, jaegerSpans, spooledSpans, traceIdsOf, type StoredSpan } from './spans.ts';

const ROOT_WAIT_S = 3;
/** The sampler looks at its traces once a second. */
const TICK_S = 1;

test('a killed Collector loses what its sampler held; spool resend brings it back; a killed Jaeger loses nothing', async (context) => {
  const folder = folderOf(context);
  const stack = await startStack(context, folder, { COLLECTOR_ROOT_WAIT: `${ROOT_WAIT_S}s` });
  const service = await startRetake(context, { dataFolder: folder, otlp: stack.collector.urls.otlp });
  const talk = (): Promise<unknown> => uploadTurns({ ...service, sessions: 20, turnsEach: 6, concurrent: 4 });

  const talking = talk();
  await sleep(ROOT_WAIT_S * 1000 + 1500);
  await stack.collector.stop('SIGKILL');
  const killedUs = Date.now() * 1000;
  await stack.collector.start();
  await talking;
  await settled(stack, folder);
  const spooled = spooledSpans(folder);
  const missing = await missingIn(stack, spooled);
  const held = traceIdsOf(
    [...spooled].flatMap(([key, span]) => {
      // an upload's turn begins when it arrives and is exported well within a second; its end is when the reply is played
      const beforeUs = killedUs - Number(BigInt(span.start) / 1000n);
      return span.name === 'turn' && beforeUs > 0 && beforeUs < (ROOT_WAIT_S + TICK_S + 1) * 1e6 ? [key] : [];
    }),
  );
  const turns = traceIdsOf(spooled.keys()).size;
  context.diagnostic(`killed Collector: ${missing.size} of ${turns} traces missing, ${held.size} were within its wait`);
  assert.ok(missing.size > 0, 'control: a kill does cost something here');
  assert.deepEqual(
    [...missing].filter((traceId) => !held.has(traceId)),
    [],
  );

  const resend = await retake([
    'spool',
    'resend',
    '--since',
    '10m',
    '--data',
    folder,
    '--endpoint',
    stack.collector.urls.otlp,
  ]);
  assert.equal(resend.code, 0, resend.err);
  context.diagnostic(resend.out.trim());
  await until(async () => (await missingIn(stack, spooled)).size === 0, 'what was missing is there');

  const again = talk();
  await sleep(1500);
  await stack.jaeger.stop('SIGKILL');
  await sleep(2000);
  await stack.jaeger.start();
  await again;
  const all = spooledSpans(folder);
  await until(async () => (await missingIn(stack, all)).size === 0, 'a killed Jaeger has lost nothing');
});

test('with everything down the service ends in less than 2 s, and its next start sends what was left', async (context) => {
  const folder = folderOf(context);
  const stack = await startStack(context, folder);
  await stack.collector.stop();
  await stack.jaeger.stop();
  const service = await startRetake(context, { dataFolder: folder, otlp: stack.collector.urls.otlp });
  await uploadTurns({ ...service, sessions: 3, turnsEach: 3, concurrent: 3 });
  // one more turn is running when the signal comes
  const last = uploadTurn(service.url, await openSession(service.url)).catch(() => undefined);
  const tookMs = await service.stop();
  await last;
  context.diagnostic(`exit took ${tookMs.toFixed(0)} ms`);
  assert.ok(tookMs < 2000, `${tookMs} ms`);
  const spooled = spooledSpans(folder);
  assert.ok(traceIdsOf(spooled.keys()).size >= 9);
  await stack.jaeger.start();
  await stack.collector.start();
  assert.equal((await exportedSpans(stack.collector.urls.file)).size, 0, 'control: nothing had left');
  await startRetake(context, { dataFolder: folder, otlp: stack.collector.urls.otlp });
  await until(async () => (await missingIn(stack, spooled)).size === 0, 'sent by the next process');
});

/** Ids of the traces that lack a span in Jaeger. */
async function missingIn(stack: Stack, spooled: ReadonlyMap<string, StoredSpan>): Promise<Set<string>> {
  const read = await jaegerSpans(stack.jaeger.urls.ui);
  return traceIdsOf([...spooled.keys()].filter((key) => !read.has(key)));
}

/** Waits until the Collector has everything, and its sampler and its queue have run. */
async function settled(stack: Stack, folder: string): Promise<void> {
  const spooled = spooledSpans(folder);
  await until(async () => {
    const exported = await exportedSpans(stack.collector.urls.file);
    return [...spooled.keys()].filter((key) => !exported.has(key)).length === 0;
  }, 'at the Collector');
  await sleep((ROOT_WAIT_S + TICK_S + 1) * 1000);
}

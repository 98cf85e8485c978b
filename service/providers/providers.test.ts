/** What each way of calling a provider costs, in virtual time: every figure can be added up on paper. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { flatProfile, tones, turnByHand } from '../../sim/by-hand.ts';
import { ledgerOf } from '../ledger.ts';
import { zeroUsOf } from '../metrics.ts';
import type { EventKind, TurnLog } from '../ports.ts';
import type { StrategyPatch } from '../strategy.ts';

const said = tones(6000, [[200, 1200]]);
const OTHER = { queueSubmitMs: 20, queueStatusMs: 10, cdnMs: 30, storageMs: 15 };
const profile = flatProfile({ stt: 100, llm: 100, tts: 400, other: OTHER });
const run = (patch: StrategyPatch) => turnByHand({ profile, tones: said, patch });
/** `tts.start` → first audio of the first piece, in ms. */
const ttfbMs = (log: TurnLog): number => (first(log, 'tts.audio') - first(log, 'tts.start')) / 1000;
const first = (log: TurnLog, kind: EventKind): number => log.events.find((event) => event.kind === kind)!.atUs;
const stepsOf = (log: TurnLog, exchange: string): string[] =>
  log.events.flatMap(({ kind, exchange: id, attrs }) =>
    kind === 'http.start' && id?.startsWith(`${exchange}.`) ? [String(attrs?.['step'] ?? 'call')] : [],
  );

test('generate: submit, polls until done, result, download; the pause between polls is the wait `poll`', async () => {
  const stream = await run({ tts: { method: 'stream' } });
  assert.equal(ttfbMs(stream.log), 400);
  // submitted at 20; asked at 20 (answered 30), 530 (answered 540: done at 420); result 550; download 580
  const slow = await run({ tts: { method: 'generate' } });
  assert.equal(slow.summary.failure, undefined);
  assert.equal(ttfbMs(slow.log), 20 + 10 + 500 + 10 + 10 + 30);
  assert.deepEqual(stepsOf(slow.log, 'tts.0.0'), [
    'queue.submit',
    'queue.poll',
    'queue.poll',
    'queue.result',
    'cdn.get',
  ]);
  // asked at 20, 130, 240, 350, 460
  const quick = await run({ tts: { method: 'generate', queue: { pollMs: 100 } } });
  assert.equal(ttfbMs(quick.log), 20 + 4 * 110 + 10 + 10 + 30);
  assert.equal(slow.summary.e2eUs! - quick.summary.e2eUs!, 70_000);
  const { parts } = ledgerOf(quick.log.events, zeroUsOf(quick.log))!;
  const polled = parts.filter(({ phase }) => phase === 'poll').map(({ fromUs, toUs }) => toUs - fromUs);
  assert.deepEqual(polled, [100_000, 100_000, 100_000, 100_000]);
  assert.deepEqual(
    stream.log.events.find((event) => event.kind === 'tts.done')?.attrs?.['bytes'],
    quick.log.events.find((event) => event.kind === 'tts.done')?.attrs?.['bytes'],
  );
});

test('generate: the stream of states tells at once what polls find late', async () => {
  const followed = await run({ tts: { method: 'generate', queue: { status: 'stream' } } });
  // done at 420, told at 420; result 430; download 460
  assert.equal(ttfbMs(followed.log), 20 + 400 + 10 + 30);
  assert.deepEqual(stepsOf(followed.log, 'tts.0.0'), ['queue.submit', 'queue.poll', 'queue.result', 'cdn.get']);
});

test('stt.method generate: two storage requests more', async () => {
  const direct = await run({});
  const stored = await run({ stt: { method: 'generate' } });
  assert.deepEqual(stepsOf(stored.log, 'stt.0.0'), ['storage.initiate', 'storage.put', 'call']);
  assert.equal(stored.summary.e2eUs! - direct.summary.e2eUs!, 2 * 15_000);
  assert.equal(stored.transcript, direct.transcript);
});

test('sse parser: the same events as the SDKs, at the same times, and the same words and audio', async () => {
  const shape = (log: TurnLog): unknown[] =>
    log.events.map(({ kind, atUs, exchange, content }) => [kind, atUs, exchange, content]);
  const sdk = await run({});
  const parser = await run({ llm: { sse: 'parser' }, tts: { sse: 'parser' } });
  assert.deepEqual(shape(parser.log), shape(sdk.log));
  const done = (log: TurnLog): unknown => log.events.find((event) => event.kind === 'llm.done')?.attrs?.['comments'];
  assert.deepEqual([done(sdk.log), typeof done(parser.log)], [undefined, 'number']);
});

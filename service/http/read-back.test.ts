/** Reading back is bounded: what it opens, how much it searches, how many do so at once. */
import assert from 'node:assert/strict';
import { appendFileSync, cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { instantPorts } from '../../bench/programs/workload.ts';
import { testService } from '../../testing/service.ts';
import { createRealClock } from '../base/clock.ts';
import { filesIn, type CaptureStore, type SessionFiles } from '../capture/store.ts';
import { ProblemError } from './problem.ts';
import { createReadBack, type ReadBack } from './read-back.ts';
import type { Registry } from './registry.ts';

const ID = '8a06638042f98f48e9ce';
const BUNDLE = fileURLToPath(new URL(`../../fixtures/sessions/format-1/${ID}`, import.meta.url));
const NO_SESSIONS = { find: () => undefined, erase: () => Promise.resolve(true) } as unknown as Registry;

/** Of one captured session, whose files are `files`. */
function readBackOf(files: SessionFiles): ReadBack {
  const store = { find: () => Promise.resolve(files) } as unknown as CaptureStore;
  return createReadBack(NO_SESSIONS, store);
}

test('a page and a turn open no audio', async () => {
  const opened: string[] = [];
  const files = filesIn(BUNDLE);
  const readBack = readBackOf({ ...files, read: (name) => (opened.push(name), files.read(name)) });
  const { turns } = await readBack.session(ID);
  assert.equal(turns.length, 1);
  for (const { turnIndex, e2eUs } of turns) {
    const { summary, trace } = await readBack.turn(ID, String(turnIndex));
    assert.equal(summary.e2eUs, e2eUs);
    assert.ok(JSON.stringify(trace).includes('"name":"response"'));
  }
  assert.deepEqual(new Set(opened), new Set(['session.json']));
  for (const index of ['99', '00', '-1', '1e0', 'x', '', '99999999999999999999'])
    await assert.rejects(readBack.turn(ID, index), /has no turn/);
});

test('two read at once, thirty wait, others are told when to come back; erasing waits its turn too', async () => {
  let working = 0;
  let most = 0;
  const files = filesIn(BUNDLE);
  const readBack = readBackOf({
    ...files,
    async read(name) {
      most = Math.max(most, ++working);
      await new Promise(setImmediate);
      working--;
      return files.read(name);
    },
  });
  const asked = Array.from({ length: 40 }, (_, index) =>
    index % 10 === 5 ? readBack.erase(ID) : index % 2 === 0 ? readBack.turn(ID, '0') : readBack.session(ID),
  );
  const answers = await Promise.allSettled<unknown>(asked);
  const refused = answers.flatMap((each) => (each.status === 'rejected' ? [each.reason as unknown] : []));
  assert.equal(refused.length, 8);
  for (const error of refused) {
    assert.ok(error instanceof ProblemError);
    assert.deepEqual([error.problem.status, error.problem.headers], [503, { 'retry-after': '1' }]);
  }
  assert.equal(most, 2);
});

test('DELETE of a session that nobody knows searches no spool; control: of a captured one it does', async (t) => {
  const service = await testService(t, instantPorts(createRealClock()));
  const segment = join(service.dataFolder, 'spool', '900.otlp.jsonl');
  mkdirSync(join(service.dataFolder, 'spool'), { recursive: true });
  writeFileSync(segment, '');
  const spanOf = (id: string): string =>
    `${JSON.stringify({ attributes: [{ key: 'session.id', value: { stringValue: id } }] })}\n`;
  for (const id of ['stranger', ID]) appendFileSync(segment, spanOf(id));
  cpSync(BUNDLE, join(service.dataFolder, 'captures/2026/01/01', ID), { recursive: true });
  const erase = async (id: string): Promise<number> =>
    (await fetch(`${service.url}/v1/sessions/${id}`, { method: 'DELETE' })).status;
  assert.equal(await erase('stranger'), 404);
  assert.equal(readFileSync(segment, 'utf8'), spanOf('stranger') + spanOf(ID));
  assert.equal(await erase(ID), 204);
  assert.equal(readFileSync(segment, 'utf8'), `${spanOf('stranger')}${'{}'.padEnd(spanOf(ID).length - 1)}\n`);
  assert.equal(await erase(ID), 404);
});

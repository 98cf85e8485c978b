/** Reading back is bounded: what it opens, how much it searches, how many do so at once. */
import assert from 'node:assert/strict';
import { appendFileSync, cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { instantPorts } from '../../bench/programs/workload.ts';
import { testService } from '../../testing/service.ts';
import { createRealClock } from '../base/clock.ts';
import type { FileLine } from '../base/file-lines.ts';
import { InputError } from '../base/errors.ts';
import { filesIn, type CaptureStore, type SessionFiles } from '../capture/store.ts';
import { ProblemError } from './problem.ts';
import { createReadBack, windowIn, type ReadBack } from './read-back.ts';
import type { Registry } from './registry.ts';
import type { TurnSummary } from '../turn-log/metrics.ts';

const ID = '8a06638042f98f48e9ce';
const BUNDLE = fileURLToPath(new URL(`../../fixtures/sessions/format-1/${ID}`, import.meta.url));
const ALL = { from: 0, to: 100 };
const NO_SESSIONS = {
  find: () => undefined,
  turnsOf: () => [],
  erase: () => Promise.resolve(true),
} as unknown as Registry;

/** Of one captured session, whose files are `files`. */
function readBackOf(files: SessionFiles): ReadBack {
  const store = { find: () => Promise.resolve(files) } as unknown as CaptureStore;
  return createReadBack(NO_SESSIONS, store);
}

test('a page and a turn open no audio', async () => {
  const opened: string[] = [];
  const files = filesIn(BUNDLE);
  const readBack = readBackOf({ ...files, read: (name) => (opened.push(name), files.read(name)) });
  const { turns } = await readBack.session(ID, ALL);
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

/** The fixture's bundle with its turn five times over. */
async function* fiveTurns(): AsyncGenerator<FileLine> {
  for (let turn = 0; turn < 5; turn++) {
    for await (const { bytes } of filesIn(BUNDLE).lines('events.jsonl')) {
      const text = bytes
        .toString()
        .replace('"turn":0', `"turn":${turn}`)
        .replace('"turnIndex":0', `"turnIndex":${turn}`);
      yield { bytes: Buffer.from(text), torn: false, endBytes: 0 };
    }
  }
}

test('an answer has a page of turns, and says where the next one begins: captured, in memory, or both', async () => {
  const reads: string[] = [];
  const files: SessionFiles = {
    ...filesIn(BUNDLE),
    lines: (name) => {
      reads.push(name);
      return fiveTurns();
    },
  };
  const store = { find: () => Promise.resolve(files) } as unknown as CaptureStore;
  const pageOf = async (readBack: ReadBack, from: number, to: number): Promise<unknown> => {
    const { turns, next } = await readBack.session(ID, { from, to });
    return [turns.map(({ turnIndex }) => turnIndex), next];
  };
  const closed = createReadBack(NO_SESSIONS, store);
  assert.deepEqual(await pageOf(closed, 0, 2), [[0, 1], 2]);
  assert.deepEqual(await pageOf(closed, 4, 6), [[4], undefined]);
  assert.deepEqual(await pageOf(closed, 3, 5), [[3, 4], undefined]);
  assert.deepEqual(await pageOf(closed, 7, 9), [[], undefined]);
  // the last two are in memory, one of them not on disk yet
  const recent = [4, 5].map((turnIndex) => ({ turnIndex }) as TurnSummary);
  const open = { id: ID, language: 'en', busy: true, turnsOver: 6 };
  const registry = { find: () => open, turnsOf: () => recent } as unknown as Registry;
  reads.length = 0;
  const talking = createReadBack(registry, store);
  assert.deepEqual(await pageOf(talking, 4, 6), [[4, 5], undefined]);
  assert.deepEqual(reads, [], 'what is in memory needs no disk');
  assert.deepEqual(await pageOf(talking, 3, 5), [[3, 4], 5]);
  assert.deepEqual(await pageOf(talking, 0, 100), [[0, 1, 2, 3, 4, 5], undefined]);
  const lost = createReadBack(registry, {
    find: () => Promise.reject(new InputError('off')),
  } as unknown as CaptureStore);
  assert.deepEqual(await pageOf(lost, 0, 100), [[4, 5], undefined], 'without captures older turns are gone');
});

test('a query that asks for no page is refused by name', () => {
  assert.deepEqual(windowIn({}), { from: 0, to: 100 });
  assert.deepEqual(windowIn({ from: '100', limit: '20', other: 'x' }), { from: 100, to: 120 });
  const refused: [query: unknown, field: string][] = [
    [{ limit: '0' }, 'limit'],
    [{ limit: '101' }, 'limit'],
    [{ limit: '1e1' }, 'limit'],
    [{ from: '-1' }, 'from'],
    [{ from: '' }, 'from'],
    [{ from: ['1', '2'] }, 'from'],
    [{ from: '9999999999' }, 'from'],
  ];
  for (const [query, field] of refused)
    assert.throws(
      () => windowIn(query),
      (error: unknown) => {
        assert.ok(error instanceof ProblemError);
        assert.deepEqual([error.problem.status, error.problem.field], [400, field]);
        return true;
      },
    );
});

test('two read at once, thirty wait, others are told when to come back; erasing waits for no reader', async () => {
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
    index % 10 === 5 ? readBack.erase(ID) : index % 2 === 0 ? readBack.turn(ID, '0') : readBack.session(ID, ALL),
  );
  const answers = await Promise.allSettled<unknown>(asked);
  const refused = answers.flatMap((each) => (each.status === 'rejected' ? [each.reason as unknown] : []));
  assert.equal(refused.length, 4);
  assert.ok(answers.every(({ status }, index) => index % 10 !== 5 || status === 'fulfilled'));
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

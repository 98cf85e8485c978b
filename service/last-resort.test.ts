/** A process with and without the last resort: each case is a child that lives or ends. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';

const HERE = import.meta.url;
const program = (rest: string): string => `
  import { installLastResort } from ${JSON.stringify(new URL('./last-resort.ts', HERE).href)};
  import { workFor } from ${JSON.stringify(new URL('./turn/running-turn.ts', HERE).href)};
  const turn = (over) => ({ sessionId: 's', turnIndex: 0, fail: () => !over });
  const say = ({ outcome, turn }) => console.log(outcome, turn?.sessionId ?? 'none');
  ${rest}
  await new Promise((resolve) => setTimeout(resolve, 20));
  console.log('alive');`;
const run = (rest: string): [code: number | null, out: string] => {
  const { status, stdout } = spawnSync(process.execPath, ['--input-type=module', '-e', program(rest)], {
    encoding: 'utf8',
  });
  return [status, stdout.trim().replaceAll('\n', ', ')];
};
const STRAYS = `
  workFor(turn(false), () => void Promise.reject(new Error('a promise')));
  workFor(turn(false), () => setTimeout(() => { throw new Error('a callback'); }, 1));
  workFor(turn(true), () => void Promise.reject(new Error('late')));`;

test('a stray error is put to the turn whose code it comes from, and the process lives; control: without it, it ends', () => {
  assert.deepEqual(run(`installLastResort(say); ${STRAYS}`), [0, 'turn-failed s, turn-over s, turn-failed s, alive']);
  assert.deepEqual(run(STRAYS), [1, '']);
});

test('outside of turns it is told as the reason to stop; control: once removed, it ends the process', () => {
  const stray = `void Promise.reject(new Error('nobody'));`;
  const told = `const { unplaced } = installLastResort(say); ${stray} console.log((await unplaced).message);`;
  assert.deepEqual(run(told), [0, 'unplaced none, nobody, alive']);
  assert.deepEqual(run(`installLastResort(say).remove(); ${stray}`), [1, '']);
});

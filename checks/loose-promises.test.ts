/** Some cells of `npm run verify -- loose-promises`: those that ended the process, and one of each other kind. */
import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import { test } from 'node:test';
import { CELLS } from './loose-promise-rows.ts';
import { runLooseCells, watchLoose } from './loose-promise-cells.ts';

test('odd answers to cancelled turns leave nothing that reaches the process, and no socket or timer', async () => {
  const ways = ['llm sdk', 'tts stream sdk', 'tts speech'];
  const answers = ['JSON', 'HTML', 'silence after headers', 'garbage after headers'];
  const cells = CELLS.filter(
    ({ way, answer, abort }) => ways.includes(way.name) && answers.includes(answer.name) && abort === 'body',
  );
  assert.equal(cells.length, ways.length * answers.length);
  assert.deepEqual(await runLooseCells(cells, cells.length), { reached: cells.length, unreached: [], complaints: [] });
});

test('control: what reaches a process is noted, by its kind', () => {
  const process = new EventEmitter();
  const watch = watchLoose(process);
  process.emit('unhandledRejection', new Error('nobody holds it'));
  process.emit('warning', new Error('MaxListenersExceeded'));
  watch.stop();
  process.emit('uncaughtException', new Error('later'));
  assert.deepEqual(watch.seen, ['unhandledRejection: nobody holds it', 'warning: MaxListenersExceeded']);
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { tellOn } from './context.ts';

/** What stands on a terminal after these bytes: a line that was written over is gone. */
function shown(bytes: string): string[] {
  return bytes.split('\n').map((line) => line.split('\r\u001b[2K').at(-1) ?? '');
}

test('on a terminal every problem stays, above the progress that follows; progress is one line', () => {
  let bytes = '';
  const { progress, progressDone, problem } = tellOn({ isTTY: true, write: (text) => (bytes += text) });
  progress('1 of 2');
  problem('the first');
  problem('the second');
  progress('2 of 2');
  assert.deepEqual(shown(bytes), ['the first', 'the second', '2 of 2']);
  progressDone();
  assert.deepEqual(shown(bytes), ['the first', 'the second', '']);
  progress('a problem told as progress');
  progress('another');
  assert.ok(!shown(bytes).includes('a problem told as progress'), 'control');
});

test('into a file all are lines, without codes', () => {
  let bytes = '';
  const { progress, progressDone, problem } = tellOn({ isTTY: false, write: (text) => (bytes += text) });
  progress('1 of 2');
  problem('the first');
  progressDone();
  assert.equal(bytes, '1 of 2\nthe first\n');
});

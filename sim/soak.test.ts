import assert from 'node:assert/strict';
import { test } from 'node:test';
import { KNOBS } from './combinations.ts';
import { NOT_SOAKED, simpler, soakCase } from './soak-case.ts';
import { runCase } from './soak-run.ts';

test('a case is the same data every time, and every simpler case can be run', async () => {
  for (let index = 0; index < 50; index++) assert.deepEqual(soakCase('x', index), soakCase('x', index));
  const faulty = soakCase('x', 3);
  for (const simple of simpler(faulty).slice(0, 6)) assert.deepEqual((await runCase(simple)).violations, []);
});

test('what is left out of the soak is a knob, and the combinations play it', () => {
  const knobs = KNOBS.map(({ path }) => path.join('.'));
  assert.deepEqual(
    NOT_SOAKED.filter((knob) => !knobs.includes(knob)),
    [],
  );
});

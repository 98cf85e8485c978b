/** Any strategy that the schema admits finishes a turn, tells its causes, keeps its words in order, and leaves nothing behind. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import fc from 'fast-check';
import { keyedRandom } from '../../service/base/random.ts';
import { KNOBS } from '../../service/strategy/knobs.ts';
import { KNOB_VALUES, pairwise, randomStrategy } from './combinations.ts';
import { complaints, leftovers, play } from './combined-turn.ts';

const SEED = process.env['RETAKE_TEST_SEED'] ?? 'combinations';
const REPEAT = `RETAKE_TEST_SEED=${SEED} node --test checks/random-turns/combinations.test.ts`;

/** Knobs that no row of the list sets. */
const forgotten = (rows: readonly { path: readonly string[] }[]): string[] =>
  KNOBS.map((knob) => knob.path).filter((knob) => !rows.some(({ path }) => path.join('.') === knob));

test('every knob of the strategy is in the list; control: one that is taken out is missed', () => {
  assert.deepEqual(forgotten(KNOB_VALUES), []);
  assert.deepEqual(forgotten(KNOB_VALUES.filter(({ path }) => path.at(-1) !== 'region')), ['network.region']);
  assert.ok(KNOBS.length > 40, 'the schema is walked');
});

test('every two values of two knobs that may go together finish a turn, and the ledger keeps its rules', async () => {
  const { strategies, refused } = pairwise(keyedRandom(SEED, 'pairs'));
  for (const [index, strategy] of strategies.entries()) {
    assert.deepEqual(
      complaints(await play(strategy, `${SEED} pair ${index}`)),
      [],
      `${JSON.stringify(strategy)}; ${REPEAT}`,
    );
  }
  console.log(
    `${strategies.length} strategies cover all pairs of ${KNOB_VALUES.length} knobs; refused: ${refused.length}`,
  );
  for (const pair of refused) assert.match(pair, /prefill|prompt|partial|hedge|atPause|http2|tts\.format/, pair);
});

test('60 random admitted combinations finish a turn, and the ledger keeps its rules', async () => {
  // `npm run verify -- combinations` plays 2,000; in a process of its own: the test runner follows every promise, which more than doubles the time
  const script = fileURLToPath(new URL('./combinations-main.ts', import.meta.url));
  const { stdout } = await promisify(execFile)(process.execPath, [script, '--turns', '60', '--seed', SEED]);
  console.log(stdout.trim());
  assert.match(stdout, /^60 of 60 turns/m);
});

test('control: a piece out of order, a part that is not contiguous, and a timer left are complaints', async () => {
  const played = await play(randomStrategy(keyedRandom(SEED, 'control')), 'control');
  assert.deepEqual(complaints(played), []);
  const swapped = { ...played, audio: [...played.audio, { piece: -1, pcm: new Uint8Array(2) }] };
  assert.ok(complaints(swapped).length > 0);
  assert.deepEqual(complaints({ ...played, sleeping: 1 }), ['1 timers left']);
  assert.deepEqual(leftovers({ ...played, inUse: 2 }), ['2 exchanges left']);
  const lost = { ...played.turn, replyText: 'Başka.' };
  assert.ok(complaints({ ...played, turn: lost }).length > 0);
});

test('cancelling at any instant leaves no timer, no exchange and no promise behind', async () => {
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 0, max: 8000 }), fc.nat(1_000_000), async (cancelAfterMs, pick) => {
      const strategy = randomStrategy(keyedRandom('cancelled', pick));
      const played = await play(strategy, `cancel ${pick}`, cancelAfterMs);
      assert.deepEqual(leftovers(played), [], JSON.stringify(strategy));
    }),
    { numRuns: 25, seed: 5 },
  );
});

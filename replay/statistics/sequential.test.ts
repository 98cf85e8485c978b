/** Looks of a group-sequential run: published boundaries, and how often chance alone crosses them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { keyedRandom } from '../../service/base/random.ts';
import { normalCdf, normalDraw, normalQuantile, studentQuantile, studentTwoSided } from './distributions.ts';
import { nominalLevels, spentBy } from './sequential.ts';

const boundaryOf = (levels: readonly number[]): number[] => levels.map((level) => -normalQuantile(level / 2));
const equallySpaced = (looks: number): number[] => Array.from({ length: looks }, (_, index) => (index + 1) / looks);
/** After each session from the fourth on. */
const perSession = (sessions: number): number[] =>
  Array.from({ length: sessions - 3 }, (_, index) => (index + 4) / sessions);

/** Two-sided 5 %, as printed by the authors' program for this spending function. */
const PUBLISHED: readonly (readonly number[])[] = [
  [1.96],
  [2.963, 1.969],
  [3.71, 2.511, 1.993],
  [4.333, 2.963, 2.359, 2.014],
  [4.877, 3.357, 2.68, 2.29, 2.031],
];

test('boundaries of one to five equally spaced looks are the published ones', () => {
  for (const expected of PUBLISHED) {
    const found = boundaryOf(nominalLevels(equallySpaced(expected.length)));
    for (const [look, z] of expected.entries()) {
      const within = 0.0006;
      assert.ok(
        Math.abs((found[look] ?? 0) - z) < within,
        `${expected.length} looks, look ${look + 1}: ${found[look]} is not ${z}`,
      );
    }
  }
});

test('little is spent early, and all of the level at the end', () => {
  assert.ok(spentBy(0.2) < 2e-6 && spentBy(0.5) < 0.0031);
  assert.ok(Math.abs(spentBy(1) - 0.05) < 1e-12);
  for (const sessions of [4, 8, 20, 60]) {
    const levels = nominalLevels(perSession(sessions));
    assert.equal(levels.length, sessions - 3);
    for (const [look, level] of levels.entries()) {
      assert.ok(level > 0 && level < 0.0501, `${sessions} sessions, look ${look + 1}: ${level}`);
      assert.ok(look === 0 || level > (levels[look - 1] ?? 1), 'every look is less strict than the one before');
    }
  }
});

test('chance alone crosses the boundary of 20 sessions in 5 of 100 runs; control: one look’s boundary at every look, in over 15', () => {
  const sessions = 20;
  const boundary = boundaryOf(nominalLevels(perSession(sessions)));
  const random = keyedRandom('looks');
  const runs = 20_000;
  let [crossed, naive] = [0, 0];
  for (let run = 0; run < runs; run++) {
    let sum = 0;
    const z: number[] = [];
    for (let session = 1; session <= sessions; session++) {
      sum += normalDraw(random);
      if (session >= 4) z.push(Math.abs(sum) / Math.sqrt(session));
    }
    if (z.some((each, look) => each > (boundary[look] ?? 0))) crossed++;
    if (z.some((each) => each > 1.96)) naive++;
  }
  // three standard errors of 5 % are 0.46
  assert.ok(Math.abs((100 * crossed) / runs - 5) < 0.5, `${(100 * crossed) / runs} %`);
  assert.ok((100 * naive) / runs > 15, `${(100 * naive) / runs} %`);
});

test('small tails keep their digits: those of the first looks are far below 1e-16', () => {
  // Φ(−x) lies between φ(x)/x · (1 − 1/x²) and φ(x)/x
  for (const z of [9, 15, 25]) {
    const above = Math.exp((-z * z) / 2) / Math.sqrt(2 * Math.PI) / z;
    const tail = normalCdf(-z);
    assert.ok(tail < above && tail > above * (1 - 1 / z ** 2), `${z}: ${tail}`);
    assert.ok(Math.abs(normalQuantile(tail) + z) < 1e-9);
  }
  // with one degree of freedom: tan(π (p − ½)) = −1 / tan(π p)
  const p = 1e-17;
  assert.ok(Math.abs(studentQuantile(p, 1) * Math.tan(Math.PI * p) + 1) < 1e-9);
  assert.equal(studentTwoSided(2 * p, 1), -studentQuantile(p, 1));
  assert.equal(studentQuantile(1 - 0.25, 7), -studentQuantile(0.25, 7));
});

/** Distribution functions against printed tables, closed forms, and figures that scipy 1.x computed (`scipy.stats`: `t`, `norm`, `chi2`, `beta`). */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  bisected,
  chiSquareQuantile,
  clopperPearsonUpper,
  normalCdf,
  normalQuantile,
  studentCdf,
  studentQuantile,
  studentT975,
  tTestP,
} from './distributions.ts';

const near = (actual: number | undefined, expected: number, within = 1e-9): void => {
  assert.ok(
    actual !== undefined && Math.abs(actual - expected) <= within,
    `${actual} is not ${expected} within ${within}`,
  );
};

/** NIST/SEMATECH e-Handbook of Statistical Methods, §1.3.6.7.2, column 0.975; as printed there and in most textbooks. */
const T_TABLE: readonly [degrees: number, t975: number][] = [
  [1, 12.706],
  [2, 4.303],
  [3, 3.182],
  [4, 2.776],
  [5, 2.571],
  [10, 2.228],
  [30, 2.042],
  [120, 1.98],
];
for (const [degrees, expected] of T_TABLE) {
  test(`the 97.5 % quantile of Student's t with ${degrees} degrees of freedom is ${expected}, as tables print it`, () => {
    near(studentT975(degrees), expected, 0.0005);
  });
}

test('the t quantile has closed forms for 1 and 2 degrees, falls with every degree, and ends at the normal one', () => {
  near(studentT975(1), Math.tan(Math.PI * 0.475), 1e-6);
  near(studentT975(2), 0.95 / Math.sqrt(2 * 0.975 * 0.025), 1e-8);
  for (let degrees = 1; degrees < 60; degrees++) assert.ok(studentT975(degrees + 1) < studentT975(degrees));
  near(studentT975(1e6), 1.959964, 1e-5);
  // control: with few degrees the normal quantile would be too narrow, beyond what the table's digits hide
  assert.ok(studentT975(30) - 1.96 > 0.08);
});

test('p-values of t: the 5 % and 1 % points of the published table (Student)', () => {
  for (const [t, degrees, p] of [
    [2.776, 4, 0.05],
    [2.086, 20, 0.05],
    [3.169, 10, 0.01],
    [12.706, 1, 0.05],
  ] as const)
    assert.ok(Math.abs(tTestP(t, degrees) - p) < 1e-4, `${t} with ${degrees}: ${tTestP(t, degrees)}`);
});

const SCIPY: readonly [name: string, of: (...figures: number[]) => number, rows: readonly (readonly number[])[]][] = [
  // the last figure of each row is scipy's: t.cdf(x, df), t.ppf(p, df), …
  [
    't.cdf',
    studentCdf,
    [
      [-2.5, 3, 0.04385332350403278],
      [0.7, 5.5, 0.7437855375311961],
      [4, 1.2, 0.9383890023910885],
    ],
  ],
  [
    't.ppf',
    studentQuantile,
    [
      [0.975, 2.7, 3.3921483831737507],
      [0.9, 19, 1.3277282090267986],
      [0.2, 5.5, -0.9119511921290531],
      [0.9995, 3, 12.923978636687961],
    ],
  ],
  [
    't.ppf at 0.975',
    studentT975,
    [
      [1.5, 6.016663104427929],
      [2.7, 3.3921483831737507],
      [7.25, 2.348194849105371],
      [19, 2.0930240544083087],
    ],
  ],
  [
    '2 · t.sf',
    tTestP,
    [
      [2.2, 4.4, 0.08648535707305216],
      [-3, 9, 0.014956363910414222],
    ],
  ],
  [
    'norm.ppf',
    normalQuantile,
    [
      [0.8, 0.8416212335729143],
      [0.025, -1.9599639845400545],
      [0.9999, 3.719016485455709],
      [1e-6, -4.753424308822899],
      [0.5, 0],
    ],
  ],
  [
    'norm.cdf',
    normalCdf,
    [
      [-6, 9.865876450376946e-10],
      [-1, 0.15865525393145707],
      [0.3, 0.6179114221889526],
      [2, 0.9772498680518208],
      [0, 0.5],
    ],
  ],
  [
    'chi2.ppf',
    chiSquareQuantile,
    [
      [0.5, 3, 2.3659738843753377],
      [0.01, 19, 7.632729647571471],
      [0.99, 39, 62.4281210161849],
      [0.025, 1, 0.0009820691171752555],
    ],
  ],
  [
    'beta.ppf(level, count + 1, n − count)',
    clopperPearsonUpper,
    [
      [0, 80, 0.95, 0.0367541977799823],
      [1, 80, 0.95, 0.057928682117781724],
      [7, 120, 0.95, 0.10677172541532226],
      [2.5, 33.3, 0.95, 0.19725105769155946],
      [1, 80, 0.975, 0.0676877844639224],
    ],
  ],
];
for (const [name, of, rows] of SCIPY)
  test(`${name}, as scipy has it`, () => {
    for (const row of rows) near(of(...row.slice(0, -1)), row.at(-1) ?? Number.NaN, 1e-8);
  });

test('far tails keep their size', () => {
  near(studentCdf(-12, 40) / 3.91208565212799e-15, 1, 1e-6);
  near(normalCdf(-6) / 9.865876450376946e-10, 1, 1e-6);
});

test('Clopper–Pearson: all, none and no turns', () => {
  assert.equal(clopperPearsonUpper(5, 5), 1);
  assert.equal(clopperPearsonUpper(0, 0), 1);
  // none of n: 1 − 0.05^(1/n)
  near(clopperPearsonUpper(0, 20), 1 - 0.05 ** (1 / 20), 1e-12);
});

test('a quantile is where its distribution function turns', () => {
  for (const degrees of [0.7, 1, 3.3, 40])
    for (const p of [0.001, 0.2, 0.5, 0.9, 0.999]) near(studentCdf(studentQuantile(p, degrees), degrees), p, 1e-9);
  near(
    bisected((x) => x * x < 2, 0, 2),
    Math.SQRT2,
    1e-12,
  );
});

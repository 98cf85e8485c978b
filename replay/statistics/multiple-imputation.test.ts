/** Estimates under several models: the interval holds what the models disagree about. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { keyedRandom } from '../../service/base/random.ts';
import { combinedEstimate, withModels, type Combined, type ModelEstimate } from './multiple-imputation.ts';
import { intervalOf, type Interval } from './estimates.ts';

const combinedInterval = ({ estimate, variance, degrees }: Combined): Interval =>
  intervalOf(estimate, Math.sqrt(variance), degrees);
const near = (actual: number | undefined, expected: number): void =>
  assert.ok(Math.abs((actual ?? Number.NaN) - expected) < 1e-9, `${actual}, expected ${expected}`);

test('by hand: three estimates, T = W + 4/3·B, degrees of freedom by Barnard and Rubin', () => {
  const found = combinedEstimate([8, 10, 12].map((estimate) => ({ estimate, variance: 9, degrees: 11 })));
  near(found?.estimate, 10);
  near(found?.variance, 9 + (4 / 3) * 4);
  const share = 16 / 3 / (9 + 16 / 3);
  const [ofModels, observed] = [2 / share ** 2, (12 / 14) * 11 * (1 - share)];
  near(found?.degrees, 1 / (1 / ofModels + 1 / observed));
});

test('models that agree add nothing: the interval is that of one; control: those that differ widen it', () => {
  const alike = Array.from({ length: 20 }, (): ModelEstimate => ({ estimate: -50, variance: 16, degrees: 7 }));
  const found = combinedEstimate(alike);
  assert.deepEqual(found, { estimate: -50, variance: 16, degrees: 7 });
  assert.deepEqual(found && combinedInterval(found), intervalOf(-50, 4, 7));
  const apart = combinedEstimate(alike.map((each, index) => ({ ...each, estimate: -50 + (index % 2 === 0 ? 5 : -5) })));
  assert.ok((apart?.variance ?? 0) > 40 && (apart?.degrees ?? 7) < 7);
  assert.equal(combinedEstimate(alike.slice(0, 1)), undefined);
});

test('refits that lie apart widen the interval around the same estimate; refits that agree, and one alone, leave it', () => {
  const own = intervalOf(-50, 4, 7);
  for (const alike of [[], [-70], Array.from({ length: 20 }, () => -52)]) assert.equal(withModels(own, alike), own);
  const wide = withModels(
    own,
    Array.from({ length: 20 }, (_, index) => -50 + (index % 2 === 0 ? 5 : -5)),
  );
  near(wide.mean, -50);
  near(wide.error, Math.sqrt(16 + ((21 / 20) * 20 * 25) / 19));
  assert.ok((wide.low ?? 0) < (own.low ?? 0) - 5 && (wide.degrees ?? 7) < 7);
  const exact = withModels(intervalOf(-50, 0, 7), [-50, -49]);
  assert.equal(exact.degrees, 1, 'sessions that all agree still have the interval of one degree');
});

test('the interval covers in 95 % of cases, where that of one model covers in far fewer', () => {
  const random = keyedRandom('imputation');
  const normal = (): number => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
  const covers = { combined: 0, one: 0 };
  const RUNS = 2000;
  for (let run = 0; run < RUNS; run++) {
    // truth 0: sampling error of sd 1 within, an error of the model of sd 2 that all refits share, known up to its size
    const [sampled, model] = [normal(), 2 * normal()];
    const refits = Array.from({ length: 20 }, () => ({
      estimate: sampled + model + 2 * normal(),
      variance: 1,
      degrees: 1000,
    }));
    const all = combinedEstimate(refits);
    const of = (interval: { low?: number; high?: number } | undefined): number =>
      (interval?.low ?? 1) <= 0 && (interval?.high ?? -1) >= 0 ? 1 : 0;
    covers.combined += of(all && combinedInterval(all));
    covers.one += of(intervalOf(sampled + model, 1, 1000));
  }
  assert.ok(covers.combined / RUNS > 0.93 && covers.combined / RUNS < 0.97, `${covers.combined / RUNS}`);
  assert.ok(covers.one / RUNS < 0.7, `control: ${covers.one / RUNS}`);
});

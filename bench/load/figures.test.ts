import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  stepFiguresOf,
  heapGrowth,
  heapLine,
  isMet,
  kneeLines,
  quantileInterval,
  stepRowOf,
  type Step,
} from './figures.ts';
import { loadPage } from './page.ts';

const SECOND = { cpuMs: 500, rssMb: 300, heapMb: 100, loopDelayP99Ms: 8, clientsCpuMs: 100, machineBusy: 0.4 };

function step(sessions: number, overheadMs: readonly number[], more: Partial<Step> = {}): Step {
  const turns = overheadMs.map((each, index) => ({ atMs: index, overheadMs: each, lostFrames: 0 }));
  return { sessions, turns, failures: [], seconds: [SECOND, { ...SECOND, loopDelayP99Ms: 20, rssMb: 310 }], ...more };
}
const steady = (ms: number): number[] => Array.from({ length: 100 }, () => ms);

test('a step is held to its bar, and to no failure and no lost frame', () => {
  assert.ok(isMet(stepFiguresOf(step(50, steady(9)))));
  assert.ok(!isMet(stepFiguresOf(step(50, steady(11)))), 'the bar of 50 sessions');
  assert.ok(isMet(stepFiguresOf(step(200, steady(11)))));
  assert.ok(!isMet(stepFiguresOf(step(200, steady(26)))));
  assert.ok(!isMet(stepFiguresOf(step(50, steady(9), { failures: ['no answer'] }))));
  const [turn] = step(50, [9]).turns;
  assert.ok(turn);
  assert.ok(!isMet(stepFiguresOf(step(50, [], { turns: [{ ...turn, lostFrames: 1 }] }))));
  assert.ok(!isMet(stepFiguresOf(step(50, []))), 'nothing measured is not met');
});

test('the knee is the first step that does not hold, with the resource that was used up', () => {
  const [small, large] = [stepFiguresOf(step(100, steady(5))), stepFiguresOf(step(350, steady(400)))];
  const knee = kneeLines([small, large]).join('\n');
  assert.match(knee, /knee at 350 sessions, 100 still hold: p99 400\.0 ms.*50 % of a core.*40 % busy/);
  assert.match(kneeLines([small]).join('\n'), /no knee up to 100/);
  assert.match(stepRowOf(large), /^ +350 +100 +0 +0 +400\.0 +400\.0 +400\.0 +20\.0 +50 +10 +40 +310$/);
});

test('the interval of a quantile: ranks as tables of the median have them; too few turns say nothing of the upper end', () => {
  const upTo = (length: number): number[] => Array.from({ length }, (_, index) => index + 1);
  assert.deepEqual(quantileInterval(upTo(100), 0.5), { low: 40, high: 61 });
  assert.deepEqual(quantileInterval(upTo(10), 0.5), { low: 2, high: 9 });
  assert.equal(quantileInterval(upTo(367), 0.99).high, undefined, '0.99 ** 367 is just above 2.5 %');
  assert.equal(quantileInterval(upTo(368), 0.99).high, 368);
  assert.deepEqual(quantileInterval([], 0.99), { high: undefined });
  assert.deepEqual(
    quantileInterval(upTo(200_000), 0.99),
    { low: 197_912, high: 198_088 },
    '198,000 ± 1.96 √(n q (1 − q)) = 87.2, outwards',
  );
  assert.match(kneeLines([stepFiguresOf(step(50, upTo(100)))]).join('\n'), /50: 99\.0 \[97\.0, –\] of 100/);
});

test('heap: a saw-tooth over a level floor is flat, over a rising one grows, few or wild seconds say nothing', () => {
  const seconds = (length: number, floorMb: (second: number) => number): { heapMb: number }[] =>
    Array.from({ length }, (_, second) => ({ heapMb: floorMb(second) + (second % 7) * 9 }));
  assert.match(heapLine(heapGrowth(seconds(450, () => 100)), 1000, 2000), /^heap: flat/);
  const rising = heapGrowth(seconds(450, (second) => 100 + second / 10));
  assert.ok(Math.abs((rising?.mean ?? 0) - 6) < 0.3, `${rising?.mean} MB a minute`);
  assert.match(heapLine(rising, 1000, 2000), /^heap: GROWS/);
  assert.match(heapLine(rising, 2000, 2000), /^heap: flat, 3\.0/, 'the same, for twice as many turns');
  assert.match(heapLine(rising, 1000, 1999), /still filling/);
  const wild = heapGrowth(seconds(450, (second) => 100 + 40 * Math.sin(second * second)));
  assert.match(heapLine(wild, 100, 2000), /inconclusive/);
  assert.match(heapLine(heapGrowth(seconds(80, () => 100)), 1000, 2000), /too few to say/);
});

test('the page draws and names every step, with nothing from elsewhere', () => {
  const page = loadPage('a <title>', [stepFiguresOf(step(50, steady(9))), stepFiguresOf(step(200, []))], ['a line']);
  assert.match(page, /predicted/);
  assert.match(page, /a &#60;title&#62;/);
  assert.equal(page.split('<svg').length - 1, 2);
  assert.doesNotMatch(page, /https?:\/\/(?!www\.w3\.org)|NaN/);
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createRealClock } from './base/clock.ts';
import { createStallMonitor, type MonitorSources } from './stalls.ts';
import { culpritOf, MOST_STALLS, type Interval, type Stall } from './turn-log/blocked.ts';

/** A process by hand: `run` moves its time and ticks; `afterUs` is what reading takes after a late tick. */
function processByHand(): {
  stalls: () => readonly Stall[];
  run: (us: number, cpuUs?: number, afterUs?: number) => void;
  collect: (collection: Interval) => void;
  /** Timers and observers. */
  open: () => number;
  watch: () => () => void;
  unwatch: () => void;
  close: () => void;
} {
  let [nowUs, cpuUs, open] = [1_000_000, 0, 0];
  let tick = (): void => undefined;
  let collect: (collection: Interval) => void = () => undefined;
  const reading: (() => void)[] = [];
  const end = (): void => void open--;
  const sources: MonitorSources = {
    every: (_us, call) => (open++, (tick = call), () => (open--, (tick = () => undefined))),
    afterReading: (call) => void reading.push(call),
    threadCpuUs: () => cpuUs,
    observeCollections: (tell) => (open++, (collect = tell), end),
  };
  const { stalls, close } = createStallMonitor({ nowUs: () => nowUs }, sources);
  const unwatch = stalls.watch();
  return {
    stalls: () => stalls.between(0, Infinity),
    run(us, ofCpuUs = us, afterUs = 0) {
      nowUs += us;
      cpuUs += ofCpuUs;
      tick();
      nowUs += afterUs;
      reading.splice(0).forEach((call) => call());
    },
    collect: (collection) => collect(collection),
    open: () => open,
    watch: stalls.watch,
    unwatch,
    close,
  };
}

test('a tick that is late by 10 ms is a stall, from when it was due until what waited was read', () => {
  const { stalls, run, open, close } = processByHand();
  for (const us of [10_000, 11_000, 19_999]) run(us);
  assert.deepEqual(stalls(), []);
  run(20_000, 20_000, 500);
  run(10_000); // the reading is over at 1,061,499
  run(310_000, 200);
  assert.deepEqual(stalls(), [
    { fromUs: 1_050_999, toUs: 1_061_499, cpuUs: 10_500, gcUs: 0 },
    { fromUs: 1_081_499, toUs: 1_381_499, cpuUs: 200, gcUs: 0 },
  ]);
  close();
  assert.equal(open(), 0, 'timer and observer are given back');
});

test('a process without turns is not woken, and what it did meanwhile is no stall', () => {
  const { stalls, run, open, watch, unwatch } = processByHand();
  const other = watch();
  assert.equal(open(), 2, 'one timer for all');
  unwatch();
  unwatch();
  assert.equal(open(), 2, 'each gives back once');
  other();
  assert.equal(open(), 0);
  run(5_000_000);
  watch();
  run(10_000);
  assert.deepEqual(stalls(), []);
  run(40_000);
  assert.equal(stalls().length, 1, 'control: a turn looks out again');
});

test('a stall says what it went to', () => {
  const { stalls, run, collect } = processByHand();
  run(110_000);
  run(110_000);
  run(110_000, 1000);
  const [javascript, gc, stopped] = stalls();
  assert.ok(javascript && gc && stopped);
  collect({ fromUs: gc.fromUs - 4000, toUs: gc.fromUs + 60_000 });
  collect({ fromUs: javascript.fromUs, toUs: javascript.fromUs + 999 }); // too short to count
  assert.deepEqual(
    stalls().map((stall) => [culpritOf(stall), stall.gcUs]),
    [
      ['javascript', 0],
      ['garbage collection', 60_000],
      ['not running', 0],
    ],
  );
});

test('memory is bounded, and a turn gets the longest', () => {
  const { stalls, run } = processByHand();
  for (let count = 0; count < 3000; count++) run(20_000 + count);
  const kept = stalls();
  assert.equal(kept.length, MOST_STALLS);
  assert.ok(kept.every(({ toUs, fromUs }) => toUs - fromUs >= 10_000 + 3000 - MOST_STALLS));
  assert.ok(kept.every(({ fromUs }, index) => fromUs > (kept[index - 1]?.fromUs ?? 0)));
});

test('the real process: a loop of 60 ms is seen, on the clock of turns', async () => {
  const clock = createRealClock();
  const { stalls, close } = createStallMonitor(clock);
  stalls.watch();
  await clock.sleep(25, undefined);
  const fromUs = clock.nowUs();
  while (clock.nowUs() < fromUs + 60_000);
  const toUs = clock.nowUs();
  await clock.sleep(25, undefined);
  close();
  // another stall may lie beside it on a busy machine
  const covered = stalls
    .between(fromUs, toUs)
    .reduce((sum, each) => sum + Math.min(toUs, each.toUs) - Math.max(fromUs, each.fromUs), 0);
  assert.ok(covered > 45_000 && covered <= toUs - fromUs, `${covered} of ${toUs - fromUs} µs`);
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { flatProfile } from '../../testing/flat-profile.ts';
import { tones, turnByHand } from '../../testing/turn-by-hand.ts';
import type { EventKind, TurnLog } from '../../service/base/events.ts';
import { atHour } from './hours.ts';
import { loadProfile, medianOf, type Profile } from './profile.ts';

const evening = (factor: number): number[] => Array.from({ length: 24 }, (_, hour) => (hour === 20 ? factor : 1));
const profile: Profile = {
  ...flatProfile({ stt: 100, llm: 200, tts: 400 }),
  byHour: { llm: evening(3), tts: evening(2) },
};

test('a scenario’s hour stretches the times of its stages alone; without an hour, or at another, nothing changes', async () => {
  const waitsMs = async (hour?: number): Promise<number[]> => {
    const scenario = { title: 'hour', rules: [], hour };
    const { log } = await turnByHand({ profile, tones: tones(6000, [[200, 1200]]), scenario });
    return [
      between(log, 'stt.start', 'stt.done'),
      between(log, 'llm.start', 'llm.content'),
      between(log, 'tts.start', 'tts.audio'),
    ];
  };
  assert.deepEqual(await waitsMs(20), [100, 600, 800]);
  assert.deepEqual(await waitsMs(3), [100, 200, 400]);
  assert.deepEqual(await waitsMs(), [100, 200, 400]);
});

function between({ events }: TurnLog, from: EventKind, to: EventKind): number {
  const at = (kind: EventKind): number => events.find((event) => event.kind === kind)?.atUs ?? Number.NaN;
  return (at(to) - at(from)) / 1000;
}

test('a model’s own figures are stretched too, and no figure of the network', () => {
  const own = { source: 'test', quantiles: [[0, 500]] as [number, number][] };
  const { default: other } = profile.llm.models;
  assert.ok(other !== undefined);
  const late = atHour(
    { ...profile, llm: { ...profile.llm, models: { default: { ...other, headersMs: own, firstContentMs: own } } } },
    20,
  );
  const { headersMs, firstContentMs } = late.llm.models['default'] ?? {};
  assert.deepEqual([headersMs, firstContentMs].map((figure) => figure && medianOf(figure)), [1500, 1500]); // prettier-ignore
  assert.equal(late.network, profile.network);
  assert.equal(atHour(profile, undefined), profile);
});

test('profile by-hour is slowest at 20 and fastest at 8', () => {
  const { byHour } = loadProfile('by-hour');
  for (const hours of Object.values(byHour ?? {})) {
    assert.equal(hours.indexOf(Math.max(...hours)), 20);
    assert.equal(hours.indexOf(Math.min(...hours)), 8);
  }
});

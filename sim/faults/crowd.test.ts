/** Providers that feel calls at once, in virtual time: a limit of calls, and waits that grow; controls without a crowd. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TurnLog } from '../../service/base/events.ts';
import type { StrategyPatch } from '../../service/strategy/patch.ts';
import { tones, turnByHand } from '../../testing/turn-by-hand.ts';
import { flatProfile } from '../../testing/flat-profile.ts';
import { loadProfile, UNKIND_PROFILES, type Profile } from '../times/profile.ts';

const said = tones(6000, [[200, 1200]]);
const flat = flatProfile({ stt: 100, llm: 200, tts: 400 });
const reply = 'Bir cümle söylendi, ve bitti. İkincisi de hemen ardından geldi. Üçüncüsü en sonda söylendi.';
const run = async (atOnce: Profile['atOnce'], patch: StrategyPatch = {}): Promise<TurnLog> => {
  const { log } = await turnByHand({ profile: { ...flat, atOnce }, tones: said, patch, reply });
  return log;
};
const ofTts = (log: TurnLog, kind: string) => log.events.filter((each) => each.kind === kind && each.stage === 'tts');
const statuses = (log: TurnLog) => ofTts(log, 'http.headers').map(({ attrs }) => attrs?.['status']);
const firstAudioMs = (log: TurnLog): number[] => {
  const started = ofTts(log, 'tts.start');
  return ofTts(log, 'tts.audio')
    .filter((each, at, all) => all.findIndex(({ attrs }) => attrs?.['index'] === each.attrs?.['index']) === at)
    .map((each, at) => (each.atUs - (started[at]?.atUs ?? 0)) / 1000);
};

test('a call beyond the limit gets 429 and is made again; as many as the limit are all answered', async () => {
  const refused = statuses(await run({ tts: { limit: 1, retryAfterS: 1 } }));
  assert.deepEqual(refused.toSorted(), [200, 200, 200, 429]);
  assert.deepEqual(statuses(await run({ tts: { limit: 2 } })), [200, 200, 200], 'control: two at once by default');
  assert.deepEqual(statuses(await run({ llm: { limit: 1 } })), [200, 200, 200], 'control: the limit of another stage');
});

test('a call beside another waits longer by its share; one after the other do not', async () => {
  const together = firstAudioMs(await run({ tts: { slowerShare: 0.5 } }));
  assert.deepEqual(together.slice(0, 2), [400, 600]);
  const alone = firstAudioMs(await run({ tts: { slowerShare: 0.5 } }, { tts: { concurrency: 1 } }));
  assert.deepEqual(alone.slice(0, 2), [400, 400], 'control');
  assert.deepEqual(firstAudioMs(await run(undefined)).slice(0, 2), [400, 400], 'control: a kind provider');
});

test('every unkind profile is profile seed but for its own habit', () => {
  const seed = loadProfile('seed');
  for (const name of UNKIND_PROFILES) {
    const { name: own, description, ...profile } = loadProfile(name);
    assert.equal(own, name);
    assert.match(description, /assumed/);
    assert.notDeepEqual(profile, { ...seed, name: undefined, description: undefined }, name);
    assert.deepEqual(profile.network, seed.network, name);
    assert.deepEqual(profile.llm.models['google/gemini-2.5-flash'], seed.llm.models['google/gemini-2.5-flash'], name);
  }
});

/** What each network knob is worth, on turns whose times can be added up on paper, each with a control. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { StrategyPatch } from '../../service/strategy/patch.ts';
import { tones, turnByHand } from '../../testing/turn-by-hand.ts';
import { flatProfile } from '../../testing/flat-profile.ts';

const SET_UP = { dns: 7, connect: 20, tls: 40 };
const ALL_MS = 67;
const profile = flatProfile({ ...SET_UP, stt: 300, llm: 400, tts: 200, terminator: 5 });
const SPEECH = tones(1200, [[20, 400]]);
const KEEP = { keepAlive: { idleMs: 600_000, drain: true } };

/** End-to-end of the turn in ms, and connections set up by then. */
async function run(patch: StrategyPatch, more: { turns?: number; pauseMs?: number } = {}) {
  const { summary, log } = await turnByHand({ profile, tones: SPEECH, patch, ...more });
  const queued = log.events.filter(({ kind }) => kind === 'http.queued');
  const setUps = log.events.filter(({ kind }) => kind === 'http.tls').length;
  return { e2eMs: (summary.e2eUs ?? Number.NaN) / 1000, setUps, requests: queued.length };
}

const gainMs = async (from: StrategyPatch, to: StrategyPatch, more = {}): Promise<number> =>
  Number(((await run(from, more)).e2eMs - (await run(to, more)).e2eMs).toFixed(3));

test('preconnect: a first turn waits for no set-up, neither of fal nor of OpenRouter', async () => {
  assert.equal(await gainMs({}, { network: { preconnect: true } }), 2 * ALL_MS);
  assert.equal((await run({ network: { preconnect: true } })).setUps, 0);
  assert.equal(await gainMs({}, { pipeline: { prefetch: 'connect' } }), 2 * ALL_MS, 'the same as a prefetch');
});

test('control: where connections are kept, a second turn gains nothing by opening them', async () => {
  assert.equal(await gainMs({ network: KEEP }, { network: { ...KEEP, preconnect: true } }, { turns: 2 }), 0);
});

test('preResolve: two lookups less, and the time to live decides how long', async () => {
  assert.equal(await gainMs({}, { network: { preResolve: true } }), 2 * SET_UP.dns);
  const fresh = { network: { keepAlive: false } };
  const known = { network: { keepAlive: false, preResolve: true } };
  assert.equal(await gainMs(fresh, known), 3 * SET_UP.dns, 'a connection for each of STT, LLM and TTS');
});

test('keepAlive: without it the third call sets up too; draining saves the next turn its LLM connection', async () => {
  assert.equal(await gainMs({ network: { keepAlive: false } }, {}), ALL_MS);
  const two = { turns: 2, pauseMs: 1000 };
  const undrained = { network: { keepAlive: { idleMs: 600_000, drain: false } } };
  assert.equal(await gainMs(undrained, { network: KEEP }, two), ALL_MS);
  assert.equal(await gainMs(undrained, { network: KEEP }), 0, 'control: a first turn has nothing to keep');
});

test('keepAlive.idleMs: a connection that idles longer is set up again, for fal and for OpenRouter', async () => {
  const idle = (idleMs: number) => ({ network: { keepAlive: { idleMs, drain: true } } });
  const apart = { turns: 2, pauseMs: 10_000 };
  assert.equal(await gainMs(idle(4000), idle(60_000), apart), 2 * ALL_MS);
  assert.equal(await gainMs(idle(4000), idle(60_000), { turns: 2, pauseMs: 0 }), 0, 'control: they follow each other');
});

test('http2: pieces synthesized at once share the connection of the first', async () => {
  const over = async (http2: boolean) => run({ network: { ...KEEP, http2 }, pipeline: { chunking: 'clause' } });
  const [one, two] = [await over(false), await over(true)];
  assert.equal(one.requests, two.requests);
  assert.deepEqual([one.setUps, two.setUps], [3, 2], 'control: over HTTP/1.1 the second piece needs its own');
  assert.equal(two.e2eMs, one.e2eMs, 'the first piece needs none either way');
});

/** Round trips of the regions for one to the default endpoints. */
const IN_REGIONS = { near: 0.25, far: 3 };
const regional = flatProfile({
  ...{ ...SET_UP, stt: 300, llm: 400, tts: 200, terminator: 5, roundTrip: 40 },
  regions: IN_REGIONS,
});
async function regionRun(network: object, more: { turns?: number } = {}) {
  const { summary, log } = await turnByHand({ profile: regional, tones: SPEECH, patch: { network }, ...more });
  const regions = log.events.filter(({ kind }) => kind === 'http.queued').map(({ attrs }) => attrs?.['region']);
  return { e2eMs: (summary.e2eUs ?? Number.NaN) / 1000, regions: [...new Set(regions)] };
}

test('region: three round trips of waiting and two set-ups are as much shorter as the way is', async () => {
  const [none, near, far] = [
    await regionRun({}),
    await regionRun({ region: 'near' }),
    await regionRun({ region: 'far' }),
  ];
  const roundTripsMs = 3 * 40 + 2 * (SET_UP.connect + SET_UP.tls);
  assert.equal(Number((none.e2eMs - near.e2eMs).toFixed(3)), roundTripsMs * (1 - IN_REGIONS.near));
  assert.equal(Number((far.e2eMs - none.e2eMs).toFixed(3)), roundTripsMs * (IN_REGIONS.far - 1));
  assert.deepEqual([none.regions, near.regions, far.regions], [[undefined], ['near'], ['far']]);
});

test('region nearest: found while the user speaks, so that its calls are those of the nearest, connections open', async () => {
  const ahead = { ...KEEP, preconnect: true };
  const nearest = await regionRun({ ...ahead, region: 'nearest' });
  assert.deepEqual(nearest, await regionRun({ ...ahead, region: 'near' }));
  assert.deepEqual(nearest.regions, ['near']);
  const none = await regionRun(ahead);
  assert.equal(Number((none.e2eMs - nearest.e2eMs).toFixed(3)), 3 * 40 * (1 - IN_REGIONS.near));
});

test('region nearest: a first call on the connection of its own turn’s measurement inherits nobody’s, the next turn’s does', async () => {
  for (const turns of [1, 2]) {
    const { summary, log } = await turnByHand({
      ...{ profile: regional, tones: SPEECH, turns, patch: { network: { ...KEEP, region: 'nearest' } } },
    });
    const { reused, paidBy } = log.events.find(({ kind }) => kind === 'http.queued')?.attrs ?? {};
    assert.deepEqual([reused, paidBy, summary.reusedFirst], [true, 'endpointing.0.0.0', turns === 2]);
  }
});

test('region: an unknown name is refused with those there are', async () => {
  await assert.rejects(regionRun({ region: 'moon' }), /network\.region" must be none, nearest, near, far, not moon/);
});

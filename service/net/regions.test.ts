/** Regions come from the environment, checked; the nearest is measured without a key, once, and never waited for. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createVirtualClock } from '../../sim/world/clock.ts';
import { configFrom } from '../config.ts';
import type { ExchangeContext, HttpRequest, Transport } from '../base/ports.ts';
import { LIVE_ENDPOINTS } from '../world.ts';
import { checkRegion, inRegion, type Regions } from './regions.ts';

const regions = { eu: { falRunUrl: 'https://eu.fal.test', openRouterUrl: 'https://eu.router.test/v1' } };
const context: ExchangeContext = {
  ...{ sessionId: 's', turnIndex: 0, stage: 'stt', ordinal: 0, attempt: 0, fetchIndex: 0, arm: 'a' },
};
const call = (url: string): HttpRequest => ({
  ...{ url, method: 'POST', context },
  headers: new Headers({ authorization: 'Key secret' }),
});

/** Answers after the given ms for a host; a host without any never does. */
function network(hosts: Readonly<Record<string, number>>, elsewhere: Regions = regions) {
  const clock = createVirtualClock();
  const seen: HttpRequest[] = [];
  const inner: Transport = {
    async send(request) {
      seen.push(request);
      await clock.sleep(hosts[new URL(request.url).host] ?? 1e6, request.signal);
      return new Response(null, { status: 404 });
    },
    openAhead: async () => undefined,
    close: async () => undefined,
  };
  const transport = inRegion(inner, { clock, endpoints: LIVE_ENDPOINTS, regions: elsewhere, region: 'nearest' });
  const sentTo = async (url = 'https://fal.run/app/x?y=1'): Promise<unknown[]> => {
    const marks = { startUs: clock.nowUs() };
    await transport.send(call(url), marks);
    return [seen.findLast(({ method }) => method === 'POST')?.url, { ...marks, startUs: 0 }];
  };
  return { clock, seen, transport, sentTo };
}

const NEAR = { 'eu.fal.test': 10, 'eu.router.test': 10 };
const FAR = { 'fal.run': 30, 'openrouter.ai': 30 };
const EU = ['https://eu.fal.test/app/x?y=1', { startUs: 0, region: 'eu', url: 'https://eu.fal.test/app/x' }];
const HOME = ['https://fal.run/app/x?y=1', { startUs: 0, region: 'default' }];

test('nearest: measured once without a key; calls before the result go to the default endpoints', async () => {
  const { clock, seen, sentTo } = network({ ...NEAR, ...FAR });
  await clock.run(async () => {
    assert.deepEqual(await sentTo(), HOME);
    await clock.sleep(200);
    assert.deepEqual(await sentTo(), EU);
    await sentTo();
  });
  const probes = seen.filter(({ method }) => method === 'OPTIONS');
  assert.equal(probes.length, 3 * 4);
  assert.deepEqual(
    probes.flatMap(({ headers }) => [...headers]),
    [],
  );
});

test('nearest: the choice has a time limit', async () => {
  const { clock, seen, sentTo } = network({ ...NEAR, ...FAR });
  await clock.run(async () => {
    await sentTo();
    await clock.sleep(600_000);
    assert.deepEqual(await sentTo(), EU, 'the old choice stands while it is measured again');
    await clock.sleep(200);
  });
  assert.equal(seen.filter(({ method }) => method === 'OPTIONS').length, 2 * 3 * 4);
});

test('nearest: the default endpoints stay where they are nearer, and where nothing answers a measurement', async () => {
  const nearer = network({ ...NEAR, 'fal.run': 1, 'openrouter.ai': 1 });
  await nearer.clock.run(async () => {
    await nearer.sentTo();
    await nearer.clock.sleep(2000);
    assert.deepEqual(await nearer.sentTo(), HOME);
  });
  const silent = network({});
  await silent.clock.run(async () => {
    silent.transport.prepare?.(context, new AbortController().signal);
    await silent.clock.sleep(2000);
    assert.equal(silent.seen.length, 4, 'the first of three, on each origin');
    assert.deepEqual(await silent.sentTo(), HOME);
  });
});

test('nearest: each endpoint that some region has elsewhere is chosen by itself, queue and storage too', async () => {
  const elsewhere = {
    eu: { ...regions.eu, falQueueUrl: 'https://eu.queue.test' },
    us: { falQueueUrl: 'https://us.queue.test', falRestUrl: 'https://us.rest.test' },
  };
  const hosts = { ...NEAR, ...FAR, 'queue.fal.run': 30, 'eu.queue.test': 20, 'us.queue.test': 10, 'rest.fal.ai': 5 };
  const { clock, seen, sentTo } = network({ ...hosts, 'us.rest.test': 40 }, elsewhere);
  await clock.run(async () => {
    await sentTo();
    await clock.sleep(200);
    const wentTo = async (url: string): Promise<unknown> => (await sentTo(url))[0];
    assert.equal(await wentTo('https://queue.fal.run/app'), 'https://us.queue.test/app');
    assert.equal(await wentTo('https://rest.fal.ai/storage'), 'https://rest.fal.ai/storage', 'the default is nearer');
    assert.equal(await wentTo('https://fal.run/app'), 'https://eu.fal.test/app');
  });
  assert.equal(seen.filter(({ method }) => method === 'OPTIONS').length, 3 * (2 + 3 + 2 + 2));
});

test('nearest: a cancelled turn ends the measurement that it began, and the next one measures', async () => {
  const { clock, seen, transport, sentTo } = network({ ...NEAR, ...FAR });
  await clock.run(async () => {
    const turn = new AbortController();
    transport.prepare?.(context, turn.signal);
    await clock.sleep(15);
    turn.abort(new Error('the user hung up'));
    await clock.sleep(0);
    assert.equal(clock.sleeping(), 0, 'no timer and no probe is left');
    assert.deepEqual(await sentTo(), HOME);
    await clock.sleep(200);
    assert.deepEqual(await sentTo(), EU);
    transport.prepare?.(context, turn.signal);
    await clock.sleep(700_000);
    transport.prepare?.(context, new AbortController().signal);
    await transport.close();
    await clock.sleep(0);
    assert.equal(clock.sleeping(), 0, 'closing ends it too');
  });
  assert.ok(seen.length > 0);
});

test('nearest: nothing is measured for what is cancelled already, nor once the transport is closed; control: else it is', async () => {
  const { clock, seen, transport } = network({ ...NEAR, ...FAR });
  await clock.run(async () => {
    transport.prepare?.(context, AbortSignal.abort(new Error('the user hung up')));
    assert.deepEqual([seen.length, clock.sleeping()], [0, 0]);
    transport.prepare?.(context, new AbortController().signal);
    assert.equal(seen.length, 4, 'control');
    await transport.close();
    await clock.sleep(0);
    transport.prepare?.(context, new AbortController().signal);
    assert.deepEqual([seen.length, clock.sleeping()], [4, 0]);
  });
});

test('nearest: a URL that a provider named, and one of another origin, are left alone', async () => {
  const { clock, seen, transport, sentTo } = network({ ...NEAR, ...FAR, 'fal.run.evil.test': 1 });
  await clock.run(async () => {
    await sentTo();
    await clock.sleep(200);
    await sentTo('https://fal.run.evil.test/app');
    assert.equal(seen.at(-1)?.url, 'https://fal.run.evil.test/app');
    await transport.send({ ...call('https://fal.run/file'), publicOnly: true }, { startUs: 0 });
    assert.equal(seen.at(-1)?.url, 'https://fal.run/file');
  });
});

test('RETAKE_REGIONS: full URLs under names; anything else is refused with what it should be', () => {
  const of = (text: string) => configFrom({ RETAKE_REGIONS: text }).regions;
  assert.deepEqual(of('{"eu":{"falRunUrl":"https://eu.fal.test/"}}'), { eu: { falRunUrl: 'https://eu.fal.test' } });
  assert.deepEqual(configFrom({}).regions, {});
  assert.throws(
    () => of('{"eu":{"falRunUrl":"eu.fal.test"}}'),
    /eu\.falRunUrl is not a full URL; set one such as https:/,
  );
  assert.throws(() => of('{"eu":{"cdnUrl":"https://x.test"}}'), /eu has cdnUrl; a region may have falRunUrl, /);
  assert.throws(() => of('{"nearest":{}}'), /"nearest" cannot be a name/);
  assert.throws(() => of('{"eu":"https://x.test"}'), /RETAKE_REGIONS cannot be read; set \{"NAME"/);
  assert.throws(
    () => of('no-such-file.json'),
    /^InputError: RETAKE_REGIONS=no-such-file.json: cannot be read \(ENOENT.*set \{"NAME"/,
  );
});

test('a strategy names a region that is configured, and no other; nothing that every object has is one', () => {
  const regions = { eu: { falRunUrl: 'https://eu.fal.test' } };
  for (const region of [undefined, 'none', 'nearest', 'eu']) checkRegion(region, regions);
  for (const region of ['us', 'constructor', 'https', 'default'])
    assert.throws(() => checkRegion(region, regions), /"network.region" must be none, nearest, eu, not /);
});

test('nearest: refused where no regions are configured', () => {
  const { clock, transport } = network({});
  const options = { clock, endpoints: LIVE_ENDPOINTS, regions: {}, region: 'nearest' };
  assert.throws(() => inRegion(transport, options), /no regions are configured: set RETAKE_REGIONS/);
});

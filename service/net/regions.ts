/** Named base URLs beside the default ones, and which of them is nearest: the mechanism of `network.region`. */
import { InputError } from '../errors.ts';
import type { Clock, ExchangeContext, HttpMarks, Transport } from '../ports.ts';
import { withoutQuery } from './request.ts';

export interface Endpoints {
  falRunUrl: string;
  falQueueUrl: string;
  falRestUrl: string;
  openRouterUrl: string;
}
/** What a region has elsewhere; the rest stays with the default endpoints. From configuration only: keys go there. */
export type Regions = Readonly<Record<string, Partial<Endpoints>>>;

const NONE = 'none';
const NEAREST = 'nearest';
/** The endpoints without a region, as spans name them. */
const DEFAULT = 'default';
export const RESERVED_REGIONS: readonly string[] = [NONE, NEAREST, DEFAULT];

const SAMPLES = 3;
const PROBE_LIMIT_MS = 1000;
const CHOICE_LASTS_MS = 600_000;

/** Throws `InputError`, with the names there are, where no region of the strategy's name is configured. */
export function checkRegion(region: string | undefined, regions: Regions): void {
  const names = Object.keys(regions);
  if (region === undefined || region === NONE || names.includes(region)) return;
  if (region === NEAREST && names.length > 0) return;
  throw new InputError(
    names.length === 0
      ? `knob "network.region" is ${region}, but no regions are configured: set RETAKE_REGIONS`
      : `knob "network.region" must be ${[NONE, NEAREST, ...names].join(', ')}, not ${region}`,
  );
}

export interface RegionOptions {
  clock: Clock;
  /** The default ones. */
  endpoints: Endpoints;
  regions: Regions;
  region: string | undefined;
}

/**
 * The same transport, calling the region's base URLs. `nearest` is measured beside the turn: no exchange waits for it,
 * those before the result go to the default endpoints. Throws `InputError` for an unknown region.
 */
export function inRegion(transport: Transport, options: RegionOptions): Transport {
  const { clock, endpoints, regions, region } = options;
  checkRegion(region, regions);
  if (region === undefined || region === NONE) return transport;
  let chosen = region === NEAREST ? DEFAULT : region;
  let untilUs = region === NEAREST ? -Infinity : Infinity;
  let choosing = Promise.resolve();
  const choice = (context: ExchangeContext): Promise<void> => {
    if (clock.nowUs() < untilUs) return choosing;
    untilUs = clock.nowUs() + CHOICE_LASTS_MS * 1000;
    choosing = nearestOf(transport, options, context).then((name) => {
      chosen = name;
    });
    return choosing;
  };
  const there = (): [from: string, to: string][] =>
    basesOf(endpoints).map(([key, from]) => [from, regions[chosen]?.[key] ?? from]);

  return {
    ...transport,
    prepare: (context) => void choice(context),
    async send(request, marks) {
      void choice(request.context);
      marks.region = chosen;
      // a URL that a provider named is its own
      const base = request.publicOnly === true ? undefined : there().find(([from]) => isUnder(request.url, from));
      const url = base === undefined ? request.url : base[1] + request.url.slice(base[0].length);
      if (url !== request.url) marks.url = withoutQuery(url);
      return transport.send({ ...request, url }, marks);
    },
    async openAhead(target, signal) {
      const [first] = target.contexts;
      if (first !== undefined) await choice(first);
      const base = there().find(([from]) => new URL(from).origin === target.origin);
      const origin = base === undefined ? target.origin : new URL(base[1]).origin;
      return transport.openAhead({ ...target, origin }, signal);
    },
  };
}

function basesOf(endpoints: Endpoints): [key: keyof Endpoints, url: string][] {
  const { falRunUrl, falQueueUrl, falRestUrl, openRouterUrl } = endpoints;
  return [
    ['falRunUrl', falRunUrl],
    ['falQueueUrl', falQueueUrl],
    ['falRestUrl', falRestUrl],
    ['openRouterUrl', openRouterUrl],
  ];
}

function isUnder(url: string, base: string): boolean {
  return url === base || url.startsWith(`${base}/`);
}

/** The region whose fal and OpenRouter origins answer soonest in sum; the default where none answers. Never rejects. */
async function nearestOf(transport: Transport, options: RegionOptions, context: ExchangeContext): Promise<string> {
  const { endpoints, regions, clock } = options;
  const over = new AbortController();
  clock.sleep(PROBE_LIMIT_MS, over.signal).then(
    () => over.abort(new Error('no answer in time')),
    () => undefined,
  );
  /** One measurement a URL, also where regions share it. */
  const known = new Map<string, Promise<number>>();
  const firstByteUs = (url: string): Promise<number> => {
    const measured = known.get(url) ?? medianUs(transport, clock, url, context, over.signal).catch(() => Infinity);
    known.set(url, measured);
    return measured;
  };
  const totals = await Promise.all(
    [DEFAULT, ...Object.keys(regions)].map(async (name) => {
      const { falRunUrl, openRouterUrl } = { ...endpoints, ...regions[name] };
      const [fal, openRouter] = await Promise.all([firstByteUs(falRunUrl), firstByteUs(openRouterUrl)]);
      return { name, totalUs: fal + openRouter };
    }),
  );
  over.abort(new Error('measured'));
  return totals.reduce((best, each) => (each.totalUs < best.totalUs ? each : best)).name;
}

/** Median time to first byte of requests without a key, one after another; any status is an answer. */
async function medianUs(
  transport: Transport,
  clock: Clock,
  url: string,
  context: ExchangeContext,
  signal: AbortSignal,
): Promise<number> {
  const tookUs: number[] = [];
  for (let fetchIndex = 0; fetchIndex < SAMPLES; fetchIndex++) {
    const marks: HttpMarks = { startUs: clock.nowUs() };
    const probe: ExchangeContext = { ...context, stage: 'endpointing', ordinal: 0, attempt: 0, fetchIndex };
    const request = { url, method: 'HEAD', headers: new Headers(), context: probe, signal };
    const response = await transport.send(request, marks);
    tookUs.push(clock.nowUs() - marks.startUs);
    await response.text(); // to its end, so that the connection serves the next one
  }
  return tookUs.sort((a, b) => a - b)[Math.floor(SAMPLES / 2)] ?? Infinity;
}

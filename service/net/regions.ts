/** Named base URLs beside the default ones, and the choice of the nearest: the mechanism of `network.region`. */
import { InputError } from '../base/errors.ts';
import type { Clock, ExchangeContext, HttpMarks, Transport } from '../base/ports.ts';
import { withoutQuery } from './request.ts';

export interface Endpoints {
  falRunUrl: string;
  falQueueUrl: string;
  falRestUrl: string;
  openRouterUrl: string;
}
/** The endpoints that a region has elsewhere; others stay the default ones. From configuration only: keys go there. */
export type Regions = Readonly<Record<string, Partial<Endpoints>>>;

const NONE = 'none';
const NEAREST = 'nearest';
/** In spans: the endpoints without a region. */
const DEFAULT = 'default';
export const RESERVED_REGIONS: readonly string[] = [NONE, NEAREST, DEFAULT];

const SAMPLES = 3;
export const PROBE_LIMIT_MS = 1000;
const CHOICE_LASTS_MS = 600_000;

/** Throws `InputError`, with the configured names, for a region that is not configured. */
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
  endpoints: Endpoints;
  regions: Regions;
  region: string | undefined;
}

type Base = keyof Endpoints;

/**
 * The same transport, calling the region's base URLs. `nearest` is measured beside the turn, for each endpoint that
 * some region has elsewhere. No exchange waits: before the result, exchanges go to the default endpoints. A measurement
 * ends with the signal it began under: the turn's, or one attempt's where no turn was prepared. The next call then
 * measures anew. Throws `InputError` for an unknown region.
 */
export function inRegion(transport: Transport, options: RegionOptions): Transport {
  const { clock, endpoints, regions, region } = options;
  checkRegion(region, regions);
  if (region === undefined || region === NONE) return transport;
  let nearest: ReadonlyMap<Base, string> = new Map();
  let untilUs = region === NEAREST ? -Infinity : Infinity;
  let choosing = Promise.resolve();
  const closing = new AbortController();
  const choice = (context: ExchangeContext, signal?: AbortSignal): Promise<void> => {
    if (clock.nowUs() < untilUs || closing.signal.aborted || signal?.aborted === true) return choosing;
    untilUs = clock.nowUs() + CHOICE_LASTS_MS * 1000;
    choosing = nearestOf(transport, options, context, [closing.signal, ...(signal === undefined ? [] : [signal])]).then(
      (found) => {
        if (found === undefined) untilUs = -Infinity;
        else nearest = found;
      },
    );
    return choosing;
  };
  /** The region of an endpoint, and its URL there. */
  const there = (key: Base): { name: string; url: string } => {
    const name = region === NEAREST ? (nearest.get(key) ?? DEFAULT) : region;
    const url = regions[name]?.[key];
    return url === undefined ? { name: DEFAULT, url: endpoints[key] } : { name, url };
  };

  return {
    ...transport,
    prepare: (context, signal) => void choice(context, signal),
    async send(request, marks) {
      void choice(request.context, request.signal);
      // a URL that a provider named has no region
      const key = request.publicOnly === true ? undefined : BASES.find((each) => isUnder(request.url, endpoints[each]));
      if (key === undefined) {
        marks.region = DEFAULT;
        return transport.send(request, marks);
      }
      const { name, url: base } = there(key);
      marks.region = name;
      const url = base + request.url.slice(endpoints[key].length);
      if (url !== request.url) marks.url = withoutQuery(url);
      return transport.send({ ...request, url }, marks);
    },
    async openAhead(target, signal) {
      const [first] = target.contexts;
      if (first !== undefined) await choice(first, signal);
      const key = BASES.find((each) => new URL(endpoints[each]).origin === target.origin);
      const origin = key === undefined ? target.origin : new URL(there(key).url).origin;
      return transport.openAhead({ ...target, origin }, signal);
    },
    close() {
      closing.abort(new Error('the transport is closed'));
      return transport.close();
    },
  };
}

const BASES: readonly Base[] = ['falRunUrl', 'falQueueUrl', 'falRestUrl', 'openRouterUrl'];

function isUnder(url: string, base: string): boolean {
  return url === base || url.startsWith(`${base}/`);
}

/**
 * For each endpoint that a region has elsewhere, the region that answers soonest. The default where it is the soonest,
 * or none answers. fal's CDN has no base URL: a provider names its files. Undefined when cancelled. Never rejects.
 */
async function nearestOf(
  transport: Transport,
  options: RegionOptions,
  context: ExchangeContext,
  cancelledBy: readonly AbortSignal[],
): Promise<ReadonlyMap<Base, string> | undefined> {
  const { endpoints, regions, clock } = options;
  const over = new AbortController();
  const stop = (): void => over.abort(new Error('not measured to its end'));
  for (const signal of cancelledBy) signal.addEventListener('abort', stop, { once: true, signal: over.signal });
  clock.sleep(PROBE_LIMIT_MS, over.signal).then(stop, () => undefined);
  /** Regions may share a URL: it is measured once. */
  const known = new Map<string, Promise<number>>();
  const firstByteUs = (url: string): Promise<number> => {
    const measured = known.get(url) ?? medianUs(transport, clock, url, context, over.signal).catch(() => Infinity);
    known.set(url, measured);
    return measured;
  };
  const nearest = await Promise.all(
    BASES.map(async (key): Promise<[Base, string]> => {
      const there = Object.entries(regions).flatMap(([name, { [key]: url }]) =>
        url === undefined ? [] : [{ name, url }],
      );
      if (there.length === 0) return [key, DEFAULT];
      const all = [{ name: DEFAULT, url: endpoints[key] }, ...there];
      const tookUs = await Promise.all(all.map(async ({ name, url }) => ({ name, us: await firstByteUs(url) })));
      return [key, tookUs.reduce((best, each) => (each.us < best.us ? each : best)).name];
    }),
  );
  over.abort(new Error('measured'));
  return cancelledBy.some(({ aborted }) => aborted) ? undefined : new Map(nearest);
}

/**
 * Median time to first byte of requests without a key, one after another on one connection. Any status is an answer.
 * `OPTIONS`, since undici closes a connection after `HEAD`.
 */
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
    const request = { url, method: 'OPTIONS', headers: new Headers(), context: probe, signal };
    const response = await transport.send(request, marks);
    tookUs.push(clock.nowUs() - marks.startUs);
    const body = response.body?.getReader();
    while (body !== undefined && !(await body.read()).done); // to its end, so that the connection serves the next one
  }
  return tookUs.sort((a, b) => a - b)[Math.floor(SAMPLES / 2)] ?? Infinity;
}

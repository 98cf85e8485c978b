/** Names are resolved ahead and kept for the time in their records: the mechanism of `network.preResolve`. */
import { lookup as systemLookup, Resolver } from 'node:dns/promises';
import { isIP, type LookupFunction } from 'node:net';
import type { Clock } from '../base/ports.ts';

export interface Address {
  address: string;
  family: 4 | 6;
}

/** Addresses of a name, and how long its records may be kept. Rejects as `dns.lookup` does. */
export type Resolve = (hostname: string) => Promise<{ addresses: readonly Address[]; ttlMs: number }>;

export interface NameCache {
  /** The name's addresses, if they are there. */
  known(hostname: string): readonly Address[] | undefined;
  /** The name's addresses; a lookup that is under way is shared. */
  resolve(hostname: string): Promise<readonly Address[]>;
}

/** A service talks to a handful of hosts: a cache with more has bad input. */
const NAMES_LIMIT = 256;
/** For records without a time: of `/etc/hosts`, or of a system resolver. */
const ASSUMED_TTL_MS = 10_000;

/** A cache on the clock. An entry is forgotten when its time is over, a failed lookup at once. */
export function createNameCache(clock: Clock, resolve: Resolve = resolveByDns): NameCache {
  const entries = new Map<string, { untilUs: number; addresses: readonly Address[] }>();
  const running = new Map<string, Promise<readonly Address[]>>();
  const known = (hostname: string): readonly Address[] | undefined => {
    const entry = entries.get(hostname);
    if (entry === undefined || entry.untilUs > clock.nowUs()) return entry?.addresses;
    entries.delete(hostname);
    return undefined;
  };
  const lookUp = async (hostname: string): Promise<readonly Address[]> => {
    try {
      const { addresses, ttlMs } = await resolve(hostname);
      if (entries.size >= NAMES_LIMIT) entries.clear();
      if (ttlMs > 0) entries.set(hostname, { untilUs: clock.nowUs() + ttlMs * 1000, addresses });
      return addresses;
    } finally {
      running.delete(hostname);
    }
  };
  return {
    known,
    resolve(hostname) {
      const addresses = known(hostname);
      if (addresses !== undefined) return Promise.resolve(addresses);
      const started = running.get(hostname) ?? lookUp(hostname);
      running.set(hostname, started);
      return started;
    },
  };
}

/** A lookup for sockets, answered by `find`. */
export function lookupBy(find: (hostname: string) => Promise<readonly Address[]>): LookupFunction {
  return (hostname, options, callback) => {
    find(hostname).then(
      (addresses) => {
        const [first] = addresses;
        if (first === undefined) callback(unknownName(hostname), '');
        else if (options.all === true) callback(null, [...addresses]);
        else callback(null, first.address, first.family);
      },
      (error: unknown) => callback(error instanceof Error ? error : unknownName(hostname), ''),
    );
  };
}

/** A resolver that asks a socket's lookup function. */
export function resolveBy(lookup: LookupFunction): Resolve {
  return (hostname) =>
    new Promise((resolve, reject) => {
      lookup(hostname, { all: true }, (error, found) => {
        if (error !== null) reject(error);
        else resolve({ addresses: addressesOf(found), ttlMs: ASSUMED_TTL_MS });
      });
    });
}

/**
 * Asks DNS, which alone says how long an answer may be kept; then the system's lookup, for names that DNS does not
 * know.
 */
async function resolveByDns(hostname: string): Promise<{ addresses: readonly Address[]; ttlMs: number }> {
  const resolver = new Resolver();
  const [four, six] = await Promise.allSettled([
    resolver.resolve4(hostname, { ttl: true }),
    resolver.resolve6(hostname, { ttl: true }),
  ]);
  const records = [
    ...(four.status === 'fulfilled' ? four.value : []),
    ...(six.status === 'fulfilled' ? six.value : []),
  ];
  if (records.length === 0) {
    return { addresses: addressesOf(await systemLookup(hostname, { all: true })), ttlMs: ASSUMED_TTL_MS };
  }
  const addresses = addressesOf(records.map(({ address }) => ({ address, family: isIP(address) })));
  return { addresses, ttlMs: Math.min(...records.map(({ ttl }) => ttl)) * 1000 };
}

function addressesOf(found: string | readonly { address: string; family: number }[]): Address[] {
  const all = typeof found === 'string' ? [{ address: found, family: isIP(found) }] : found;
  return all.flatMap(({ address, family }) => (family === 4 || family === 6 ? [{ address, family }] : []));
}

function unknownName(hostname: string): NodeJS.ErrnoException {
  return Object.assign(new Error(`getaddrinfo ENOTFOUND ${hostname}`), { code: 'ENOTFOUND' });
}

/** Private addresses. No provider keeps a file there: a URL that leads there is an attack on the own network. */
import { lookup as systemLookup } from 'node:dns';
import { BlockList, isIP, type LookupFunction } from 'node:net';
import { lookupBy, resolveBy } from './resolver.ts';

const SUBNETS: readonly [network: string, prefix: number, family: 'ipv4' | 'ipv6'][] = [
  ['0.0.0.0', 8, 'ipv4'],
  ['10.0.0.0', 8, 'ipv4'],
  ['100.64.0.0', 10, 'ipv4'], // carrier-grade NAT
  ['127.0.0.0', 8, 'ipv4'],
  ['169.254.0.0', 16, 'ipv4'], // link-local, where clouds keep their metadata
  ['172.16.0.0', 12, 'ipv4'],
  ['192.0.0.0', 24, 'ipv4'],
  ['192.168.0.0', 16, 'ipv4'],
  ['198.18.0.0', 15, 'ipv4'],
  ['224.0.0.0', 3, 'ipv4'], // multicast, reserved, broadcast
  ['::', 96, 'ipv6'], // unspecified, loopback, IPv4-compatible
  ['64:ff9b::', 96, 'ipv6'], // NAT64
  ['fc00::', 7, 'ipv6'],
  ['fe80::', 10, 'ipv6'],
  ['ff00::', 8, 'ipv6'],
];

const PRIVATE = new BlockList();
for (const [network, prefix, family] of SUBNETS) PRIVATE.addSubnet(network, prefix, family);

/** Whether an address lies outside of the public Internet. IPv4 in IPv6 (`::ffff:10.0.0.1`) counts as IPv4. */
export function isPrivateAddress(address: string): boolean {
  const family = isIP(address);
  if (family === 0) return true;
  return PRIVATE.check(address, family === 6 ? 'ipv6' : 'ipv4');
}

export class PrivateAddressError extends Error {
  constructor(hostname: string, address: string) {
    super(`${hostname} leads to the private address ${address}; list the host in RETAKE_AUDIO_HOSTS if it is yours`);
    this.name = 'PrivateAddressError';
  }
}

/** A socket's lookup that refuses a name with any private address. The socket connects to the checked addresses. */
export function publicLookup(lookup: LookupFunction = systemLookup): LookupFunction {
  const resolve = resolveBy(lookup);
  return lookupBy(async (hostname) => {
    const { addresses } = await resolve(hostname);
    const inside = addresses.find(({ address }) => isPrivateAddress(address));
    if (inside !== undefined) throw new PrivateAddressError(hostname, inside.address);
    return addresses;
  });
}

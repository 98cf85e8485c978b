/**
 * Which client a request is of: by its address, since clients take turns and share memory by it. Behind a proxy that the operator trusts
 * it is the address that the proxy tells. For example with 10.0.0.2 trusted, `X-Forwarded-For: 1.2.3.4, 5.6.7.8` from there is client
 * 5.6.7.8: whoever is there may have written the rest.
 */
import type { IncomingMessage } from 'node:http';
import { BlockList, isIP } from 'node:net';

/** Names the client of a request, of HTTP and of a WebSocket alike. */
export type ClientOf = (request: Pick<IncomingMessage, 'headers' | 'socket'>) => string;

/** Addresses and networks, such as `10.0.0.2`, `10.0.0.0/8`, `fd00::/8`. Undefined where one of them cannot be read. */
export function networksOf(texts: readonly string[]): BlockList | undefined {
  const networks = new BlockList();
  for (const text of texts) {
    const [address = '', bits, ...more] = text.split('/');
    const version = isIP(address);
    const most = version === 6 ? 128 : 32;
    const prefix = bits === undefined ? most : Number(/^\d+$/.exec(bits)?.[0]);
    if (version === 0 || more.length > 0 || !(prefix <= most)) return undefined;
    networks.addSubnet(address, prefix, version === 6 ? 'ipv6' : 'ipv4');
  }
  return networks;
}

/** Trusts what these addresses and networks tell of their clients, and nobody else. */
export function createClientOf(trustedProxies: readonly string[]): ClientOf {
  const networks = networksOf(trustedProxies);
  const isTrusted = (address: string): boolean => {
    const version = isIP(address);
    return version !== 0 && networks?.check(address, version === 6 ? 'ipv6' : 'ipv4') === true;
  };
  return ({ headers, socket }) => {
    let client = socket.remoteAddress ?? '';
    const told = [headers['x-forwarded-for'] ?? ''].flat().join(',').split(',');
    for (let hop = told.pop()?.trim(); hop !== undefined && isTrusted(client); hop = told.pop()?.trim()) {
      if (isIP(hop) === 0) break;
      client = hop;
    }
    return ownerOf(client);
  };
}

/** Of IPv6 the first half: whoever has one address of it has all. */
function ownerOf(address: string): string {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1];
  if (mapped !== undefined) return mapped;
  if (isIP(address) !== 6) return address;
  const [front = '', back] = address.split('%', 1).join('').split('::');
  const groups = (text: string): string[] => (text === '' ? [] : text.split(':'));
  const behind = groups(back ?? '').length + (address.includes('.') ? 1 : 0);
  const zeros = back === undefined ? 0 : Math.max(0, 8 - groups(front).length - behind);
  const all = [...groups(front), ...Array.from({ length: zeros }, () => '0'), ...groups(back ?? '')];
  return all
    .slice(0, 4)
    .map((group) => parseInt(group, 16).toString(16))
    .join(':');
}

import assert from 'node:assert/strict';
import type { IncomingMessage } from 'node:http';
import { test } from 'node:test';
import { createClientOf, networksOf } from './client-address.ts';

function clientOf(trusted: readonly string[], from: string, forwarded?: string | string[]): string {
  const request = { headers: { 'x-forwarded-for': forwarded }, socket: { remoteAddress: from } };
  return createClientOf(trusted)(request as unknown as IncomingMessage);
}

test('without the setting a forged X-Forwarded-For changes nothing', () => {
  assert.equal(clientOf([], '10.0.0.2', '1.2.3.4'), '10.0.0.2');
  assert.equal(clientOf(['10.0.0.2'], '10.0.0.3', '1.2.3.4'), '10.0.0.3', 'nor does one of a stranger');
});

test('a trusted proxy tells the client: the last address that no trusted proxy has', () => {
  const trusted = ['10.0.0.0/8', '::1'];
  assert.equal(clientOf(trusted, '10.0.0.2', '1.2.3.4'), '1.2.3.4');
  assert.equal(clientOf(trusted, '::ffff:10.0.0.2', '6.6.6.6, 1.2.3.4, 10.9.9.9'), '1.2.3.4');
  assert.equal(clientOf(trusted, '::1', ['6.6.6.6', '1.2.3.4']), '1.2.3.4');
  assert.equal(clientOf(trusted, '10.0.0.2', '1.2.3.4, nonsense'), '10.0.0.2', 'what is no address is not followed');
  assert.equal(clientOf(trusted, '10.0.0.2'), '10.0.0.2');
});

test('addresses of one IPv6 network of 64 bits are one client, and IPv4 within IPv6 is IPv4', () => {
  assert.equal(clientOf([], '2001:db8:1:2::5'), clientOf([], '2001:0db8:0001:0002:aaaa:bbbb:cccc:dddd'));
  assert.notEqual(clientOf([], '2001:db8:1:2::5'), clientOf([], '2001:db8:1:3::5'));
  assert.equal(clientOf([], '::ffff:1.2.3.4'), '1.2.3.4');
});

test('what is no address or network cannot be read', () => {
  for (const text of ['proxy', '10.0.0.0/33', '10.0.0.0/', 'fd00::/129', '10.0.0.0/8/8'])
    assert.equal(networksOf([text]), undefined, text);
  assert.ok(networksOf(['10.0.0.0/8', 'fd00::/8', '::1']));
});

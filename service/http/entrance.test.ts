import assert from 'node:assert/strict';
import { test } from 'node:test';
import { listenError, openEntrance } from './entrance.ts';

const failing = (code: string): Error => Object.assign(new Error(`listen ${code}`), { code });

test('an address that cannot be had is one line that says why and what to set', () => {
  const cases: Readonly<Record<string, RegExp>> = {
    EADDRINUSE: /^port 80 is taken; stop what listens there, or set RETAKE_PORT to another port/,
    EACCES: /^port 80 is not for this user, as ports below 1024 usually are; set RETAKE_PORT=8080$/,
    EADDRNOTAVAIL: /^RETAKE_HOST=here is no address of this machine; set RETAKE_HOST=127\.0\.0\.1/,
    ENOTFOUND: /^RETAKE_HOST=here cannot be looked up; set RETAKE_HOST=127\.0\.0\.1/,
  };
  for (const [code, says] of Object.entries(cases)) {
    const error = listenError(failing(code), { host: 'here', port: 80 });
    assert.ok(error instanceof Error && error.name === 'InputError', code);
    assert.match(error.message, says);
    assert.ok(!error.message.includes('\n'));
  }
  const other = failing('EMFILE');
  assert.equal(listenError(other, { host: 'here', port: 80 }), other, 'control: not about the address');
});

test('an address of another machine is refused in the same words by the system itself', async () => {
  // 192.0.2.0/24 is for documentation: no machine has it
  await assert.rejects(openEntrance({ host: '192.0.2.1', port: 0 }), {
    name: 'InputError',
    message: /RETAKE_HOST=192\.0\.2\.1 is no address of this machine/,
  });
});

test('an IPv6 address stands in brackets in the URL', async (t) => {
  const entrance = await openEntrance({ host: '::1', port: 0 });
  t.after(() => entrance.close());
  assert.match(entrance.url, /^http:\/\/\[::1\]:\d+$/);
  assert.equal((await fetch(entrance.url)).status, 503);
});

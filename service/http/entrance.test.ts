import assert from 'node:assert/strict';
import { once } from 'node:events';
import { Duplex } from 'node:stream';
import { test, type TestContext } from 'node:test';
import { rawAnswer } from '../../testing/raw-http.ts';
import { createRealClock } from '../base/clock.ts';
import { listenError, openEntrance } from './entrance.ts';
import type { GuardRules } from './guard.ts';
import { refuseAndClose } from './problem.ts';

const clock = createRealClock();

const LOOPBACK = { hosts: [], origins: [] };

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
  await assert.rejects(openEntrance({ host: '192.0.2.1', port: 0, clock, guard: LOOPBACK }), {
    name: 'InputError',
    message: /RETAKE_HOST=192\.0\.2\.1 is no address of this machine/,
  });
});

test('an IPv6 address stands in brackets in the URL', async (t) => {
  const entrance = await openEntrance({ host: '::1', port: 0, clock, guard: LOOPBACK });
  t.after(() => entrance.close());
  assert.match(entrance.url, /^http:\/\/\[::1\]:\d+$/);
  assert.equal((await fetch(entrance.url)).status, 503);
});

/** An entrance with a handler that says what it was asked; requests are written as they are. */
async function open(t: TestContext, guard: GuardRules = LOOPBACK) {
  const entrance = await openEntrance({ host: '127.0.0.1', port: 0, clock, guard });
  t.after(() => entrance.close());
  entrance.open({
    request: (request, response) => {
      let body = '';
      request.on('data', (chunk: Buffer) => (body += chunk.toString()));
      request.on('end', () => response.end(`${request.method} ${request.url} ${body}`));
    },
    upgrade: (_request, duplex) => duplex.end('HTTP/1.1 101 Switching Protocols\r\n\r\n'),
  });
  const port = Number(new URL(entrance.url).port);
  return (start: string, headers: Readonly<Record<string, string>>, body = '') =>
    rawAnswer(port, start, { host: `127.0.0.1:${port}`, ...headers }, body);
}

const SOCKET = { connection: 'Upgrade', upgrade: 'websocket' };

test('the guard stands before requests and sockets alike, also while the service warms up', async (t) => {
  const ask = await open(t);
  for (const more of [{}, SOCKET]) {
    assert.match(await ask('GET /', { host: 'evil.example', ...more }), /^HTTP\/1.1 421 [^]*RETAKE_ALLOWED_HOSTS"/);
    assert.match(
      await ask('GET /', { origin: 'http://evil.example', ...more }),
      /^HTTP\/1.1 403 [^]*RETAKE_ALLOWED_ORIGINS"/,
    );
    assert.match(await ask('GET /', { 'sec-fetch-site': 'cross-site', ...more }), /^HTTP\/1.1 403 /);
  }
  assert.match(await ask('GET /', {}), /^HTTP\/1.1 200 [^]*GET \/ $/, 'control');
  assert.match(await ask('GET /', SOCKET), /^HTTP\/1.1 101 /, 'control');
  const warming = await openEntrance({ host: '127.0.0.1', port: 0, clock, guard: LOOPBACK });
  t.after(() => warming.close());
  const port = Number(new URL(warming.url).port);
  assert.match(await rawAnswer(port, 'GET /', { host: 'evil.example' }), /^HTTP\/1.1 421 /);
});

test('a page that is named is answered, preflight first', async (t) => {
  const ask = await open(t, { hosts: [], origins: ['http://app.example'] });
  const origin = 'http://app.example';
  const preflight = await ask('OPTIONS /', { origin, 'access-control-request-method': 'POST' });
  assert.match(preflight, /^HTTP\/1.1 204 [^]*access-control-allow-origin: http:\/\/app.example\r\n/);
  assert.match(
    await ask('POST /', { origin }),
    /^HTTP\/1.1 200 [^]*access-control-allow-origin: http:\/\/app.example\r\n/,
  );
  assert.match(await ask('GET /', { origin, ...SOCKET }), /^HTTP\/1.1 101 /);
  assert.doesNotMatch(await ask('POST /', {}), /access-control/);
});

test('an offer of another protocol than WebSocket is answered as if it were not there, with its body', async (t) => {
  const ask = await open(t);
  const h2c = {
    connection: 'Upgrade, HTTP2-Settings',
    upgrade: 'h2c',
    'http2-settings': 'AAEAAEAAAAIAAAABAAMAAABkAAQBAAAA',
  };
  assert.match(await ask('GET /healthz', h2c), /^HTTP\/1.1 200 [^]*GET \/healthz $/);
  assert.match(
    await ask('POST /v1/x', { ...h2c, 'content-length': '4' }, 'body'),
    /^HTTP\/1.1 200 [^]*POST \/v1\/x body$/,
  );
  assert.match(await ask('GET /', { ...SOCKET, upgrade: 'WebSocket' }), /^HTTP\/1.1 101 /, 'control');
});

test('answers tell browsers to run nothing of them and to guess no type; refusals too', async (t) => {
  const ask = await open(t);
  for (const host of ['localhost', 'evil.example']) {
    const answer = await ask('GET /', { host });
    assert.match(answer, /^content-security-policy: default-src 'none';frame-ancestors 'none'\r$/im);
    assert.match(answer, /^x-content-type-options: nosniff\r$/im);
    assert.match(answer, /^referrer-policy: no-referrer\r$/im);
    assert.doesNotMatch(
      answer,
      /^strict-transport-security/im,
      'the service does not know whether it stands behind TLS',
    );
  }
});

test('a refused upgrade is cut once its answer is out, though the client keeps its half open', async () => {
  let answer = '';
  const duplex = new Duplex({
    read: () => undefined,
    write: (chunk: Buffer, _encoding, done) => {
      answer += chunk.toString();
      done();
    },
  });
  refuseAndClose(duplex, { status: 401, title: 'Unauthorized', detail: 'no key' });
  await once(duplex, 'close');
  assert.match(answer, /^HTTP\/1\.1 401 Unauthorized\r\n/);
});

import assert from 'node:assert/strict';
import type { IncomingHttpHeaders } from 'node:http';
import { test } from 'node:test';
import { configFrom } from '../config.ts';
import { judgeRequest, type GuardRules } from './guard.ts';

const rules = (env: Parameters<typeof configFrom>[0] = {}): GuardRules => configFrom(env).guard;
const HERE = '127.0.0.1:8080';

/** `pass`, `preflight`, or the status of the refusal. */
function judged(headers: IncomingHttpHeaders, of = rules(), method = 'POST', url = '/v1/sessions'): string | number {
  const verdict = judgeRequest({ method, url, headers: { host: HERE, ...headers } }, of);
  return verdict.kind === 'refuse' ? verdict.problem.status : verdict.kind;
}

test('without a key, only hosts of this machine and those that are named are answered', () => {
  const named = rules({ RETAKE_ALLOWED_HOSTS: 'bot.example, other.example:9000' });
  const cases: readonly [host: string, of: GuardRules, expected: string | number][] = [
    ['localhost', rules(), 'pass'],
    ['LocalHost:3000', rules(), 'pass'],
    ['127.0.0.1:8080', rules(), 'pass'],
    ['127.9.8.7', rules(), 'pass'],
    ['[::1]:8080', rules(), 'pass'],
    ['', rules(), 421],
    ['evil.example', rules(), 421],
    ['evil.example:8080', rules(), 421],
    ['localhost.evil.example', rules(), 421],
    ['127.0.0.1.evil.example:8080', rules(), 421],
    ['evil.example:127.0.0.1', rules(), 421],
    ['10.0.0.5:8080', rules(), 421],
    ['0.0.0.0:8080', rules(), 421],
    ['bot.example', rules(), 421],
    ['bot.example', named, 'pass'],
    ['BOT.example:8443', named, 'pass'],
    ['other.example:9000', named, 'pass'],
    ['other.example', named, 421],
    ['localhost:8080', named, 'pass'],
    ['evil.example', named, 421],
  ];
  for (const [host, of, expected] of cases) assert.equal(judged({ host }, of), expected, host);
});

test('behind a key, or on a trusted network, any host is answered, unless hosts are named', () => {
  const [key, trust, named] = [
    { RETAKE_API_KEY: 'x' },
    { RETAKE_TRUST_NETWORK: 'yes', RETAKE_HOST: '0.0.0.0' },
    { RETAKE_ALLOWED_HOSTS: 'bot.example' },
  ];
  assert.equal(judged({ host: 'evil.example' }, rules(key)), 'pass');
  assert.equal(judged({ host: 'evil.example' }, rules(trust)), 'pass');
  assert.equal(judged({ host: 'evil.example' }, rules({ ...key, ...named })), 421);
  assert.equal(judged({ host: 'evil.example' }, rules({ ...trust, ...named })), 421);
  const bound = rules({ ...key, ...named, RETAKE_HOST: 'Box.example' });
  assert.equal(judged({ host: 'box.example:8080' }, bound), 'pass', 'the host that RETAKE_HOST names');
  assert.equal(judged({ host: '[fd00::5]:8080' }, rules({ ...key, ...named, RETAKE_HOST: 'fd00::5' })), 'pass');
});

test('pages of other origins are refused, with a key or without; programs and pages of the service are not', () => {
  const cross = { 'sec-fetch-site': 'cross-site' };
  const link = { ...cross, 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'document' };
  const cases: readonly [headers: IncomingHttpHeaders, expected: string | number, method?: string][] = [
    [{}, 'pass'],
    [{ origin: 'http://127.0.0.1:8080' }, 'pass'],
    [{ origin: 'https://bot.example', host: 'bot.example' }, 'pass'],
    [{ origin: 'https://bot.example', host: 'bot.example:443' }, 'pass'],
    [{ origin: 'http://127.0.0.1:3000' }, 403],
    [{ origin: 'http://localhost:8080' }, 403],
    [{ origin: 'https://evil.example' }, 403],
    [{ origin: 'null' }, 403],
    [{ origin: '' }, 403],
    [{ origin: 'file://' }, 403],
    [{ origin: 'not a url' }, 403],
    [cross, 403],
    [cross, 403, 'GET'],
    [link, 403],
    [link, 'pass', 'GET'],
    [{ ...link, 'sec-fetch-dest': 'iframe' }, 403, 'GET'],
    [{ 'sec-fetch-site': 'same-origin' }, 'pass'],
    [{ 'sec-fetch-site': 'none' }, 'pass', 'GET'],
  ];
  for (const [headers, expected, method] of cases)
    for (const env of [{ RETAKE_ALLOWED_HOSTS: 'bot.example' }, { RETAKE_API_KEY: 'x' }])
      assert.equal(judged(headers, rules(env), method), expected, JSON.stringify({ headers, method, env }));
});

test('a page that is named gets CORS: its preflight is answered, its answers may be read; others get nothing of it', () => {
  const of = rules({ RETAKE_ALLOWED_ORIGINS: 'https://app.example.com,http://localhost:3000' });
  const origin = 'https://app.example.com';
  const ask = (method: string, headers: IncomingHttpHeaders) =>
    judgeRequest({ method, url: '/v1/sessions', headers: { host: HERE, ...headers } }, of);
  const preflight = ask('OPTIONS', { origin, 'access-control-request-method': 'POST', 'sec-fetch-site': 'cross-site' });
  assert.deepEqual(preflight, {
    kind: 'preflight',
    headers: {
      vary: 'Origin',
      'access-control-allow-origin': origin,
      'access-control-allow-methods': 'GET, POST, DELETE',
      'access-control-allow-headers': 'authorization, content-type, accept',
      'access-control-max-age': '600',
    },
  });
  assert.deepEqual(ask('POST', { origin, 'sec-fetch-site': 'cross-site' }), {
    kind: 'pass',
    headers: {
      vary: 'Origin',
      'access-control-allow-origin': origin,
      'access-control-expose-headers': 'location, retry-after, x-trace-id',
    },
  });
  assert.deepEqual(ask('POST', {}), { kind: 'pass', headers: { vary: 'Origin' } });
  assert.equal(
    ask('OPTIONS', { origin: 'https://evil.example', 'access-control-request-method': 'POST' }).kind,
    'refuse',
  );
  assert.equal(ask('POST', { origin: 'https://app.example.com.evil.example' }).kind, 'refuse');
  assert.equal(ask('POST', { origin: 'http://app.example.com' }).kind, 'refuse');
});

test('/healthz answers whoever asks, and nothing else is called so', () => {
  const foreign = { host: '10.0.0.5:8080', origin: 'https://evil.example' };
  for (const url of ['/healthz', '/healthz?deep=1']) assert.equal(judged(foreign, rules(), 'GET', url), 'pass');
  for (const url of ['/healthz/', '/healthz/../v1/sessions', '/healthzz', '//healthz', '/v1/sessions#/healthz'])
    assert.equal(judged(foreign, rules(), 'GET', url), 421, url);
});

test('a refusal is one line that says what to set, and repeats at most a bit of what it was sent', () => {
  const problemOfHeaders = (headers: IncomingHttpHeaders) => {
    const verdict = judgeRequest({ method: 'POST', url: '/', headers: { host: HERE, ...headers } }, rules());
    return verdict.kind === 'refuse' ? verdict.problem.detail : '';
  };
  assert.equal(
    problemOfHeaders({ host: 'evil.example:8080' }),
    'this service does not answer for the host "evil.example:8080"; if that is its name, add the name to RETAKE_ALLOWED_HOSTS',
  );
  assert.equal(
    problemOfHeaders({ origin: 'https://evil.example' }),
    'pages of "https://evil.example" may not use this service; if such a page is yours, add its origin to RETAKE_ALLOWED_ORIGINS',
  );
  assert.match(
    problemOfHeaders({ 'sec-fetch-site': 'cross-site' }),
    /^pages of another site may not .* RETAKE_ALLOWED_/,
  );
  assert.ok(problemOfHeaders({ host: 'x'.repeat(5000) }).length < 250);
});

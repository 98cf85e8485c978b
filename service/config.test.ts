import assert from 'node:assert/strict';
import { test } from 'node:test';
import { configFrom } from './config.ts';

test('an empty setting is not set; a setting that is not set has the default of its world', () => {
  const config = configFrom({ RETAKE_API_KEY: '', FAL_KEY: '', RETAKE_PORT: '' });
  assert.deepEqual([config.world, config.host, config.port, config.capture], ['wire', '127.0.0.1', 8080, 'full']);
  assert.deepEqual([config.apiKey, config.falKey, config.generationRecords], [undefined, undefined, false]);
  const live = configFrom({ RETAKE_WORLD: 'live', FAL_KEY: 'a', OPENROUTER_API_KEY: 'b' });
  assert.deepEqual([live.capture, live.generationRecords, live.falKey], ['timing', true, 'a']);
});

test('how traces are looked at is the operator’s choice', () => {
  assert.deepEqual(configFrom({}).traceView, { playback: 'short', slowMs: 1400, readLagMs: 20 });
  const view = configFrom({
    RETAKE_TRACE_PLAYBACK: 'full',
    RETAKE_SLOW_MS: '3000',
    RETAKE_READ_LAG_MS: '50',
  }).traceView;
  assert.deepEqual(view, { playback: 'full', slowMs: 3000, readLagMs: 50 });
});

test('a wrong setting is one line: the variable, the complaint and the remedy', () => {
  const cases: readonly [env: Record<string, string>, says: RegExp][] = [
    [
      { RETAKE_PROT: '1' },
      /^RETAKE_PROT is not a setting \(did you mean "RETAKE_PORT"\?\); unset it, or use one of RETAKE_WORLD, /,
    ],
    [{ RETAKE_WORLD: 'sim' }, /^RETAKE_WORLD=sim is not known; set one of wire, live$/],
    [{ RETAKE_CAPTURE: 'all' }, /^RETAKE_CAPTURE=all is not known; set one of full, timing, off$/],
    [{ RETAKE_PORT: 'http' }, /^RETAKE_PORT=http is not a port; set a number from 1 to 65535, or 0/],
    [{ RETAKE_PORT: '65536' }, /^RETAKE_PORT=65536 is not a port/],
    [{ RETAKE_TRACE_PLAYBACK: 'long' }, /^RETAKE_TRACE_PLAYBACK=long is not known; set one of short, full$/],
    [{ RETAKE_SLOW_MS: '3 s' }, /^RETAKE_SLOW_MS=3 s is no time; set whole ms from 1, such as 3000$/],
    [{ RETAKE_READ_LAG_MS: '-5' }, /^RETAKE_READ_LAG_MS=-5 is no time; set whole ms from 1, such as 50$/],
    [{ RETAKE_SLOW_MS: '0' }, /^RETAKE_SLOW_MS=0 is no time/],
    [{ RETAKE_HOST: '0.0.0.0' }, /^RETAKE_HOST=0\.0\.0\.0 would serve others without a key; set RETAKE_API_KEY/],
    [{ RETAKE_WORLD: 'live', FAL_KEY: 'x' }, /^RETAKE_WORLD=live needs FAL_KEY and OPENROUTER_API_KEY; set both/],
    [{ RETAKE_FAL_RUN_URL: 'fal.run' }, /^RETAKE_FAL_RUN_URL is not a full URL; set one such as https:/],
    [{ RETAKE_FAL_RUN_URL: 'https://u:heron@fal.run' }, /^(?!.*heron)RETAKE_FAL_RUN_URL holds a user or password/],
    [{ OTEL_EXPORTER_OTLP_ENDPOINT: 'http://u@j' }, /^OTEL_EXPORTER_OTLP_ENDPOINT holds a user or password/],
    [{ RETAKE_AUDIO_HOSTS: 'https://cdn.test/x' }, /^RETAKE_AUDIO_HOSTS cannot be read; write hosts with commas/],
    [{ RETAKE_ALLOWED_HOSTS: 'http://a.test' }, /^RETAKE_ALLOWED_HOSTS cannot be read; write hosts with commas/],
    [{ RETAKE_ALLOWED_ORIGINS: 'a.test' }, /^RETAKE_ALLOWED_ORIGINS cannot be read; write full origins with commas/],
    [{ RETAKE_ALLOWED_ORIGINS: 'https://a.test/' }, /^RETAKE_ALLOWED_ORIGINS cannot be read/],
    [{ RETAKE_ALLOWED_ORIGINS: 'null' }, /^RETAKE_ALLOWED_ORIGINS cannot be read/],
    [{ RETAKE_ALLOWED_ORIGINS: '*' }, /^RETAKE_ALLOWED_ORIGINS cannot be read/],
  ];
  for (const [env, message] of cases) assert.throws(() => configFrom(env), { name: 'InputError', message });
  configFrom({ RETAKE_HOST: '0.0.0.0', RETAKE_TRUST_NETWORK: 'yes' }); // control
});

test('OTLP headers are decoded, and no message repeats their values', () => {
  const of = (text: string) => configFrom({ OTEL_EXPORTER_OTLP_HEADERS: text }).otlpHeaders;
  assert.deepEqual(of('X-Key = a%20b , other=c'), { 'x-key': 'a b', other: 'c' });
  for (const wrong of ['secret', 'key=secret%zz']) {
    assert.throws(
      () => of(wrong),
      ({ message }: Error) => /OTEL_EXPORTER_OTLP_HEADERS.*; write/.test(message) && !message.includes('secret'),
    );
  }
});

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import test from 'node:test';
import { ATTRIBUTES } from '../../service/telemetry/names.ts';
import { CONFIGS } from './run.ts';
import { publicUrl, SAVED_SEARCHES, searchUrl, uiConfigText } from './ui-config.ts';

const text = readFileSync(CONFIGS.ui, 'utf8');

test("Jaeger's page is configured by the rows", async () => {
  assert.equal(text, await uiConfigText(publicUrl({})), 'run: npm run docs -- ui-config');
});

test('links lead to the service, wherever a browser finds it', async () => {
  const elsewhere = await uiConfigText(publicUrl({ RETAKE_PUBLIC_URL: 'https://voice.example/retake/' }));
  assert.ok(elsewhere.includes('"https://voice.example/retake/v1/sessions/#{session.id}/turns/#{retake.turn.index}"'));
  assert.ok(!elsewhere.includes(publicUrl({})));
  assert.ok(text.includes(publicUrl({})), 'control: the committed one leads to this machine');
  assert.throws(() => publicUrl({ RETAKE_PUBLIC_URL: 'voice.example' }), /RETAKE_PUBLIC_URL is not a full URL/);
});

test('a search asks for tags that turns carry, and Jaeger fills in what it is to fill in', () => {
  const keys = new Set<string>(Object.values(ATTRIBUTES).map(({ key }) => key));
  for (const { label, tags } of SAVED_SEARCHES)
    for (const key of Object.keys(tags)) assert.ok(key === 'error' || keys.has(key), `${label}: ${key}`);
  const url = searchUrl({ 'session.id': '#{session.id}', 'retake.lane': 'captured' });
  assert.match(url, /tags=%7B%22session\.id%22%3A%22#\{session\.id\}%22%2C%22retake\.lane%22%3A%22captured%22%7D$/);
});

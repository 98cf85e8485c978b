import assert from 'node:assert/strict';
import { test } from 'node:test';
import { asInWire, uploadSessions } from '../../testing/sessions.ts';
import type { CapturedSession } from './captured-session.ts';
import { capturedWorld, isSameWorld, worldText } from './captured-world.ts';

const [simulated] = await uploadSessions({ sessions: 1, turns: 1 });
assert.ok(simulated !== undefined);

const asked = (urls: readonly string[]): CapturedSession => ({
  ...simulated,
  turns: simulated.turns.map((log) => ({
    ...log,
    events: urls.map((url, id) => ({ id, kind: 'http.start', stage: 'tts', atUs: id, attrs: { url } }) as const),
  })),
});

test('hosts are those of the exchanges; every address of this machine is one', () => {
  assert.deepEqual(capturedWorld([simulated]), { world: 'sim', profile: 'seed', hosts: ['fal.run', 'openrouter.ai'] });
  assert.deepEqual(capturedWorld([asInWire(simulated)]), { world: 'wire', profile: 'seed', hosts: ['loopback'] });
  const here = ['https://localhost:1/x', 'https://127.0.0.1:2/y', 'http://[::1]:3/', 'https://a.example/p'];
  assert.deepEqual(capturedWorld([asked(here)])?.hosts, ['a.example', 'loopback']);
});

test('sessions of several worlds or profiles are of none, and so is a session that asked nobody', () => {
  assert.equal(capturedWorld([simulated, asInWire(simulated)]), undefined);
  assert.equal(capturedWorld([simulated, { ...simulated, profile: 'zero' }]), undefined);
  assert.equal(capturedWorld([asked([])]), undefined);
  assert.equal(capturedWorld([asked(['not a url', `https://${'a'.repeat(300)}/`])]), undefined);
  const many = Array.from({ length: 21 }, (_, index) => `https://h${index}.example/`);
  assert.equal(capturedWorld([asked(many)]), undefined, 'hostile: as many hosts as one likes');
  assert.equal(capturedWorld([asked(many.slice(1))])?.hosts.length, 20, 'control');
});

test('a capture that calls itself live is not of the live world: its hosts and profile are others', () => {
  const live = { world: 'live', hosts: ['fal.run', 'openrouter.ai'] } as const;
  const relabelled = (session: CapturedSession) => ({
    ...session,
    turns: session.turns.map((log) => ({ ...log, identity: { ...log.identity, world: 'live' as const } })),
  });
  const of = (session: CapturedSession) => capturedWorld([session]) ?? assert.fail('no world');
  assert.equal(isSameWorld(live, of(relabelled(asInWire(simulated)))), false);
  assert.equal(isSameWorld(live, of(relabelled(simulated))), false, 'the profile tells');
  assert.equal(isSameWorld(live, of({ ...relabelled(simulated), profile: undefined })), true, 'control');
  assert.deepEqual([live, of(asInWire(simulated))].map(worldText), ['live (fal.run, openrouter.ai)', 'wire (profile seed)']); // prettier-ignore
});

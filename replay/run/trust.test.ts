import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { format, resolveConfig } from 'prettier';
import { patchFromSet } from '../../service/strategy/set.ts';
import {
  errorNotMeasured,
  holds,
  loadTrust,
  trustIn,
  trustInCandidate,
  trustInEndToEnd,
  trustTable,
  type Trust,
  type TrustRow,
} from './trust.ts';
import type { TurnLog } from '../../service/base/events.ts';
import type { CapturedSession } from '../sessions/captured-session.ts';
import { uploadSessions } from '../../testing/sessions.ts';
import { variantPatch } from '../variants/variants.ts';

const captured = await uploadSessions({ sessions: 1, turns: 1 });
/** The captures of the trust table's own world and profile. */
const sessions = captured.map((session) => ({ ...session, turns: session.turns.map(inWire) }));

function inWire(turn: TurnLog): TurnLog {
  return { ...turn, identity: { ...turn.identity, world: 'wire' } };
}

const row = (name: string, predictedPct: number, more: Partial<TrustRow> = {}): TrustRow => ({
  name,
  turns: 30,
  predictedPct,
  measuredPct: -10,
  lowPct: -12,
  highPct: -8,
  basis: { captured: 0.8, fitted: 0.2 },
  ...more,
});
const trust: Trust = {
  at: '2026-01-02',
  profile: 'seed',
  seed: 'x',
  world: 'wire',
  sessions: 10,
  identity: { turns: 30, medianPct: 0.1, p95Pct: 0.5 },
  rows: [row('good', -9), row('wide', -9, { lowPct: -20, highPct: 0 }), row('near', -7), row('far', -4.9)],
  left: [{ name: 'cpu', why: 'takes no virtual time' }],
};

test('a row holds when the prediction is inside an interval that is narrow enough', () => {
  assert.deepEqual(trust.rows.map(holds), [true, false, false, false]);
});

test('beside a figure stands its error; a figure whose error is beyond the limit is no result', () => {
  assert.deepEqual(trustIn('good', trust), {
    text: 'error +1.0 % within the measured interval of ±2.0',
    short: '+1.0 in ±2.0',
    shown: true,
    isMeasured: true,
  });
  assert.deepEqual(trustIn('near', trust), {
    text: 'error +3.0 % outside the measured interval of ±2.0',
    short: '+3.0 out of ±2.0',
    shown: true,
    isMeasured: true,
  });
  assert.equal(trustIn('far', trust).shown, false);
  assert.deepEqual(trustIn('cpu', trust), errorNotMeasured('takes no virtual time'));
  assert.match(trustIn('--set', trust).text, /not measured \(not in npm run verify -- trust\)/);
});

test('the error is of the named variant, unchanged, against the captured strategy; for anything else it is not measured', () => {
  const name = 'clause-chunking';
  const own: Trust = { ...trust, rows: [row(name, -4.9)] };
  const spec = { variant: name, patches: [variantPatch(name)] };
  assert.deepEqual(trustInCandidate({ spec, baseline: [], sessions }, own), trustIn(name, own));
  assert.equal(trustIn(name, own).shown, false, 'control: a bad error, which would show');
  const set = patchFromSet('tts.speed=1.1');
  const more = trustInCandidate({ spec: { ...spec, patches: [...spec.patches, set] }, baseline: [], sessions }, own);
  assert.deepEqual(more, errorNotMeasured(`more than ${name} was changed`));
  for (const against of [{ baseline: [set] }, { baseline: [], baselineCheckout: {} }])
    assert.match(
      trustInCandidate({ spec, ...against, sessions }, own).text,
      /not measured \(the baseline is not the captured/,
    );
});

test('an error that was measured in one world says nothing about captures of another world or profile', () => {
  const name = 'clause-chunking';
  const own: Trust = { ...trust, rows: [row(name, -9)] };
  const asked = (of: readonly CapturedSession[]) =>
    trustInCandidate({ spec: { variant: name, patches: [variantPatch(name)] }, baseline: [], sessions: of }, own);
  assert.equal(asked(sessions).isMeasured, true, 'control');
  const live = sessions.map((session) => ({
    ...session,
    turns: session.turns.map((turn) => ({ ...turn, identity: { ...turn.identity, world: 'live' as const } })),
  }));
  const elsewhere = asked(live);
  assert.deepEqual([elsewhere.isMeasured, elsewhere.shown], [false, true]);
  assert.match(elsewhere.text, /not measured \(in this world: replay 20 turns with --world live/);
  assert.doesNotMatch(elsewhere.text, /±/);
  assert.equal(asked(captured).isMeasured, false, 'captured in virtual time');
  assert.equal(asked(sessions.map((session) => ({ ...session, profile: 'mine' }))).isMeasured, false);
  assert.equal(asked([...sessions, ...live]).isMeasured, false, 'one session of another world is enough');
});

test('beside a gain in end to end an error of another metric is not shown as its own', () => {
  assert.deepEqual(trustInEndToEnd('good', 'first-audible', trust), trustIn('good', trust));
  assert.deepEqual(trustInEndToEnd('good', 'reply-end', trust), {
    text: 'error not measured (only of reply-end)',
    short: 'not measured',
    shown: true,
    isMeasured: false,
  });
  const { text, shown } = trustInEndToEnd('far', 'reply-end', trust);
  assert.deepEqual([text.endsWith(', of reply-end'), shown], [true, false]);
  assert.deepEqual(trustInEndToEnd('cpu', 'reply-end', trust), trustIn('cpu', trust));
});

test('the table names the rows that missed their bar, are not shown, or were left out', () => {
  const table = trustTable(trust);
  assert.match(table, /\| good .* holds/);
  assert.match(table, /\| near .* missed/);
  assert.match(table, /\| far .*\*\*not shown\*\*/);
  assert.match(table, /1 of 4 rows hold the bar/);
  assert.match(table, /Left out: cpu \(takes no virtual time\)/);
});

test('docs/virtual-time.md shows the figures of trust.json', async () => {
  const page = new URL('../../docs/virtual-time.md', import.meta.url);
  const kept = loadTrust();
  const table = await format(trustTable(kept), { ...(await resolveConfig(page)), parser: 'markdown' });
  assert.ok(readFileSync(page, 'utf8').includes(table.trim()), 'run: npm run verify -- trust');
});

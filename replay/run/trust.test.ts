import assert from 'node:assert/strict';
import { test } from 'node:test';
import { patchFromSet } from '../../service/strategy/set.ts';
import {
  errorNotMeasured,
  holds,
  trustIn,
  trustInCandidate,
  isSignWrong,
  tableFor,
  trustInEndToEnd,
  type Trust,
  type TrustRow,
} from './trust.ts';
import type { CapturedSession } from '../sessions/captured-session.ts';
import { asInWire, uploadSessions } from '../../testing/sessions.ts';
import { variantPatch } from '../variants/variants.ts';

const captured = await uploadSessions({ sessions: 1, turns: 1 });
/** The captures of the trust table's own world and profile. */
const sessions = captured.map(asInWire);
const profile = 'seed';

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
  profile,
  predictedWith: profile,
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
  assert.deepEqual(trustInCandidate({ spec, baseline: [], sessions, profile }, [own]), trustIn(name, own));
  assert.equal(trustIn(name, own).shown, false, 'control: a bad error, which would show');
  const set = patchFromSet('tts.speed=1.1');
  const more = trustInCandidate(
    { spec: { ...spec, patches: [...spec.patches, set] }, baseline: [], sessions, profile },
    [own],
  );
  assert.deepEqual(more, errorNotMeasured(`more than ${name} was changed`));
  for (const against of [{ baseline: [set] }, { baseline: [], baselineCheckout: {} }])
    assert.match(
      trustInCandidate({ spec, ...against, sessions, profile }, [own]).text,
      /not measured \(the baseline is not the captured/,
    );
});

test('an error that was measured in one world says nothing about captures of another world or profile', () => {
  const name = 'clause-chunking';
  const own: Trust = { ...trust, rows: [row(name, -9)] };
  const asked = (of: readonly CapturedSession[]) =>
    trustInCandidate({ spec: { variant: name, patches: [variantPatch(name)] }, baseline: [], sessions: of, profile }, [
      own,
    ]);
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
  const named = captured.map((session) => ({
    ...session,
    turns: session.turns.map((turn) => ({ ...turn, identity: { ...turn.identity, world: 'wire' as const } })),
  }));
  assert.equal(asked(named).isMeasured, false, 'called wire, but its exchanges went to the providers’ names');
});

test('a table is found by world, profile and the profile of predictions', () => {
  const crowded: Trust = { ...trust, profile: 'crowded' };
  const of = (own: readonly CapturedSession[], predictedWith = profile) =>
    tableFor({ sessions: own, profile: predictedWith }, [trust, crowded])?.profile;
  assert.equal(of(sessions), 'seed');
  assert.equal(of(sessions.map((session) => ({ ...session, profile: 'crowded' }))), 'crowded');
  assert.equal(of(sessions.map((session) => ({ ...session, profile: undefined }))), undefined);
  assert.equal(of(sessions, 'crowded'), undefined, 'predictions by another profile have another error');
});

test('a prediction whose measured interval lies on the other side of 0 is wrong in sign, and no result', () => {
  const wrong = row('x', -3, { measuredPct: 1.5, lowPct: 0.5, highPct: 2.5 });
  assert.deepEqual([isSignWrong(wrong), isSignWrong({ ...wrong, predictedPct: 3 })], [true, false]);
  assert.equal(isSignWrong({ ...wrong, lowPct: -0.5 }), false, 'the interval includes 0');
  assert.equal(isSignWrong({ ...wrong, predictedPct: -0.04 }), false, 'printed as 0.0 %');
  assert.equal(trustIn('x', { ...trust, rows: [wrong] }).shown, false);
  assert.equal(trustIn('x', { ...trust, rows: [{ ...wrong, predictedPct: 0.1 }] }).shown, true, 'control: 1.4 off');
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

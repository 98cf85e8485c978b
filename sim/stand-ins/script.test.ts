import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createScript } from './script.ts';
import type { DrawContext } from '../times/plan.ts';

const turn = { audio: 'a.wav', transcript: 'Evet.', reply: 'Güzel.', speechEndMs: 900 };
const interview = { name: 'ilk', language: 'tr', systemPrompt: 'Sor.', greeting: 'Hoş geldiniz.', turns: [turn] };
const context: DrawContext = {
  sessionId: 's',
  turnIndex: 0,
  stage: 'llm',
  ordinal: 0,
  attempt: 0,
  fetchIndex: 0,
  interview: 'ilk',
  arm: 'a',
};
const HEARD = { audioMs: 10_000, speech: { fromMs: 0, toMs: 10_000 } };
const USER = { role: 'user' as const, content: 'Evet.' };

test('an interview is followed by name and turn', () => {
  const script = createScript([interview]);
  assert.equal(script.transcript(context, { audioMs: 5000, speech: { fromMs: 150, toMs: 900 } }), 'Evet.');
  assert.equal(script.reply(context, [USER]), 'Güzel.');
  assert.equal(script.reply(context, [{ role: 'system', content: 'Sor.' }]), 'Hoş geldiniz.');
});

test('a greeting before it does not move the script; control: the turn index alone would', () => {
  const script = createScript([interview]);
  const heard = { audioMs: 5000, speech: { fromMs: 150, toMs: 900 } };
  const greeted = { ...context, turnIndex: 1, userTurn: 0 };
  assert.deepEqual([script.transcript(greeted, heard), script.reply(greeted, [USER])], ['Evet.', 'Güzel.']);
  assert.notEqual(script.reply({ ...context, turnIndex: 1 }, [USER]), 'Güzel.');
});

test('elsewhere the text is as long as the speech, the same each time, and differs by turn', () => {
  const script = createScript([interview]);
  const other = { ...context, interview: 'baska-en-1' };
  const text = script.transcript(other, HEARD);
  assert.equal(text.split(' ').length, 24);
  assert.equal(script.transcript(other, HEARD), text);
  assert.notEqual(script.transcript({ ...other, turnIndex: 5 }, HEARD), text);
  assert.equal(script.transcript(other, { audioMs: 10_000, speech: 'none' }), '');
  assert.match(script.reply({ ...context, turnIndex: 7 }, [USER]), /\?|\./);
});

test('a wrong file is refused by name', () => {
  assert.throws(() => createScript([{ name: 'x' }]), /interviews\/0 must have required property/);
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createScript } from './script.ts';
import type { DrawContext } from './plan.ts';

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
const USER = { role: 'user' as const, content: 'Evet.' };

test('an interview is followed by name and turn', () => {
  const script = createScript([interview]);
  assert.equal(script.transcript(context, 5000), 'Evet.');
  assert.equal(script.reply(context, [USER]), 'Güzel.');
  assert.equal(script.reply(context, [{ role: 'system', content: 'Sor.' }]), 'Hoş geldiniz.');
});

test('elsewhere the text is as long as the speech, the same each time, and differs by turn', () => {
  const script = createScript([interview]);
  const other = { ...context, interview: 'baska-en-1' };
  const text = script.transcript(other, 10_000);
  assert.equal(text.split(' ').length, 24);
  assert.equal(script.transcript(other, 10_000), text);
  assert.notEqual(script.transcript({ ...other, turnIndex: 5 }, 10_000), text);
  assert.match(script.reply({ ...context, turnIndex: 7 }, [USER]), /\?|\./);
});

test('a wrong file is refused by name', () => {
  assert.throws(() => createScript([{ name: 'x' }]), /interviews\/0 must have required property/);
});

/** Fits are keyed by the model that answered, not by the name that asked. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fitTo } from './fit.ts';
import { fittedPlans } from './fitted.ts';
import type { Observation } from './observed.ts';
import type { DrawContext, Facts } from './plan.ts';
import { fitProfile } from './profile-fit.ts';
import { loadProfile, medianOf, modelFigures } from './profile.ts';

const profile = loadProfile('seed');
/** One exchange a turn: asked for `what`, answered by `served` after `waitMs`. */
const asked = (what: string, served: string | undefined, waitMs: number, turns: number, from = 0): Observation[] =>
  Array.from({ length: turns }, (_, index) => ({
    ...{ sessionId: 's', turnIndex: from + index, exchange: 'llm.0.0.0', operation: 'llm', what, served },
    ...{ size: 400, uploadBytes: 0, speed: 1 },
    plan: {
      ...{ reused: true, networkUs: { queue: 0, send: 0 }, waitUs: 1000 * waitMs, leadingSilenceMs: 0 },
      items: [{ gapUs: 0, kind: 'data', parts: [40] }],
    },
  }));
const place: DrawContext = { sessionId: 's', turnIndex: 99, stage: 'llm', ordinal: 0, attempt: 0, fetchIndex: 0, arm: 'b', traceId: '' }; // prettier-ignore
const facts = (model: string): Facts => ({
  ...{ operation: 'llm', model, messages: 1, promptChars: 400, maxTokens: 100, text: 'x'.repeat(40), uploadBytes: 0 },
});
const waitMs = (capture: readonly Observation[], model: string): number | undefined => {
  const us = fittedPlans(fitTo(capture, profile), { profile, seed: 1 }).planOf(place, facts(model))?.waitUs;
  return us === undefined ? undefined : us / 1000;
};

test('two names of one model are one fit, and its own name asks for the same; another model is another fit', () => {
  const capture = [
    ...asked('local/alias', 'google/gemma', 300, 5),
    ...asked('google/gemma', 'google/gemma', 300, 5, 5),
  ];
  assert.deepEqual([waitMs(capture, 'local/alias'), waitMs(capture, 'google/gemma')], [300, 300]);
  assert.equal(waitMs(capture, 'openai/gpt-4o-mini'), undefined, 'control');
  assert.equal(
    waitMs(asked('local/alias', undefined, 300, 5), 'local/alias'),
    undefined,
    'control: five alone are too few',
  );
});

test('one name that two models answered is two fits: a draw is of the one that answers most', () => {
  const capture = [...asked('local/alias', 'google/gemma', 300, 12), ...asked('local/alias', 'x/other', 900, 8, 12)];
  assert.equal(waitMs(capture, 'local/alias'), 300);
  assert.equal(waitMs(capture, 'x/other'), 900);
});

test('a suffix that chooses among providers stays a kind of its own', () => {
  const capture = [...asked('google/g', 'google/g', 300, 8), ...asked('google/g:nitro', 'google/g', 100, 8, 8)];
  assert.deepEqual([waitMs(capture, 'google/g'), waitMs(capture, 'google/g:nitro')], [300, 100]);
});

test('a fitted profile names the served model, and answers to the name that asked', () => {
  const { profile: fitted, kinds } = fitProfile(
    asked('google/gemini-2.5-flash', 'google/gemma', 300, 10),
    profile,
    'own',
  );
  assert.deepEqual(kinds.map(({ kind }) => kind), ['llm google/gemma']); // prettier-ignore
  const headers = (model: string): number => medianOf(modelFigures(fitted, model).headersMs ?? assert.fail(model));
  assert.equal(headers('google/gemini-2.5-flash'), headers('google/gemma'));
});

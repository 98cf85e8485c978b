import assert from 'node:assert/strict';
import { test } from 'node:test';
import { canPrefill, estimateUsd, isRetired, modelFacts, MODELS, MODELS_AS_OF, tokensOf } from './models.ts';
import { compressedPrompt } from '../text/prompt.ts';

test('every figure of the table has its source, every date is a date', () => {
  for (const model of MODELS) {
    assert.ok(model.priceSource.length > 5 && model.prefillSource.length > 5 && model.cacheSource.length > 5, model.id);
    assert.equal(model.retires === undefined, model.retiresSource === undefined, model.id);
    assert.match(model.retires ?? MODELS_AS_OF, /^\d{4}-\d{2}-\d{2}$/);
  }
  assert.equal(new Set(MODELS.map(({ id }) => id)).size, MODELS.length);
});

test('a model is retired from its day on, with and without a suffix; one without a date never', () => {
  assert.equal(isRetired('google/gemini-2.5-flash', '2026-11-30'), false);
  assert.equal(isRetired('google/gemini-2.5-flash:nitro', '2026-12-01'), true);
  assert.equal(isRetired('openai/gpt-4o-mini', '2099-01-01'), false);
});

test('estimates: price times tokens; an unknown model has no price, which is not 0', () => {
  assert.equal(estimateUsd('openai/gpt-4o-mini:nitro', 1_000_000, 500_000)?.toFixed(6), '0.450000');
  assert.equal(estimateUsd('some/other', 10, 10), undefined);
  assert.equal(tokensOf(9), 3);
  assert.equal(modelFacts('some/other'), undefined);
});

test('prefill only where a source says that it works', () => {
  assert.equal(canPrefill('meta-llama/llama-3.1-8b-instruct:nitro'), true);
  assert.equal(canPrefill('mistralai/mistral-small-3.1-24b-instruct'), true);
  for (const no of ['openai/gpt-4o-mini', 'google/gemini-2.5-flash', 'some/other']) assert.equal(canPrefill(no), false);
});

test('the compressed prompt speaks the language, and is short', () => {
  assert.match(compressedPrompt('tr-TR'), /görüşmeci/);
  assert.match(compressedPrompt('en'), /interviewer/);
  assert.match(compressedPrompt('de'), /interviewer.*Speak de\./);
  assert.ok(tokensOf(compressedPrompt('tr').length) <= 80);
});

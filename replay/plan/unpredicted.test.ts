/** A ratio of figures from two worlds is refused: a fitted profile has no figures of what was never captured. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fitProfile } from '../../sim/times/profile-fit.ts';
import { loadProfile } from '../../sim/times/profile.ts';
import { observationsOf } from '../../sim/times/observed.ts';
import { resolveStrategy } from '../../service/strategy/patch.ts';
import type { Strategy } from '../../service/strategy/strategy.ts';
import { SIM_EXPERIMENT, uploadSessions } from '../../testing/sessions.ts';
import { simWorld } from '../arms/against.ts';
import { runExperiment } from '../run/experiment.ts';
import { capturedTurnsOf } from '../sessions/captured-session.ts';
import { variantPatch } from '../variants/variants.ts';
import { unpredicted } from './unpredicted.ts';

const sessions = await uploadSessions({ sessions: 4, turns: 3 });
const seed = loadProfile('seed');
const { profile: fitted } = fitProfile(sessions.flatMap(capturedTurnsOf).flatMap(observationsOf), seed, 'own');
const candidate = (variant: string) => ({
  variant,
  strategyOf: (captured: Strategy) => resolveStrategy([variantPatch(variant)], variant, captured),
});
const why = (variant: string, profile = fitted): string | undefined =>
  unpredicted(sessions, candidate(variant), profile);

test('a method or model that was never captured is not predicted by a profile fitted to the captured one', () => {
  assert.equal(
    why('tts-speech'),
    'not predicted: no capture of tts.speech, and profile own has it from another world than the captured one; replay 10 turns: npx retake replay --variant tts-speech --world live --sample 4',
  );
  assert.match(why('model-gpt-4o-mini') ?? '', /no capture of llm\.openai\/gpt-4o-mini/);
  assert.match(why('hedge-gpt-4o-mini') ?? '', /no capture of llm\.openai\/gpt-4o-mini/);
});

test('control: figures of one world are compared, and what asks for no other kind is predicted', () => {
  assert.deepEqual(
    ['tts-speech', 'model-gpt-4o-mini', 'hedge-gpt-4o-mini'].map((variant) => why(variant, seed)),
    [undefined, undefined, undefined],
  );
  assert.deepEqual(
    ['clause-chunking', 'hedge-other-provider', 'preconnect'].map((variant) => why(variant)),
    [undefined, undefined, undefined],
  );
});

test('a simulation of it ends with the refusal before any turn; control: by the profile that came with Retake it runs', async () => {
  const asked = { ...SIM_EXPERIMENT, sessions, candidates: [{ variant: 'tts-speech', patches: [variantPatch('tts-speech')] }] }; // prettier-ignore
  const against = { ...simWorld(asked), profile: fitted };
  await assert.rejects(runExperiment({ ...asked, against }), /^InputError: tts-speech: not predicted: no capture of tts\.speech/); // prettier-ignore
  assert.equal((await runExperiment(asked)).reports.length, 1);
});

/** A case of the soak as JSON: what it is made of, and how a printed one is read back. */
import { Ajv } from 'ajv';
import { Type, type Static } from 'typebox';
import { InputError } from '../../service/base/errors.ts';
import { literals, section } from '../../service/base/schema.ts';
import { resolveStrategy, type StrategyPatch } from '../../service/strategy/patch.ts';
import { FaultSchema } from '../../sim/faults/kinds.ts';
import { ROUTE_NAMES } from '../../sim/faults/routes.ts';
import { parseScenario, type Scenario } from '../../sim/faults/scenario.ts';

const whole = (minimum: number, maximum: number): Type.TInteger => Type.Integer({ minimum, maximum });
const factor = Type.Number({ minimum: 0, maximum: 1000 });
const ms = whole(0, 60_000);

/** A fault of one request: a rule of a scenario (sim/faults/scenario.ts). */
const SoakFaultSchema = section({
  route: literals(ROUTE_NAMES),
  ordinal: whole(0, 1000),
  attempt: whole(0, 1000),
  fault: FaultSchema,
});
export type SoakFault = Static<typeof SoakFaultSchema>;

const SoakTurnSchema = section({
  zero: literals(['audio', 'upload'], { description: 'frames at the speaker’s pace, or all at once' }),
  frameMs: whole(1, 1000),
  voiceMs: Type.Array(ms, { maxItems: 20, description: 'speech and silence in turn, beginning with silence' }),
  sentences: Type.Array(whole(1, 1000), { maxItems: 100, description: 'lengths of the reply’s sentences in words' }),
  hangUpMs: Type.Optional(Type.Integer({ ...ms, description: 'the user hangs up this long after his first audio' })),
  clientMs: Type.Optional(Type.Integer({ ...ms, description: 'what the client takes for each audio chunk' })),
  faults: Type.Array(SoakFaultSchema, { maxItems: 100 }),
});
export type SoakTurn = Static<typeof SoakTurnSchema>;

const SoakCaseSchema = section({
  seed: Type.String({ maxLength: 200 }),
  strategy: Type.Unsafe<StrategyPatch>({ type: 'object' }),
  /** Factors on the profile's times. */
  pace: section({ network: factor, stt: factor, llm: factor, tts: factor }),
  charsPerDelta: whole(1, 10_000),
  turns: Type.Array(SoakTurnSchema, { minItems: 1, maxItems: 100 }),
});
export type SoakCase = Static<typeof SoakCaseSchema>;

const validate = new Ajv().compile<SoakCase>(SoakCaseSchema);

/** A case that was printed; fields that are left out are those of `defaults`. Throws `InputError` that names what is wrong. */
export function soakCaseIn(json: Readonly<Record<string, unknown>>, defaults: SoakCase): SoakCase {
  const candidate: unknown = { ...defaults, ...json };
  if (!validate(candidate)) {
    const { instancePath = '', message = 'is no case', params } = validate.errors?.[0] ?? {};
    const stranger: unknown = params?.['additionalProperty'];
    const what = typeof stranger === 'string' ? `there is no field ${JSON.stringify(stranger.slice(0, 80))}` : message;
    throw new InputError(`${instancePath === '' ? 'the case' : instancePath}: ${what}`);
  }
  resolveStrategy([candidate.strategy], 'strategy');
  parseScenario(scenarioOf(candidate), 'faults', 'sim');
  return candidate;
}

/** The faults of the case's turns. */
export function scenarioOf({ turns }: SoakCase): Scenario {
  const rules = turns.flatMap(({ faults }, turn) =>
    faults.map(({ route, ordinal, attempt, fault }) => ({
      route,
      turns: [turn],
      ordinals: [ordinal],
      attempts: [attempt],
      fault: { ...fault },
    })),
  );
  return { title: 'soak', rules };
}

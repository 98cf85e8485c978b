/**
 * The words of the fixture interviews: `fixtures/scripts/NAME.json`. An utterance has pieces of text and pauses in ms; the
 * transcript is its text. `scripts/make-fixtures.ts` speaks it with espeak-ng.
 */
import { readFileSync } from 'node:fs';
import { Ajv } from 'ajv';
import { Type, type Static } from 'typebox';

const ScriptSchema = Type.Object(
  {
    language: Type.Union([Type.Literal('tr'), Type.Literal('en')]),
    voice: Type.String({ description: 'a voice of espeak-ng, such as en+steph3' }),
    wordsPerMinute: Type.Integer({ minimum: 80, maximum: 450 }),
    noise: Type.Union([Type.Literal('pinknoise'), Type.Literal('brownnoise')]),
    noiseDbfs: Type.Number({ maximum: 0, description: 'RMS of the noise that is mixed in' }),
    systemPrompt: Type.String(),
    greeting: Type.String(),
    turns: Type.Array(
      Type.Object(
        {
          utterance: Type.Array(Type.Union([Type.String(), Type.Integer({ minimum: 1 })]), {
            description: 'text is spoken; a number is a pause in ms',
          }),
          reply: Type.String(),
        },
        { additionalProperties: false },
      ),
    ),
  },
  { additionalProperties: false },
);

export type ScriptedInterview = Static<typeof ScriptSchema> & { name: string };

/**
 * In the order of `fixtures/interviews.json`: tests that need few interviews take the first three, the demo the first six. Those six are
 * short, so that the demo is.
 */
const NAMES = [
  'tr-backend',
  'tr-veri',
  'en-frontend',
  'en-nurse',
  'tr-ogretmen',
  'en-driver',
  'tr-muhasebe',
  'en-chef',
  'tr-eczaci',
  'en-electrician',
  'tr-mimar',
  'en-librarian',
  'tr-satis',
  'en-lab',
  'tr-rehber',
  'en-support',
] as const;

/** What a listener writes down: an utterance without its pauses. */
export function transcriptOf(utterance: readonly (string | number)[]): string {
  return utterance.filter((part) => typeof part === 'string').join(' ');
}

const validate = new Ajv({ allowUnionTypes: true }).compile<Static<typeof ScriptSchema>>(ScriptSchema);

/** All scripts. Throws a `TypeError` that names the file and the faulty field. */
export function interviewScripts(): ScriptedInterview[] {
  return NAMES.map((name) => {
    const script: unknown = JSON.parse(
      readFileSync(new URL(`../fixtures/scripts/${name}.json`, import.meta.url), 'utf8'),
    );
    if (validate(script)) return { name, ...script };
    const error = validate.errors?.[0];
    throw new TypeError(
      `fixtures/scripts/${name}.json${error?.instancePath ?? ''} ${error?.message ?? 'is no script'}`,
    );
  });
}

/** What `retake sessions import DIR` reads: `DIR/sessions.json`. Every field and its unit: docs/capture-format.md#import. */
import { SESSION_ID } from '../../service/capture/format.ts';
import { ROLES } from '../../service/base/ports.ts';
import { literals } from '../../service/base/schema.ts';
import { Ajv } from 'ajv';
import { Type, type Static } from 'typebox';
import { InputError } from '../../service/base/errors.ts';

const timeMs = (description: string) => Type.Optional(Type.Number({ minimum: 0, description }));

const ImportedTurnSchema = Type.Object(
  {
    audio: Type.String({ minLength: 1, description: 'a WAV file (PCM16) below the folder' }),
    startedMs: Type.Optional(Type.Number({ minimum: 0, description: 'first sample, since the session’s start' })),
    transcript: Type.Optional(Type.String({ description: 'what the pipeline understood' })),
    reply: Type.Optional(Type.String({ description: 'what it answered' })),
    turnEndedMs: timeMs('the pipeline decided that the user had finished; since the first sample, as all below'),
    transcriptMs: timeMs('the transcript was there'),
    firstTokenMs: timeMs('the first content of the reply was there'),
    replyTextMs: timeMs('the last content of the reply was there'),
    firstAudioByteMs: timeMs('the first reply audio was handed to the client'),
    replyEndMs: timeMs('the client had played the last sample'),
  },
  { additionalProperties: false },
);

export const ImportSchema = Type.Object(
  {
    sessions: Type.Array(
      Type.Object(
        {
          sessionId: Type.String({ pattern: SESSION_ID }),
          startedAt: Type.Optional(Type.String({ description: 'ISO 8601; now, when absent' })),
          language: Type.String({ minLength: 2, maxLength: 8 }),
          systemPrompt: Type.String(),
          history: Type.Optional(
            Type.Array(
              Type.Object({
                role: literals(ROLES),
                content: Type.String(),
              }),
            ),
          ),
          strategy: Type.Optional(
            Type.Record(Type.String(), Type.Unknown(), { description: 'what differs from the default strategy' }),
          ),
          turns: Type.Array(ImportedTurnSchema, { minItems: 1 }),
        },
        { additionalProperties: false },
      ),
      { minItems: 1 },
    ),
  },
  { additionalProperties: false },
);
export type ImportedSession = Static<typeof ImportSchema>['sessions'][number];
export type ImportedTurn = Static<typeof ImportedTurnSchema>;

const isImport = new Ajv({ allErrors: false }).compile<Static<typeof ImportSchema>>(ImportSchema);

/** The sessions of a parsed `sessions.json`. Throws `InputError` that names file and field. */
export function parseImport(json: unknown, where: string): ImportedSession[] {
  if (isImport(json)) return json.sessions;
  const [error] = isImport.errors ?? [];
  const unknown = error?.params['additionalProperty'];
  const what = typeof unknown === 'string' ? `has no field "${unknown}"` : (error?.message ?? 'is not valid');
  throw new InputError(
    `${where}: field ${error?.instancePath.slice(1).replaceAll('/', '.') || '(top)'} ${what}; docs/capture-format.md#import lists the fields`,
  );
}

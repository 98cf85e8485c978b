/** The header `x-retake-draw`: a `wire` client names the key of an exchange's draws. */
import { Ajv } from 'ajv';
import { Type, type Static } from 'typebox';
import { STAGES } from '../../service/base/events.ts';
import { parsedJson } from '../../service/base/json.ts';
import { literals } from '../../service/base/schema.ts';
import type { DrawContext } from '../times/plan.ts';

const count = Type.Integer({ minimum: 0, maximum: 1_000_000 });
const text = Type.String({ maxLength: 200 });

const HeaderSchema = Type.Object({
  sessionId: text,
  turnIndex: count,
  userTurn: Type.Optional(count),
  stage: literals(STAGES),
  ordinal: count,
  attempt: count,
  fetchIndex: Type.Optional(count),
  interview: Type.Optional(text),
  arm: text,
});
const validate = new Ajv().compile<Static<typeof HeaderSchema>>(HeaderSchema);

/**
 * The context in the header's JSON. Undefined where the header is malformed. Requests without the header are counted, and
 * their number is the key.
 */
export function drawContextOf(header: string | undefined, path: string, anonymous: number): DrawContext | undefined {
  if (header === undefined) {
    const stage = path.includes('/freya-stt/') ? 'stt' : path.includes('/api/v1/') ? 'llm' : 'tts';
    return { sessionId: 'anonymous', turnIndex: anonymous, stage, ordinal: 0, attempt: 0, fetchIndex: 0, arm: '' };
  }
  const json = parsedJson(header);
  return validate(json) ? { ...json, fetchIndex: json.fetchIndex ?? 0 } : undefined;
}

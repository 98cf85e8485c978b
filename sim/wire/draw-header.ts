/** The header by which a `wire` client says whose draws an exchange takes. */
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
 * The context in an `x-retake-draw` header (JSON); undefined when it is malformed. Without a header an exchange has draws
 * of its own, by a count of such requests.
 */
export function drawContextOf(header: string | undefined, path: string, anonymous: number): DrawContext | undefined {
  if (header === undefined) {
    const stage = path.includes('/freya-stt/') ? 'stt' : path.includes('/api/v1/') ? 'llm' : 'tts';
    return { sessionId: 'anonymous', turnIndex: anonymous, stage, ordinal: 0, attempt: 0, fetchIndex: 0, arm: '' };
  }
  const json = parsedJson(header);
  return validate(json) ? { ...json, fetchIndex: json.fetchIndex ?? 0 } : undefined;
}

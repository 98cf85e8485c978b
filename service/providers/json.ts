/** Answers of providers that are JSON. */
import { StageError } from '../base/errors.ts';
import { fieldOf, textIn } from '../base/json.ts';
import type { Stage } from '../base/events.ts';

/** The message of an error inside an answer whose status says that all is well. */
export function errorIn(value: unknown): string | undefined {
  const error = fieldOf(value, 'error');
  if (error === undefined || error === null) return undefined;
  return textIn(error, 'message') ?? (typeof error === 'string' ? error : 'an error without a message');
}

/** No JSON answer of these providers is larger; audio never travels in one. */
const JSON_LIMIT_BYTES = 1024 * 1024;

/** A JSON body; throws `malformed` for anything else and `oversized` beyond 1 MiB. */
export async function readJson(response: Response, what: string, stage: Stage): Promise<unknown> {
  const parts: Uint8Array[] = [];
  let bytes = 0;
  const reader = response.body?.getReader();
  while (reader !== undefined) {
    const { done, value } = await reader.read();
    if (done) break;
    bytes += value.byteLength;
    if (bytes > JSON_LIMIT_BYTES) {
      const error = new StageError(
        stage,
        'oversized',
        `${what}: the JSON answer is larger than ${JSON_LIMIT_BYTES} bytes`,
      );
      await reader.cancel(error);
      throw error;
    }
    parts.push(value);
  }
  try {
    const json: unknown = JSON.parse(Buffer.concat(parts).toString('utf8'));
    return json;
  } catch {
    // no cause: a parser's message quotes what it could not parse
    throw new StageError(stage, 'malformed', `${what}: the answer is not JSON`);
  }
}

/** JSON answers of providers. */
import { StageError } from '../base/errors.ts';
import { fieldOf, parsedJson, textIn } from '../base/json.ts';
import type { Stage } from '../base/events.ts';

/** The message of an error inside an answer with a good status. */
export function errorIn(value: unknown): string | undefined {
  const error = fieldOf(value, 'error');
  if (error === undefined || error === null) return undefined;
  return textIn(error, 'message') ?? (typeof error === 'string' ? error : 'an error without a message');
}

/** Larger than any JSON answer of these providers: none holds audio. */
const JSON_LIMIT_BYTES = 1024 * 1024;

/** A JSON body. Throws `malformed` for anything else and `oversized` beyond 1 MiB. */
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
  const json = parsedJson(Buffer.concat(parts).toString('utf8'));
  if (json === undefined) throw new StageError(stage, 'malformed', `${what}: the answer is not JSON`);
  return json;
}

/** Server-sent events off a raw response body, by eventsource-parser. */
import { createParser } from 'eventsource-parser';
import { StageError } from '../base/errors.ts';
import type { Stage } from '../base/events.ts';
import { parsedJson } from '../base/json.ts';
import type { HttpResponse } from '../base/ports.ts';

/** One event as a server sends it. */
export const eventText = (data: unknown): string => `data: ${JSON.stringify(data)}\n\n`;

export interface EventReader {
  /** Takes one event's data. True for the last one that matters: the connection gets the rest of the body. */
  data(text: string): boolean;
  comment?(): void;
}

/**
 * Reads a body's events as they arrive, each synchronously with the chunk that completes it. Joins a character that two
 * chunks share. Throws `malformed` for a body of another type.
 */
export async function readEvents(
  response: HttpResponse,
  what: string,
  stage: Extract<Stage, 'llm' | 'tts'>,
  reader: EventReader,
): Promise<void> {
  const type = response.headers.get('content-type') ?? '';
  if (response.body === null || !/^text\/event-stream\b/i.test(type)) {
    await response.body?.getReader().cancel();
    throw new StageError(stage, 'malformed', `${what} answered with something other than server-sent events`);
  }
  let over = false;
  let failure: { error: unknown } | undefined;
  const parser = createParser({
    onEvent({ data }) {
      if (over || failure !== undefined) return;
      try {
        over = reader.data(data);
      } catch (error) {
        failure = { error };
      }
    },
    onComment: () => reader.comment?.(),
  });
  const decoder = new TextDecoder();
  const chunks = response.body.getReader();
  for (;;) {
    const { done, value } = await chunks.read();
    if (done) return;
    parser.feed(decoder.decode(value, { stream: true }));
    if (failure !== undefined) {
      await chunks.cancel(failure.error);
      throw failure.error;
    }
    if (over) {
      // not awaited: only the connection needs the rest
      chunks.cancel().catch(() => undefined);
      return;
    }
  }
}

/** One event's JSON object. Throws `malformed` for anything else. */
export function parseEvent(text: string, what: string, stage: Extract<Stage, 'llm' | 'tts'>): object {
  const value = parsedJson(text);
  if (value === undefined) throw new StageError(stage, 'malformed', `${what}: an event is not JSON`);
  if (typeof value === 'object' && value !== null) return value;
  throw new StageError(stage, 'malformed', `${what}: an event is not a JSON object`);
}

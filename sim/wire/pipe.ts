/** Writes a stand-in's answer into a socket. */
import { once } from 'node:events';
import { ServerResponse } from 'node:http';
import type { BodyReader, Clock } from '../../service/base/ports.ts';
import { GarbageFault } from '../faults/broken-connection.ts';

const FLUSH_MS = 10;
/** No chunk's length, no status line. */
const GARBAGE = 'no HTTP at all\r\n\r\n';

/** Sends each chunk as it comes. The last chunk and the body's end share a write where both come together. */
export async function pipe(
  reader: BodyReader,
  outgoing: ServerResponse,
  gone: AbortSignal,
  clock: Clock,
): Promise<void> {
  let next = reader.read();
  try {
    for (;;) {
      const { done, value } = await next;
      if (done) break;
      next = reader.read();
      const read = next.catch(() => undefined); // an error comes after the chunks before it
      const soon = await Promise.race([read, new Promise<undefined>((resolve) => setImmediate(resolve, undefined))]);
      if (soon?.done === true) {
        outgoing.end(value);
        return;
      }
      if (!outgoing.write(value)) await once(outgoing, 'drain', { signal: gone });
    }
    outgoing.end();
  } catch (error) {
    // over HTTP/2, whose frames Node makes, only its stream breaks
    if (error instanceof GarbageFault && outgoing instanceof ServerResponse) outgoing.socket?.write(GARBAGE);
    await clock.sleep(FLUSH_MS); // lets the bytes before the break arrive
    if (!gone.aborted) outgoing.destroy();
    await reader.cancel(error).catch(() => undefined);
  }
}

/**
 * The requests of one connection stand in a line: each is handled once the answer before is out. Node would hand over all that a client
 * sends at once, and keep their answers in memory until the client reads them.
 */
import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { Clock } from '../base/ports.ts';
import { LIMITS } from './limits.ts';

export interface Lines {
  /** Handles the request in its turn. Ends the connection of a client that lets too many wait. */
  request(connection: Duplex, response: ServerResponse, handle: () => void): void;
  /** Does the last that is done on the connection, once all answers are out. */
  last(connection: Duplex, handle: () => void): void;
  /** The answer that is being made; undefined where there is none. */
  first(connection: Duplex): ServerResponse | undefined;
}

/** A line for each connection. */
export function createLines(): Lines {
  /** The first of each is being handled. */
  const lines = new WeakMap<Duplex, { response?: ServerResponse; handle: () => void }[]>();
  const enter = (connection: Duplex, handle: () => void, response?: ServerResponse): void => {
    const line = lines.get(connection) ?? [];
    lines.set(connection, line);
    if (line.push({ response, handle }) === 1) handle();
  };
  return {
    request(connection, response, handle) {
      if (connection.destroyed) return;
      if ((lines.get(connection)?.length ?? 0) > LIMITS.pipelined.value) return void connection.destroy();
      response.once('close', () => {
        const line = lines.get(connection);
        line?.shift();
        // an answer may have ended the connection
        if (connection.writable) line?.[0]?.handle();
      });
      enter(connection, handle, response);
    },
    last: (connection, handle) => enter(connection, handle),
    first: (connection) => lines.get(connection)?.[0]?.response,
  };
}

/** Going over thousands of connections for every request would cost more than what it finds. */
const EVERY_US = 100_000;

export interface Unread {
  /** Ends the connections of which nothing has been read for longest, until the others' bytes fit. Looks ten times a second at most. */
  bound(): void;
}

export type Watched = Pick<Socket, 'writableLength' | 'bytesWritten' | 'destroy'>;

/** Watches connections, which others add and remove: answers that their clients do not read share an amount of memory. */
export function createUnread(
  connections: ReadonlySet<Watched>,
  { limitBytes, clock }: { limitBytes: number; clock: Pick<Clock, 'nowUs'> },
): Unread {
  /** What has been read of each, in the order in which something was last seen to be read. */
  const unread = new Map<Watched, number>();
  let lookedUs = -EVERY_US;
  return {
    bound() {
      if (clock.nowUs() - lookedUs < EVERY_US) return;
      lookedUs = clock.nowUs();
      for (const each of unread.keys()) if (!connections.has(each)) unread.delete(each);
      let bytes = 0;
      for (const each of connections) {
        const readBytes = each.bytesWritten - each.writableLength;
        if (each.writableLength === 0 || unread.get(each) !== readBytes) unread.delete(each);
        if (each.writableLength > 0) unread.set(each, readBytes);
        bytes += each.writableLength;
      }
      for (const each of unread.keys()) {
        if (bytes <= limitBytes) return;
        bytes -= each.writableLength;
        each.destroy();
      }
    },
  };
}

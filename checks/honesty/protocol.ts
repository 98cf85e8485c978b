/** What the honesty suite and its fault server say to each other. */

import type { MachineStall } from './stalls.ts';

/** Names below it are the fault server's. */
export const DOMAIN = 'honesty.test';

/** The answer in three parts: an event that fal's, openai's and a plain client can read, another one, and the end. */
export const ANSWER_PARTS = [
  event({ id: 'x', object: 'chat.completion.chunk', choices: [{ index: 0, delta: { content: 'one' } }] }),
  event({ id: 'x', object: 'chat.completion.chunk', choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] }),
  ': the end\n\n',
] as const;

function event(data: unknown): string {
  return `data: ${JSON.stringify(data)}\n\n`;
}

/** How long the server waits before what, in ms. */
export interface Delays {
  /** Before the response headers. */
  waitMs: number;
  /** Between the headers and the first event. */
  firstMs: number;
  /** Between the first event and the second. */
  betweenMs: number;
  /** Between the second event and the body's end. */
  tailMs: number;
}

/** How long the server really waited, in ms on its own clock. */
export interface ServerLog {
  hosts: Record<string, { dnsMs: number; tlsMs: number }>;
  exchanges: Record<string, Delays>;
  connections: number;
  /** When the server itself was not let run. */
  stalls: MachineStall[];
}

export interface Started {
  port: number;
  dnsPort: number;
  caPem: string;
}

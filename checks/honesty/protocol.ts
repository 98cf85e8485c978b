/** The messages between the honesty suite and its fault server. */
import { eventText } from '../../service/providers/sse.ts';
import type { MachineStall } from './stalls.ts';

/** The fault server resolves every name below this domain. */
export const DOMAIN = 'honesty.test';

/** The answer in three parts: two events that fal's, openai's and a plain client can read, and the end. */
export const ANSWER_PARTS = [
  eventText({ id: 'x', object: 'chat.completion.chunk', choices: [{ index: 0, delta: { content: 'one' } }] }),
  eventText({ id: 'x', object: 'chat.completion.chunk', choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] }),
  ': the end\n\n',
] as const;

/** How long the server waits, in ms. */
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
  /** When the server's process did not run. */
  stalls: MachineStall[];
}

export interface Started {
  port: number;
  dnsPort: number;
  caPem: string;
}

/** What one connection has sent: an allowance of messages that time refills, and the messages that could not be used. Pure. */
import { LIMITS } from './limits.ts';

export interface Traffic {
  /** Messages that may come at once. */
  readonly allowance: number;
  /** When the allowance was that. */
  readonly atUs: number;
  /** Messages refused since the connection last began a turn. */
  readonly bad: number;
}

export const NO_TRAFFIC: Traffic = { allowance: LIMITS.messageBurst.value, atUs: 0, bad: 0 };

/** After one message more; undefined where it is one too many. */
export function withMessage({ allowance, atUs, bad }: Traffic, nowUs: number): Traffic | undefined {
  const refill = (Math.max(0, nowUs - atUs) / 1e6) * LIMITS.messageRate.value;
  const left = Math.min(LIMITS.messageBurst.value, allowance + refill) - 1;
  return left < 0 ? undefined : { allowance: left, atUs: Math.max(atUs, nowUs), bad };
}

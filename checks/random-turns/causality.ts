/** The provider events of a turn that can be delayed alone, and what the ledger says about each. */
import { ledgerOf, slackOf } from '../../service/turn-log/ledger.ts';
import { zeroUsOf } from '../../service/turn-log/metrics.ts';
import type { TurnEvent, TurnLog } from '../../service/base/events.ts';
import type { DelayKey } from '../../sim/times/plan.ts';

/** A provider event that can be delayed alone. */
export interface Delayable {
  key: DelayKey;
  /** The walk passed it: end-to-end must grow by the whole delay. */
  critical: boolean;
  /** How much of a delay is absorbed; Infinity where no cause leads from the event to first audible. */
  slackUs: number;
}

const BOUNDARY_ITEM: Readonly<Record<string, DelayKey['item']>> = {
  'http.dns': 'dns',
  'http.connected': 'connect',
  'http.tls': 'tls',
  'http.sent': 'send',
  'http.headers': 'wait',
};

/**
 * Every provider event of a finished turn that a stand-in can delay: connection phases, headers, and the items of each
 * body. A body's items come one after another, so all items up to a recorded chunk share its place on the walk.
 */
export function delayables(log: TurnLog): Delayable[] {
  const ledger = ledgerOf(log.events, zeroUsOf(log));
  if (ledger === undefined) return [];
  const path = new Set(ledger.path);
  const slack = slackOf(log.events);
  const found: Delayable[] = [];
  for (const event of log.events) {
    const exchange = exchangeOf(event);
    if (exchange === undefined || event.cause === undefined) continue;
    const about = { critical: path.has(event.id), slackUs: slack[event.id] ?? Infinity };
    const item = BOUNDARY_ITEM[event.kind];
    const cause = log.events[event.cause];
    const took = cause === undefined ? 0 : event.atUs - cause.atUs;
    if (item !== undefined && took > 0) found.push({ key: { ...exchange, item }, ...about });
    if (event.kind === 'http.chunk')
      found.push({ key: { ...exchange, item: Number(event.attrs?.['index']) }, ...about });
  }
  return found;
}

function exchangeOf(event: TurnEvent): Omit<DelayKey, 'item'> | undefined {
  const [stage, ordinal, attempt, fetchIndex] = event.exchange?.split('.') ?? [];
  if (fetchIndex === undefined || (stage !== 'stt' && stage !== 'llm' && stage !== 'tts')) return undefined;
  return { stage, ordinal: Number(ordinal), attempt: Number(attempt), fetchIndex: Number(fetchIndex) };
}

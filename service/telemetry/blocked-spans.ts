/** When our own process stood still, as spans `blocked`: a part of the response where that held the turn up, else beside it. Pure. */
import { culpritOf, type Interval, type Stall } from '../turn-log/blocked.ts';
import type { Ledger } from '../turn-log/ledger.ts';
import { PLAIN, type Draft } from './draft.ts';
import { ATTRIBUTES as A, put, type SpanAttributes } from './names.ts';

/** What the stalls in this time went to; of several the longest names the culprit. */
export function blockedAttributes(time: Interval, stalls: readonly Stall[]): SpanAttributes {
  const own = stalls.filter((stall) => overlaps(stall, time));
  const attributes: SpanAttributes = {};
  const totalUs = sumOf(own, ({ fromUs, toUs }) => toUs - fromUs);
  if (totalUs <= 0) return attributes;
  put(attributes, A.blockedGcShare, share(sumOf(own, ({ gcUs }) => gcUs) / totalUs));
  put(attributes, A.blockedCpuShare, share(sumOf(own, ({ cpuUs }) => cpuUs) / totalUs));
  const longest = own.reduce((most, each) => (each.toUs - each.fromUs > most.toUs - most.fromUs ? each : most));
  put(attributes, A.blockedCulprit, culpritOf(longest));
  return attributes;
}

/**
 * Stalls that the ledger has no part for: those of the time before the zero, and those that held nothing up. They lie beside `speech` and not
 * in it, since `speech` is the leaf that may have a service of its own in Jaeger. None reaches beyond `workUs`, the end of the last other
 * span.
 */
export function stallDrafts(
  stalls: readonly Stall[],
  { ledger, turn, speech, workUs }: { ledger?: Ledger; turn: Draft; speech?: Draft; workUs: number },
): Draft[] {
  const parts = ledger?.parts.filter(({ phase }) => phase === 'blocked') ?? [];
  return stalls.flatMap((stall): Draft[] => {
    const isPart = parts.some((part) => overlaps(part, stall));
    const fromUs = Math.max(stall.fromUs, speech?.startUs ?? turn.startUs);
    const toUs = Math.min(stall.toUs, isPart ? (speech?.endUs ?? fromUs) : workUs);
    if (toUs <= fromUs) return [];
    const attributes = blockedAttributes({ fromUs, toUs }, [stall]);
    return [{ ...PLAIN, name: 'blocked', parent: turn, level: 2, startUs: fromUs, endUs: toUs, attributes }];
  });
}

const overlaps = (a: Interval, b: Interval): boolean => a.fromUs < b.toUs && b.fromUs < a.toUs;
const sumOf = (stalls: readonly Stall[], us: (stall: Stall) => number): number =>
  stalls.reduce((sum, stall) => sum + us(stall), 0);
/** To whole thousandths, at most 1, whatever a log says. */
const share = (of: number): number => Math.round(1000 * Math.min(1, Math.max(0, of))) / 1000;

/** When our own process stood still, and what that means for a turn's wait. Pure. */
import { numbersOf, type Attrs, type LedgerStage, type Phase, type TurnEvent } from '../base/events.ts';

/** A time in which the event loop of our process ran nothing else: one piece of work held it, or the process did not run. */
export interface Stall extends Interval {
  /** Of it: garbage collection, and time on the processor of the thread that runs our JavaScript. */
  gcUs: number;
  cpuUs: number;
}

/** The stalls of a process. */
export interface Stalls {
  /** Looks out for stalls, until what it returns is called: an idle process is not woken. */
  watch(): () => void;
  /** Those that overlap this time, in order of time; of too many the longest. */
  between(fromUs: number, toUs: number): readonly Stall[];
}

/** Of one turn: the longest of more are kept. */
export const MOST_STALLS = 64;

/** What a stall's time went to, by what was more than half of it. */
export function culpritOf({ fromUs, toUs, gcUs, cpuUs }: Stall): 'garbage collection' | 'not running' | 'javascript' {
  const halfUs = (toUs - fromUs) / 2;
  if (gcUs > halfUs) return 'garbage collection';
  return cpuUs < halfUs ? 'not running' : 'javascript';
}

/** Stalls as the attributes of `loop.blocked`. */
export function blockedAttrs(stalls: readonly Stall[]): Attrs {
  return {
    fromToUs: stalls.flatMap(({ fromUs, toUs }) => [fromUs, toUs]),
    gcUs: stalls.map(({ gcUs }) => gcUs),
    cpuUs: stalls.map(({ cpuUs }) => cpuUs),
  };
}

/** The stalls that a turn's log holds, in order of time. */
export function stallsIn(events: readonly TurnEvent[]): readonly Stall[] {
  const event = events.find(({ kind }) => kind === 'loop.blocked');
  if (event === undefined) return [];
  const [gcUs, cpuUs] = [numbersOf(event, 'gcUs'), numbersOf(event, 'cpuUs')];
  const fromTo = numbersOf(event, 'fromToUs') ?? [];
  const stalls = Array.from({ length: Math.min(MOST_STALLS, fromTo.length >> 1) }, (_, index) => ({
    fromUs: fromTo[2 * index] ?? 0,
    toUs: fromTo[2 * index + 1] ?? 0,
    gcUs: gcUs?.[index] ?? 0,
    cpuUs: cpuUs?.[index] ?? 0,
  }));
  return stalls.sort((a, b) => a.fromUs - b.fromUs);
}

/**
 * The same parts, cut where a stall is known to have held the turn up; the sum stays as it is.
 *
 * - Of our own code all of a stall counts.
 * - A wait for somebody else counts from the stall's begin, and only if the wait ended within the stall: what ended it may have come at
 *   any time since, and was not read. A stall that was over before the wait's end cost the turn nothing.
 * - Silence is the client's playing, which needs nothing of our process.
 */
export function splitAtStalls(parts: readonly Part[], stalls: readonly Stall[]): readonly Part[] {
  return stalls.length === 0 ? parts : parts.flatMap((part) => cut(part, blockedIn(part, stalls)));
}

export interface Interval {
  fromUs: number;
  toUs: number;
}
/** Of the ledger. */
interface Part extends Interval {
  stage: LedgerStage;
  phase: Phase;
}

function blockedIn({ phase, fromUs, toUs }: Part, stalls: readonly Stall[]): Interval[] {
  if (phase === 'silence') return [];
  return stalls.flatMap((stall) => {
    const isOver = stall.toUs < toUs;
    if (phase !== 'our code' && isOver) return [];
    const blocked = { fromUs: Math.max(fromUs, stall.fromUs), toUs: Math.min(toUs, stall.toUs) };
    return blocked.toUs > blocked.fromUs ? [blocked] : [];
  });
}

/** `blocked` is in order of time. */
function cut(part: Part, blocked: readonly Interval[]): Part[] {
  const pieces: Part[] = [];
  let fromUs = part.fromUs;
  for (const each of blocked) {
    // what overlaps is counted once, whatever a log says
    const own = { fromUs: Math.max(fromUs, each.fromUs), toUs: each.toUs };
    if (own.toUs <= own.fromUs) continue;
    if (own.fromUs > fromUs) pieces.push({ ...part, fromUs, toUs: own.fromUs });
    pieces.push({ stage: 'our code', phase: 'blocked', ...own });
    fromUs = own.toUs;
  }
  if (part.toUs > fromUs) pieces.push({ ...part, fromUs });
  return pieces;
}

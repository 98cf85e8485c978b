/** What a candidate asks of the world that a capture has not shown: there a simulation has been wrong in sign. Pure. */
import { fieldOf } from '../../service/base/json.ts';
import { differingKnobs } from '../../service/strategy/knobs.ts';
import type { Strategy } from '../../service/strategy/strategy.ts';
import type { Trait } from '../../service/strategy/traits.ts';

/** In the words of a report. */
const ASKS = [
  ['asksCalls', 'more calls at once'],
  ['asksModel', 'another model'],
  ['asksMethod', 'another method'],
  ['asksSizes', 'other sizes'],
] as const satisfies readonly (readonly [trait: Trait, words: string])[];

/** Values of a knob without which there are no further calls. */
const WITHOUT: ReadonlySet<unknown> = new Set(['none', 'off', 'whole', undefined]);

/** `more calls at once (tts.concurrency)`, one for each kind; none where the candidate only orders anew what was captured. */
export function asksOf(baseline: Strategy, candidate: Strategy): string[] {
  return ASKS.flatMap(([trait, words]) => {
    const knobs = differingKnobs(baseline, candidate, trait).filter(
      (path) => trait !== 'asksCalls' || isMore(valueAt(baseline, path), valueAt(candidate, path)),
    );
    return knobs.length === 0 ? [] : [`${words} (${knobs.join(', ')})`];
  });
}

const valueAt = (strategy: Strategy, path: string): unknown => path.split('.').reduce<unknown>(fieldOf, strategy);

function isMore(before: unknown, after: unknown): boolean {
  if (typeof before === 'number' && typeof after === 'number') return after > before;
  return !WITHOUT.has(after);
}

/** A turn has fewer spans than Jaeger shows well: what goes when there are more. Pure. */
import { MAX_SPANS } from './names.ts';

/** Leaves out the deepest spans, last first, until the rest fits: what is left links only to what is left. */
export function withinLimit<T extends { level: number }>(drafts: readonly T[]): readonly T[] {
  let surplus = drafts.length - MAX_SPANS;
  if (surplus <= 0) return drafts;
  const omitted = new Set<T>();
  for (let level = 3; level > 0 && surplus > 0; level--) {
    for (const draft of drafts.toReversed()) {
      if (surplus === 0) break;
      if (draft.level !== level) continue;
      omitted.add(draft);
      surplus--;
    }
  }
  return drafts.filter((draft) => !omitted.has(draft));
}

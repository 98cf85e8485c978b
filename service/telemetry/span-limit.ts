/** Which spans a turn leaves out when it has more than Jaeger shows well. Pure. */
import { MAX_SPANS } from './names.ts';

/** Leaves out the deepest spans, the last one first, until the rest fits. A parent is never left out before its children. */
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

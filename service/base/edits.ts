/** How far two lists, or two names, are from each other, and which name a mistyped one was meant to be. */

/** Edits between two lists (Levenshtein 1966), computed row by row (Wagner & Fischer 1974). */
export function editsBetween(a: readonly string[], b: readonly string[]): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (const [i, word] of a.entries()) {
    const next = [i + 1];
    for (const [j, other] of b.entries()) {
      const same = (row[j] ?? 0) + (word === other ? 0 : 1);
      next.push(Math.min(same, (row[j + 1] ?? 0) + 1, (next[j] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}

/** More edits make another name of it. */
const MOST_EDITS = 3;
const MOST_EDITED_SHARE = 0.4;

/** ` (did you mean "llm.model"?)`, to stand behind a mistyped name; empty where no known name is near. */
export function didYouMean(name: string, known: readonly string[]): string {
  let [nearest, fewest] = ['', MOST_EDITS + 1];
  for (const each of known) {
    // edits are at least the difference in length: a name of any length costs little
    if (Math.abs(each.length - name.length) > MOST_EDITS) continue;
    const edits = editsBetween([...name], [...each]);
    if (edits < fewest && edits <= MOST_EDITED_SHARE * Math.max(name.length, each.length))
      [nearest, fewest] = [each, edits];
  }
  return nearest === '' ? '' : ` (did you mean "${nearest}"?)`;
}

/** Paths of spans of our own turns that earlier versions named otherwise. Pure. */

/**
 * Old path → present path, so that a turn of an earlier version aligns with one of today. `deliver` is not among them: `playback`, which
 * stands in its place, begins later and ends with the work by default, so their durations do not compare.
 */
const RENAMED: ReadonlyMap<string, string> = new Map([['turn › endpointing', 'turn › response › wait endpointing']]);

/** The path as the present version has it. */
export function presentPath(path: string): string {
  return RENAMED.get(path) ?? path;
}

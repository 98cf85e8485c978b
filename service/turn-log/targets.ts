/**
 * The targets in ms, the same in reports, in metrics' buckets and in what traces call slow; today's figures:
 * docs/metrics.md#targets. `total` is that of the seed-comparable total. End to end is longer and has no target of its own:
 * `retake.slow.response` takes this one as its threshold, unless the operator names another.
 */
export const TARGET_MS = { stt: 500, llm: 600, tts: 300, total: 1400, firstAudioByte: 1200 } as const;

/**
 * One frame of a usual client: what is read later than this says so in traces (unless the operator names another bound), reports and
 * metrics.
 */
export const MOST_READ_LAG_MS = 20;

/** True when a measured latency is above the threshold, else undefined. */
export function above(us: number | undefined, thresholdMs: number): true | undefined {
  return us !== undefined && us > thresholdMs * 1000 ? true : undefined;
}

/** Upper bounds in ms of the classes of end to end: a store that knows equality only (badger) searches by them. */
const E2E_CLASSES = [
  ['under-1s', 1000],
  ['1s-1.4s', TARGET_MS.total],
  ['1.4s-2s', 2000],
  ['2s-3s', 3000],
  ['3s-5s', 5000],
  ['over-5s', Infinity],
] as const;

/** The class of a measured end to end; a bound belongs to the class below it. */
export function e2eClass(us: number | undefined): string | undefined {
  return us === undefined ? undefined : E2E_CLASSES.find(([, mostMs]) => us <= mostMs * 1000)?.[0];
}

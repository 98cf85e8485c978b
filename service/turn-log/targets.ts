/**
 * The targets in ms, the same in reports, in metrics' buckets and in what traces call slow; today's figures:
 * docs/metrics.md#targets. `total` is that of the seed-comparable total. End to end is longer and has no target of its own:
 * `retake.slow.response` takes this one as its threshold.
 */
export const TARGET_MS = { stt: 500, llm: 600, tts: 300, total: 1400, firstAudioByte: 1200 } as const;

/** True when a measured latency is above the figure of a target, its own or one taken as a threshold, else undefined. */
export function aboveTarget(us: number | undefined, target: keyof typeof TARGET_MS): true | undefined {
  return us !== undefined && us > TARGET_MS[target] * 1000 ? true : undefined;
}

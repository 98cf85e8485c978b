/** Points in time, as users write them on a command line. */
import { InputError } from '../../service/base/errors.ts';

const UNIT_US: Readonly<Record<string, number>> = { s: 1e6, m: 60e6, h: 3_600e6, d: 86_400e6 };

/** `10m` (before now), `2026-11-25T13:00:00Z` or `now`, as epoch µs, from 1970 on. Throws `InputError` that names `option`. */
export function sinceUsOf(text: string, nowUs: number, option: string): number {
  if (text === 'now') return nowUs;
  const [, count, unit = ''] = /^(\d+)([smhd])$/.exec(text) ?? [];
  if (count !== undefined) return Math.max(0, nowUs - Number(count) * (UNIT_US[unit] ?? 0));
  const epochMs = /^\d{4}-\d\d-\d\d/.test(text) ? Date.parse(text) : NaN;
  if (Number.isFinite(epochMs)) return Math.max(0, epochMs * 1000);
  throw new InputError(
    `${option} ${text.slice(0, 40)}: give how long ago (90s, 10m, 2h, 7d) or when (2026-11-25T13:00Z)`,
  );
}

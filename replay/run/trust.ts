/**
 * How far simulated figures have been right. For each world of stand-ins, and each variant, trust.json holds the prediction in virtual time
 * from a capture, and the figure that was then measured in `wire`. `npm run verify -- trust` writes the file; docs/virtual-time.md#counterfactual-error says how.
 */
import { readFileSync } from 'node:fs';
import { isDeepStrictEqual } from 'node:util';
import { Ajv } from 'ajv';
import { Type, type Static } from 'typebox';
import { InputError } from '../../service/base/errors.ts';
import { section } from '../../service/base/schema.ts';
import type { StrategyPatch } from '../../service/strategy/patch.ts';
import type { PrimaryMetric } from '../diff/diff.ts';
import { signed } from '../statistics/rounding.ts';
import type { CandidateSpec } from '../plan/lanes.ts';
import type { CapturedSession } from '../sessions/captured-session.ts';
import { capturedWorld, isSameWorld, LOOPBACK } from '../sessions/captured-world.ts';
import { VERDICTS, type Verdict } from '../diff/verdict.ts';
import { namedVariants } from '../variants/variants.ts';

const share = Type.Optional(Type.Number({ minimum: 0, maximum: 1 }));
const hour = Type.Integer({ minimum: 0, maximum: 23 });

const TrustSchema = section({
  at: Type.String({ pattern: '^\\d{4}-\\d{2}-\\d{2}$' }),
  /** Of the stand-ins: the world's name. */
  profile: Type.String(),
  /** The profile that predictions asked where the capture holds no time. */
  predictedWith: Type.String(),
  /** Of the day, where capture and measurement had another one. */
  hours: Type.Optional(section({ captured: hour, measured: hour })),
  seed: Type.String(),
  /** Where A and B were measured. In `sim` the error is that of the model alone. */
  world: Type.Unsafe<'wire' | 'sim'>({ enum: ['wire', 'sim'] }),
  sessions: Type.Integer({ minimum: 0 }),
  identity: section({ turns: Type.Integer({ minimum: 0 }), medianPct: Type.Number(), p95Pct: Type.Number() }),
  /** All shares in % of the primary metric in the re-run baseline; negative is earlier. */
  rows: Type.Array(
    section({
      name: Type.String(),
      turns: Type.Integer({ minimum: 0 }),
      predictedPct: Type.Number(),
      measuredPct: Type.Number(),
      lowPct: Type.Number(),
      highPct: Type.Number(),
      /** What a simulated report says once this error is known. Absent in rows that are older than it. */
      says: Type.Optional(Type.Unsafe<Verdict>({ enum: VERDICTS })),
      /** Turns that failed under the variant when it was measured. */
      failed: Type.Optional(Type.Integer({ minimum: 0 })),
      basis: section({ captured: share, fitted: share, profile: share }),
    }),
  ),
  left: Type.Array(section({ name: Type.String(), why: Type.String() })),
});
export type Trust = Static<typeof TrustSchema>;
export type TrustRow = Trust['rows'][number];

/** A row holds its bar with the prediction inside the measured interval, and the interval within ± this. */
export const HALF_WIDTH_LIMIT_PCT = 5;
/** In % of the primary metric. A figure with a larger error, outside the measured interval, is no result. */
export const ERROR_LIMIT_PCT = 5;

export const TRUST_PAGE = 'docs/virtual-time.md#counterfactual-error';

const FILE = new URL('./trust.json', import.meta.url);
const validate = new Ajv().compile<{ worlds: Trust[] }>(section({ worlds: Type.Array(TrustSchema) }));

/** What `npm run verify -- trust` found last, one table a world. Throws `InputError` for a damaged file. */
export function loadTrust(): readonly Trust[] {
  const json: unknown = JSON.parse(readFileSync(FILE, 'utf8'));
  if (validate(json)) return json.worlds;
  const { instancePath, message } = validate.errors?.[0] ?? {};
  throw new InputError(
    `replay/run/trust.json: ${instancePath} ${message}; write it again with: npm run verify -- trust`,
  );
}

/** Predicted − measured, in points. */
export const errorPct = ({ predictedPct, measuredPct }: TrustRow): number => predictedPct - measuredPct;
export const halfWidthPct = ({ lowPct, highPct }: TrustRow): number => (highPct - lowPct) / 2;

export const inside = ({ predictedPct, lowPct, highPct }: TrustRow): boolean =>
  predictedPct >= lowPct && predictedPct <= highPct;

/** Whether a row holds its bar. */
export function holds(row: TrustRow): boolean {
  return inside(row) && halfWidthPct(row) <= HALF_WIDTH_LIMIT_PCT;
}

/** A smaller share is printed as 0.0 % and has no sign. */
const NO_SIGN_PCT = 0.05;

/** The measured interval excludes 0, and the prediction lies on the other side. */
export function isSignWrong({
  predictedPct,
  lowPct,
  highPct,
}: Pick<TrustRow, 'predictedPct' | 'lowPct' | 'highPct'>): boolean {
  if (Math.abs(predictedPct) < NO_SIGN_PCT) return false;
  return predictedPct < 0 ? lowPct > 0 : highPct < 0;
}

/** Whether the variant's simulated figures may stand as results. */
export const isResult = (row: TrustRow): boolean =>
  !isSignWrong(row) && (inside(row) || Math.abs(errorPct(row)) <= ERROR_LIMIT_PCT);

export interface Trusted {
  /** Beside a simulated figure. */
  text: string;
  /** The same for a narrow table. */
  short: string;
  /** False: the figure is no result. */
  shown: boolean;
  /** The figure was predicted and then measured, in the captures' own world. */
  isMeasured: boolean;
}

/** Of a figure that was never predicted and then measured. */
export function errorNotMeasured(why: string): Trusted {
  return { text: `error not measured (${why})`, short: 'not measured', shown: true, isMeasured: false };
}

/** Stands beside a variant's simulated figure. */
export function trustIn(name: string, { rows, left }: Trust): Trusted {
  const row = rows.find((each) => each.name === name);
  if (row === undefined) {
    const why = left.find((each) => each.name === name)?.why ?? 'not in npm run verify -- trust';
    return errorNotMeasured(why);
  }
  const error = points(errorPct(row));
  const half = halfWidthPct(row).toFixed(1);
  return {
    text: `error ${error} ${inside(row) ? 'within' : 'outside'} the measured interval of ±${half}`,
    short: `${error.replace(' %', '')} ${inside(row) ? 'in' : 'out of'} ±${half}`,
    shown: isResult(row),
    isMeasured: true,
  };
}

/** Of a comparison, what says whether it is one that was measured. */
export interface Compared {
  spec: Pick<CandidateSpec, 'variant' | 'patches'>;
  baseline: readonly StrategyPatch[];
  baselineCheckout?: object;
  sessions: readonly CapturedSession[];
  /** That predictions ask where the capture holds no time. */
  profile: string;
}

/** Turns that a replay needs to measure an error of some points. */
export const TURNS_TO_MEASURE = 20;

/**
 * The table of the captures' own world: their exchanges went to stand-ins of its profile, and it was made by predictions of this profile.
 * Undefined for captures of any other world, whatever their label says.
 */
export function tableFor(
  { sessions, profile }: Pick<Compared, 'sessions' | 'profile'>,
  tables: readonly Trust[],
): Trust | undefined {
  const own = capturedWorld(sessions);
  if (own === undefined) return undefined;
  return tables.find(
    (each) =>
      each.predictedWith === profile &&
      isSameWorld(own, { world: each.world, profile: each.profile, hosts: [LOOPBACK] }),
  );
}

/** Of captures of a world in which nothing was measured. */
export function foreignWorld(sessions: Compared['sessions']): Trusted {
  const worlds = sessions.flatMap(({ turns }) => turns.map(({ identity }) => identity.world));
  const world = worlds.includes('live') ? 'live' : 'wire';
  return errorNotMeasured(`in this world: replay ${TURNS_TO_MEASURE} turns with --world ${world} to measure it`);
}

/**
 * Of a candidate. A named variant was measured unchanged, against the captured strategy by the same code. With any other patch or
 * baseline its error is not known.
 */
export function trustInCandidate(compared: Compared, tables: readonly Trust[]): Trusted {
  const { spec, baseline, baselineCheckout, sessions } = compared;
  const named = namedVariants().find(({ name }) => name === spec.variant);
  if (baseline.length > 0 || baselineCheckout !== undefined)
    return errorNotMeasured('the baseline is not the captured strategy under this commit');
  if (named !== undefined && !isDeepStrictEqual(spec.patches, [named.patch]))
    return errorNotMeasured(`more than ${spec.variant} was changed`);
  const table = tableFor(compared, tables);
  return table === undefined ? foreignWorld(sessions) : trustIn(spec.variant, table);
}

/** Stands beside a gain in end to end. The measured error is of the variant's own primary metric, which may be another one. */
export function trustInEndToEnd(name: string, primary: PrimaryMetric, trust: Trust): Trusted {
  const own = trustIn(name, trust);
  if (primary === 'first-audible' || !trust.rows.some((row) => row.name === name)) return own;
  return own.shown ? errorNotMeasured(`only of ${primary}`) : { ...own, text: `${own.text}, of ${primary}` };
}

export const points = (value: number): string => `${signed(value)} %`;

/**
 * How far simulated figures have been right. For each variant trust.json holds the prediction in virtual time from a capture, and the
 * figure that was then measured in `wire`. `npm run verify -- trust` writes the file; docs/virtual-time.md#counterfactual-error says how.
 */
import { readFileSync } from 'node:fs';
import { isDeepStrictEqual } from 'node:util';
import { Ajv } from 'ajv';
import { Type, type Static } from 'typebox';
import { InputError } from '../../service/base/errors.ts';
import { section } from '../../service/base/schema.ts';
import type { StrategyPatch } from '../../service/strategy/patch.ts';
import { basisText } from './basis.ts';
import type { PrimaryMetric } from '../diff/diff.ts';
import { signed } from '../statistics/rounding.ts';
import type { CandidateSpec } from '../plan/lanes.ts';
import type { CapturedSession } from '../sessions/captured-session.ts';
import { namedVariants } from '../variants/variants.ts';

const share = Type.Optional(Type.Number({ minimum: 0, maximum: 1 }));

const TrustSchema = section({
  at: Type.String({ pattern: '^\\d{4}-\\d{2}-\\d{2}$' }),
  profile: Type.String(),
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
const validate = new Ajv().compile<Trust>(TrustSchema);

/** What `npm run verify -- trust` found last. Throws `InputError` for a damaged file. */
export function loadTrust(): Trust {
  const json: unknown = JSON.parse(readFileSync(FILE, 'utf8'));
  if (validate(json)) return json;
  const { instancePath, message } = validate.errors?.[0] ?? {};
  throw new InputError(
    `replay/run/trust.json: ${instancePath} ${message}; write it again with: npm run verify -- trust`,
  );
}

/** Predicted − measured, in points. */
export const errorPct = ({ predictedPct, measuredPct }: TrustRow): number => predictedPct - measuredPct;
export const halfWidthPct = ({ lowPct, highPct }: TrustRow): number => (highPct - lowPct) / 2;

const inside = ({ predictedPct, lowPct, highPct }: TrustRow): boolean =>
  predictedPct >= lowPct && predictedPct <= highPct;

/** Whether a row holds its bar. */
export function holds(row: TrustRow): boolean {
  return inside(row) && halfWidthPct(row) <= HALF_WIDTH_LIMIT_PCT;
}

/** Whether the variant's simulated figures may stand as results. */
const isResult = (row: TrustRow): boolean => inside(row) || Math.abs(errorPct(row)) <= ERROR_LIMIT_PCT;

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
}

/** Turns that a replay needs to measure an error of some points. */
export const TURNS_TO_MEASURE = 20;

/** Why an error that was measured in one world says nothing about these captures: they are of another world or profile. */
function foreignWorld(sessions: Compared['sessions'], trust: Pick<Trust, 'world' | 'profile'>): string | undefined {
  const worlds = sessions.flatMap(({ turns }) => turns.map(({ identity }) => identity.world));
  const isOwn =
    worlds.every((world) => world === trust.world) && sessions.every(({ profile }) => profile === trust.profile);
  if (isOwn) return undefined;
  const world = worlds.includes('live') ? 'live' : 'wire';
  return `in this world: replay ${TURNS_TO_MEASURE} turns with --world ${world} to measure the difference itself`;
}

/**
 * Of a candidate. A named variant was measured unchanged, against the captured strategy by the same code. With any other patch or
 * baseline its error is not known.
 */
export function trustInCandidate({ spec, baseline, baselineCheckout, sessions }: Compared, trust: Trust): Trusted {
  const named = namedVariants().find(({ name }) => name === spec.variant);
  const other =
    baseline.length > 0 || baselineCheckout !== undefined
      ? 'the baseline is not the captured strategy under this commit'
      : named !== undefined && !isDeepStrictEqual(spec.patches, [named.patch])
        ? `more than ${spec.variant} was changed`
        : foreignWorld(sessions, trust);
  return other === undefined ? trustIn(spec.variant, trust) : errorNotMeasured(other);
}

/** Stands beside a gain in end to end. The measured error is of the variant's own primary metric, which may be another one. */
export function trustInEndToEnd(name: string, primary: PrimaryMetric, trust: Trust): Trusted {
  const own = trustIn(name, trust);
  if (primary === 'first-audible' || !trust.rows.some((row) => row.name === name)) return own;
  return own.shown ? errorNotMeasured(`only of ${primary}`) : { ...own, text: `${own.text}, of ${primary}` };
}

const points = (value: number): string => `${signed(value)} %`;

/** The table of docs/virtual-time.md, with what it is about. */
export function trustTable(trust: Trust): string {
  const { at, profile, seed, world, sessions, identity, rows, left } = trust;
  const held = rows.filter(holds).length;
  const what = world === 'sim' ? ' (the model’s own error, without real sockets)' : '';
  return `Measured ${at} in \`${world}\`${what}: ${sessions} sessions of the fixture interviews, profile \`${profile}\`, seed \`${seed}\`.

- A and B met the same draws of the stand-ins. So the intervals (95 %, over sessions) are over what the strategy changes, not over luck.
- The prediction is fitted to A alone. Where it asks a profile, it asks the stand-ins' own with another seed. A large profile share tests
  the simulation, not the profile.
- Identity error: median ${identity.medianPct.toFixed(2)} %, p95 ${identity.p95Pct.toFixed(2)} % (${identity.turns} turns). ${held} of ${rows.length} rows hold the bar.

| strategy | n | predicted | measured | 95 % | error | bar | times from |
| --- | ---: | ---: | ---: | --- | ---: | --- | --- |
${rows
  .map((row) => {
    const cells = [
      row.name,
      String(row.turns),
      points(row.predictedPct),
      points(row.measuredPct),
      `${points(row.lowPct)} to ${points(row.highPct)}`,
      points(errorPct(row)),
      holds(row) ? 'holds' : isResult(row) ? 'missed' : '**not shown**',
      basisText(row.basis),
    ];
    return `| ${cells.join(' | ')} |`;
  })
  .join('\n')}

Left out: ${left.map(({ name, why }) => `${name} (${why})`).join('; ')}.`;
}

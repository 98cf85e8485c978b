/** The tables of docs/virtual-time.md: what `npm run verify -- trust` found in each world, with the failures of predictions. Pure. */
import { DEFAULT_STRATEGY } from '../../service/strategy/strategy.ts';
import { resolveStrategy } from '../../service/strategy/patch.ts';
import { asksOf } from '../plan/asks.ts';
import { namedVariants } from '../variants/variants.ts';
import { basisText } from './basis.ts';
import { errorPct, holds, inside, isResult, isSignWrong, points, type Trust, type TrustRow } from './trust.ts';

/** Claims of a simulated report that are wrong in sign: it says faster or slower, and the measured mean lies on the other side of 0. */
export function wrongClaims({ rows }: Pick<Trust, 'rows'>): TrustRow[] {
  return rows.filter(
    ({ says, measuredPct }) => (says === 'faster' && measuredPct > 0) || (says === 'slower' && measuredPct < 0),
  );
}

/** All worlds, the kind one first. */
export function trustPage(tables: readonly Trust[]): string {
  const rows = tables.map((table) => {
    const { rows, profile, sessions } = table;
    const claims = rows.filter(({ says }) => says === 'faster' || says === 'slower');
    const cells = [
      profile,
      sessions,
      rows.length,
      rows.filter((row) => !inside(row)).length,
      rows.filter(isSignWrong).length,
      rows.filter((row) => !isResult(row)).length,
      rows.some(({ says }) => says !== undefined) ? claims.length : '–',
      rows.some(({ says }) => says !== undefined) ? wrongClaims(table).length : '–',
    ];
    return `| ${cells.join(' | ')} |`;
  });
  const head = `| world | sessions | strategies | outside the interval | sign wrong | not shown | claims | claims wrong in sign |
| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |`;
  return [
    `${head}\n${rows.join('\n')}`,
    ...tables.map((table) => `### World ${table.profile}\n\n${trustTable(table)}`),
  ].join('\n\n');
}

/** One world's table, with what it is about. */
export function trustTable(trust: Trust): string {
  const { at, profile, predictedWith, hours, seed, world, sessions, identity, rows, left } = trust;
  const held = rows.filter(holds).length;
  const what = world === 'sim' ? ' (the model’s own error, without real sockets)' : '';
  const when = hours === undefined ? '' : `, captured at hour ${hours.captured} and measured at hour ${hours.measured}`;
  const asked =
    predictedWith === profile
      ? "the stand-ins' own with another seed. A large profile share tests\n  the simulation, not the profile"
      : `profile \`${predictedWith}\`, which does not know this world`;
  return `Measured ${at} in \`${world}\`${what}: ${sessions} sessions of the fixture interviews, profile \`${profile}\`${when}, seed \`${seed}\`.

- A and B met the same draws of the stand-ins. So the intervals (95 %, over sessions) are over what the strategy changes, not over luck.
- The prediction is fitted to A alone. Where it asks a profile, it asks ${asked}.
- Identity error: median ${identity.medianPct.toFixed(2)} %, p95 ${identity.p95Pct.toFixed(2)} % (${identity.turns} turns). ${held} of ${rows.length} rows hold the bar.

| strategy | n | asks for | predicted | measured | 95 % | error | bar | says | times from |
| --- | ---: | --- | ---: | ---: | --- | ---: | --- | --- | --- |
${rows
  .map((row) => {
    const cells = [
      row.name,
      `${row.turns}${row.failed === undefined ? '' : ` (${row.failed} failed)`}`,
      classesOf(row.name),
      points(row.predictedPct),
      points(row.measuredPct),
      `${points(row.lowPct)} to ${points(row.highPct)}`,
      points(errorPct(row)),
      barOf(row),
      row.says ?? '–',
      basisText(row.basis),
    ];
    return `| ${cells.join(' | ')} |`;
  })
  .join('\n')}

Left out: ${left.map(({ name, why }) => `${name} (${why})`).join('; ')}.`;
}

function barOf(row: TrustRow): string {
  if (isSignWrong(row)) return '**sign wrong**';
  if (holds(row)) return 'holds';
  if (!isResult(row)) return '**not shown**';
  return inside(row) ? 'wide' : 'missed';
}

/** What the variant asks for that a capture does not show, without the knobs. */
function classesOf(name: string): string {
  const variant = namedVariants().find((each) => each.name === name);
  if (variant === undefined) return '–';
  const asks = asksOf(DEFAULT_STRATEGY, resolveStrategy([variant.patch], name));
  return asks.length === 0 ? 'none' : asks.map((each) => each.replace(/ \(.*$/, '')).join(', ');
}

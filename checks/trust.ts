/**
 * `npm run verify -- trust`: predicts strategies in virtual time from a capture made in `wire`, then measures them in `wire`: in the kind world
 * and in those that are not (trust-worlds.ts). Writes both to replay/run/trust.json and its page. `--help` lists what shortens it. Exit code 1
 * when a bar of the kind world is missed, when a claim is wrong in sign in any world, or when an error of another world is stated.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { InvalidArgumentError, Option } from 'commander';
import { format, resolveConfig } from 'prettier';
import { MEASURED_IN, measureTrust, type TrustOptions } from './trust-measure.ts';
import { TRUST_WORLDS, type TrustWorld } from './trust-worlds.ts';
import { IDENTITY_LIMIT } from '../replay/rank/rank.ts';
import { holds, loadTrust, type Trust } from '../replay/run/trust.ts';
import { trustPage, wrongClaims } from '../replay/run/trust-table.ts';
import { createRealClock } from '../service/base/clock.ts';
import { commandOf, wholeFrom } from '../scripts/programs/options.ts';

const BEGIN = '<!-- trust:begin -->';
const END = '<!-- trust:end -->';
const SEED = 'trust';
const page = new URL('../docs/virtual-time.md', import.meta.url);
const file = new URL('../replay/run/trust.json', import.meta.url);

interface TrustFlags {
  check?: boolean;
  page?: boolean;
  worlds: readonly TrustWorld[];
  variants?: string;
  sessions?: number;
  turns?: number;
  seed: string;
  world: TrustOptions['world'];
}

const flags = commandOf('npm run verify -- trust')
  .option('--check', 'measure nothing: fail when the page does not show what the file holds')
  .option('--page', 'measure nothing: write what the file holds into the page')
  .addOption(
    new Option(
      '--worlds <names>',
      `only these, with commas between them, of ${TRUST_WORLDS.map(({ profile }) => profile).join(', ')}; the file keeps the others`,
    )
      .argParser(worldsNamed)
      .default(TRUST_WORLDS, 'all'),
  )
  .option('--variants <names>', 'only these, with commas between them; the result is printed and not written')
  .option('--sessions <n>', 'sessions of each world; the result is printed and not written', wholeFrom(1))
  .option('--turns <n>', 'turns a session; the result is printed and not written', wholeFrom(1))
  .option('--seed <text>', 'seed of the stand-ins; another one is printed and not written', SEED)
  .addOption(
    new Option('--world <world>', 'where strategies are measured; in sim only the error of the model is left')
      .choices(MEASURED_IN)
      .default('wire'),
  )
  .parse()
  .opts<TrustFlags>();

function worldsNamed(text: string): TrustWorld[] {
  return text.split(',').map((name) => {
    const world = TRUST_WORLDS.find(({ profile }) => profile === name);
    if (world === undefined) throw new InvalidArgumentError(`there is no world ${JSON.stringify(name)}`);
    return world;
  });
}

async function pageWith(tables: readonly Trust[]): Promise<string> {
  const text = readFileSync(page, 'utf8');
  const [before, rest = ''] = text.split(BEGIN);
  const [, after = ''] = rest.split(END);
  return format(`${before}${BEGIN}\n\n${trustPage(tables)}\n\n${END}${after}`, {
    ...(await resolveConfig(page)),
    parser: 'markdown',
  });
}

/** The file's tables with the new ones in their place, in the order of the worlds. */
function withTables(fresh: readonly Trust[]): Trust[] {
  return TRUST_WORLDS.flatMap(({ profile }) => {
    const table = [...fresh, ...loadTrust()].find((each) => each.profile === profile);
    return table === undefined ? [] : [table];
  });
}

async function measureAll(): Promise<void> {
  const clock = createRealClock();
  const beganUs = clock.nowUs();
  const { worlds, variants, sessions, turns, seed, world } = flags;
  const tables: Trust[] = [];
  const faults: string[] = [];
  const unusable: string[] = [];
  for (const row of worlds) {
    const {
      table,
      strayErrors,
      unusable: why,
    } = await measureTrust({
      ...row,
      variants: variants?.split(',') ?? row.variants,
      sessions: sessions ?? row.sessions,
      turns: turns ?? row.turns,
      seed,
      world,
      at: new Date(clock.epochUs() / 1000).toISOString().slice(0, 10),
      progress: (text) => void (process.stderr.isTTY ? process.stderr.write(`\r\u001b[2K${text}`) : undefined),
    });
    tables.push(table);
    unusable.push(...why);
    faults.push(
      ...strayErrors.map((what) => `an error of another world is stated: ${what}`),
      ...wrongClaims(table).map(
        ({ name, says, measuredPct }) => `${table.profile}: ${name} says ${says ?? ''}, measured ${measuredPct} %`,
      ),
      ...(row.profile === 'seed' ? kindFaults(table) : []),
    );
    console.error(
      `${row.profile}: ${table.rows.length} strategies after ${((clock.nowUs() - beganUs) / 1e6).toFixed(0)} s`,
    );
  }
  console.log(`${trustPage(tables)}\n\n${((clock.nowUs() - beganUs) / 1e6).toFixed(0)} s`);
  const isWhole = variants === undefined && sessions === undefined && turns === undefined;
  if (isWhole && seed === SEED && world === 'wire' && unusable.length === 0) {
    const kept = withTables(tables);
    writeFileSync(
      file,
      await format(JSON.stringify({ worlds: kept }), { ...(await resolveConfig(page)), parser: 'json' }),
    );
    writeFileSync(page, await pageWith(kept));
    console.log('written: replay/run/trust.json, docs/virtual-time.md');
  }
  const all = [...faults, ...unusable.map((why) => `not written: ${why}`)];
  for (const fault of all) console.log(`OFF ${fault}`);
  process.exitCode = all.length === 0 ? 0 : 1;
}

/** The bars of the world in which nothing surprises. */
function kindFaults({ identity: { medianPct, p95Pct }, rows }: Trust): string[] {
  const reproduced = medianPct <= IDENTITY_LIMIT.medianPct && p95Pct <= IDENTITY_LIMIT.p95Pct;
  return [
    ...(reproduced ? [] : [`seed: the identity error is beyond its limit: ${medianPct} %, p95 ${p95Pct} %`]),
    ...rows.filter((row) => !holds(row)).map(({ name }) => `seed: ${name} does not hold its bar`),
  ];
}

if (flags.page) {
  writeFileSync(page, await pageWith(loadTrust()));
  console.log('docs/virtual-time.md shows what replay/run/trust.json holds');
} else if (flags.check) {
  const current = (await pageWith(loadTrust())) === readFileSync(page, 'utf8');
  console.log(`docs/virtual-time.md ${current ? 'shows' : 'does not show'} what replay/run/trust.json holds`);
  process.exitCode = current ? 0 : 1;
} else await measureAll();

/**
 * `npm run verify -- trust`: predicts strategies in virtual time from a capture made in `wire`, then measures them in `wire`. Writes both to
 * replay/run/trust.json and its page. `--help` lists what shortens it. Exit code 1 when a bar is missed.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { Option } from 'commander';
import { format, resolveConfig } from 'prettier';
import { COMMITTED, measureTrust, replacesCommitted, TRUST_WORLDS, type TrustOptions } from './trust-measure.ts';
import { IDENTITY_LIMIT } from '../replay/rank/rank.ts';
import { holds, loadTrust, trustTable } from '../replay/run/trust.ts';
import { createRealClock } from '../service/base/clock.ts';
import { commandOf, wholeFrom } from '../scripts/programs/options.ts';

const BEGIN = '<!-- trust:begin -->';
const END = '<!-- trust:end -->';
const page = new URL('../docs/virtual-time.md', import.meta.url);
const file = new URL('../replay/run/trust.json', import.meta.url);

interface TrustFlags extends Pick<TrustOptions, 'sessions' | 'turns' | 'seed' | 'world'> {
  check?: boolean;
  page?: boolean;
  variants?: string;
}

const flags = commandOf('npm run verify -- trust')
  .option('--check', 'measure nothing: fail when the page does not show what the file holds')
  .option('--page', 'measure nothing: write what the file holds into the page')
  .option('--variants <names>', 'only these, with commas between them; the result is printed and not written')
  .option('--sessions <n>', 'sessions; another number is printed and not written', wholeFrom(1), COMMITTED.sessions)
  .option('--turns <n>', 'turns a session; another number is printed and not written', wholeFrom(1), COMMITTED.turns)
  .option('--seed <text>', 'seed of the stand-ins; another one is printed and not written', COMMITTED.seed)
  .addOption(
    new Option('--world <world>', 'where strategies are measured; in sim only the error of the model is left')
      .choices(TRUST_WORLDS)
      .default(COMMITTED.world),
  )
  .parse()
  .opts<TrustFlags>();

async function pageWith(table: string): Promise<string> {
  const text = readFileSync(page, 'utf8');
  const [before, rest = ''] = text.split(BEGIN);
  const [, after = ''] = rest.split(END);
  return format(`${before}${BEGIN}\n\n${table}\n\n${END}${after}`, {
    ...(await resolveConfig(page)),
    parser: 'markdown',
  });
}

if (flags.page) {
  writeFileSync(page, await pageWith(trustTable(loadTrust())));
  console.log('docs/virtual-time.md shows what replay/run/trust.json holds');
} else if (flags.check) {
  const current = (await pageWith(trustTable(loadTrust()))) === readFileSync(page, 'utf8');
  console.log(`docs/virtual-time.md ${current ? 'shows' : 'does not show'} what replay/run/trust.json holds`);
  process.exitCode = current ? 0 : 1;
} else {
  const clock = createRealClock();
  const beganUs = clock.nowUs();
  const options: TrustOptions = {
    sessions: flags.sessions,
    turns: flags.turns,
    seed: flags.seed,
    world: flags.world,
    variants: flags.variants?.split(','),
    at: new Date(clock.epochUs() / 1000).toISOString().slice(0, 10),
    progress: (text) => void (process.stderr.isTTY ? process.stderr.write(`\r\u001b[2K${text}`) : undefined),
  };
  const trust = await measureTrust(options);
  const table = trustTable(trust);
  console.log(`${table}\n\n${((clock.nowUs() - beganUs) / 1e6).toFixed(0)} s`);
  if (replacesCommitted(options) && trust.rows.length > 0) {
    writeFileSync(file, `${JSON.stringify(trust, null, 2)}\n`);
    writeFileSync(page, await pageWith(table));
    console.log('written: replay/run/trust.json, docs/virtual-time.md');
  }
  const { medianPct, p95Pct } = trust.identity;
  const reproduced = medianPct <= IDENTITY_LIMIT.medianPct && p95Pct <= IDENTITY_LIMIT.p95Pct;
  process.exitCode = reproduced && trust.rows.every(holds) ? 0 : 1;
}

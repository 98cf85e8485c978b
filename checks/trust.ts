/**
 * `npm run check:trust`: predicts strategies in virtual time from a capture made in `wire`, measures them in `wire`, and writes what it
 * found to replay/run/trust.json and docs/virtual-time.md. `--variants a,b`, `--sessions N`, `--turns N` and `--seed S` for a run that only
 * prints; so does `--world sim`, which measures in virtual time, so that only the model's own error is left; `--check`: only whether the page shows what the file
 * holds; `--page` lets it. Exit code 1 when a bar is missed.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { format, resolveConfig } from 'prettier';
import { COMMITTED, measureTrust, replacesCommitted, type TrustOptions } from './trust-measure.ts';
import { IDENTITY_LIMIT } from '../replay/rank/rank.ts';
import { holds, loadTrust, trustTable } from '../replay/run/trust.ts';
import { createRealClock } from '../service/base/clock.ts';

const BEGIN = '<!-- written by npm run check:trust -->';
const END = '<!-- end -->';
const page = new URL('../docs/virtual-time.md', import.meta.url);
const file = new URL('../replay/run/trust.json', import.meta.url);

const { values } = parseArgs({
  options: {
    check: { type: 'boolean', default: false },
    page: { type: 'boolean', default: false },
    variants: { type: 'string' },
    sessions: { type: 'string', default: String(COMMITTED.sessions) },
    turns: { type: 'string', default: String(COMMITTED.turns) },
    seed: { type: 'string', default: COMMITTED.seed },
    world: { type: 'string', default: COMMITTED.world },
  },
});

async function pageWith(table: string): Promise<string> {
  const text = readFileSync(page, 'utf8');
  const [before, rest = ''] = text.split(BEGIN);
  const [, after = ''] = rest.split(END);
  return format(`${before}${BEGIN}\n\n${table}\n\n${END}${after}`, {
    ...(await resolveConfig(page)),
    parser: 'markdown',
  });
}

if (values.page) {
  writeFileSync(page, await pageWith(trustTable(loadTrust())));
  console.log('docs/virtual-time.md shows what replay/run/trust.json holds');
} else if (values.check) {
  const current = (await pageWith(trustTable(loadTrust()))) === readFileSync(page, 'utf8');
  console.log(`docs/virtual-time.md ${current ? 'shows' : 'does not show'} what replay/run/trust.json holds`);
  process.exitCode = current ? 0 : 1;
} else {
  const clock = createRealClock();
  const beganUs = clock.nowUs();
  const options: TrustOptions = {
    sessions: Number(values.sessions),
    turns: Number(values.turns),
    seed: values.seed,
    world: values.world === 'sim' ? 'sim' : 'wire',
    at: new Date(clock.epochUs() / 1000).toISOString().slice(0, 10),
    progress: (text) => void (process.stderr.isTTY ? process.stderr.write(`\r\u001b[2K${text}`) : undefined),
    ...(values.variants === undefined ? {} : { variants: values.variants.split(',') }),
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

/** `retake profile`: fits a latency profile to captured sessions or to a bench's answers, and writes the file for `--profile`. */
import { writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { InputError } from '../../service/base/errors.ts';
import { readInput } from '../../service/base/input-file.ts';
import { EXCHANGES_FILE, parseExchanges, type ReadExchanges } from '../../sim/times/exchange-lines.ts';
import { FIT_EXCHANGES, LINE_EXCHANGES } from '../../sim/times/fit.ts';
import { observationsOf } from '../../sim/times/observed.ts';
import { loadProfile, parseProfile } from '../../sim/times/profile.ts';
import { fitProfile, type KindFit } from '../../sim/times/profile-fit.ts';
import { capturedTurnsOf } from '../../replay/sessions/captured-session.ts';
import type { CommandContext } from '../../replay/report/context.ts';
import { cannotWrite, makeFolder } from '../../replay/run/out-folder.ts';
import { chosenSessions } from './replay.ts';
import { plain, wrapped } from '../../replay/report/words.ts';

export interface ProfileCommandOptions {
  sessions?: string;
  sample: number;
  /** A result folder of `retake bench`, instead of captured sessions. */
  bench?: string;
  base: string;
  name: string;
  seed: string;
  data?: string;
  out: string;
  json?: boolean;
}

export async function profileCommand(context: CommandContext, options: ProfileCommandOptions): Promise<void> {
  const base = loadProfile(options.base);
  if (!/^[a-z0-9-]+$/.test(options.name))
    throw new InputError(`--name ${options.name}: use lower-case letters, digits and hyphens only`);
  const { worlds, observations, sessions } =
    options.bench === undefined ? await ofCaptures(context, options) : ofBench(options.bench);
  const { profile, kinds, setUps } = fitProfile(observations, base, options.name);
  if (!kinds.some(({ fitted }) => fitted))
    throw new InputError(
      `nothing to fit: no kind of exchange has ${FIT_EXCHANGES} answers in the ${sessions} sessions; capture more sessions`,
    );
  const description = `${profile.description} Captured in ${worlds.join(', ')}.`;
  const written = parseProfile({ ...profile, description }, options.out);
  await makeFolder(dirname(options.out));
  await writeFile(options.out, `${JSON.stringify(written, null, 2)}\n`).catch((error: unknown) => {
    throw cannotWrite(options.out, error);
  });
  context.progressDone();
  if (options.json === true) {
    context.out(JSON.stringify({ profile: options.out, worlds, kinds, setUps }, null, 2));
    return;
  }
  const basis = worlds.every((world) => world === 'live') ? 'measured' : 'predicted: stand-ins';
  const told = [
    `${observations.length} exchanges in ${sessions} sessions${daysOf(kinds)}, captured in ${worlds.join(', ')} (${basis})`,
    'request → first data, connection set-up apart, ms; error: of the fitted line, a fifth left out, mean size',
  ];
  for (const line of told.flatMap((text) => wrapped(text, ' ', context.columns))) context.out(line);
  for (const row of kindRows(kinds)) context.out(plain(row));
  for (const { provider, n } of setUps) context.out(`  ${provider}: ${n} new connections`);
  context.out(`written: ${options.out}; use it with --profile ${options.out}`);
}

async function ofCaptures(context: CommandContext, options: ProfileCommandOptions): Promise<ReadExchanges> {
  const sessions = await chosenSessions(context, options);
  return {
    worlds: [...new Set(sessions.flatMap(({ turns }) => turns.map(({ identity }) => identity.world)))].sort(),
    observations: sessions.flatMap(capturedTurnsOf).flatMap(observationsOf),
    sessions: sessions.length,
  };
}

function ofBench(folder: string): ReadExchanges {
  const file = join(folder, EXCHANGES_FILE);
  const next = 'name the result folder of a "retake bench"';
  return parseExchanges(readInput(file, 'log', { where: `--bench ${file}`, next }).toString('utf8'), file);
}

const digits = (value: number | undefined, count = 0): string =>
  value === undefined || Number.isNaN(value) ? '–' : value.toFixed(count);

function kindRows(kinds: readonly KindFit[]): string[] {
  const width = Math.max(4, ...kinds.map(({ kind }) => kind.length));
  const thinned = kinds.filter(({ n, lineN }) => lineN < n);
  return [
    `  ${'kind'.padEnd(width)}     n   p50   p95   new  open per unit  error p50, p90 %`,
    ...kinds.map((each) => {
      const cells = [each.n, digits(each.p50Ms), digits(each.p95Ms), digits(each.newP50Ms), digits(each.reusedP50Ms)];
      const error = each.fitted
        ? `${digits(each.errorP50Pct, 1)}, ${digits(each.errorP90Pct, 1)}`
        : `fewer than ${FIT_EXCHANGES}`;
      return `  ${each.kind.padEnd(width)} ${cells.map((cell) => String(cell).padStart(5)).join(' ')} ${digits(each.slopeMs, 3).padStart(8)}  ${error}`;
    }),
    ...(thinned.length === 0
      ? []
      : [
          `  per unit: a line through ${LINE_EXCHANGES} of the exchanges of ${thinned.map(({ kind }) => kind).join(', ')}`,
        ]),
  ];
}

/** First and last day over all kinds. */
function daysOf(kinds: readonly KindFit[]): string {
  const days = kinds.flatMap(({ from, to }) => [from ?? [], to ?? []].flat()).sort();
  const [first, last] = [days[0], days.at(-1)];
  if (first === undefined || last === undefined) return '';
  return first === last ? `, ${first}` : `, ${first} to ${last}`;
}

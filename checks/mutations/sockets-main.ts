/**
 * `npm run verify -- mutations-sockets`: damaged requests, bodies and frames for a running service, over real sockets. The service lives,
 * answers `GET /healthz`, says nothing of 500 and above but "come back later", logs no error of its own, and keeps its memory.
 */
import { fileURLToPath } from 'node:url';
import { parsedJson, textIn } from '../../service/base/json.ts';
import { keyedRandom } from '../../service/base/random.ts';
import { commandOf, wholeFrom } from '../../scripts/programs/options.ts';
import { askMany, request } from '../security/attacker.ts';
import { startVictim } from '../security/victim.ts';
import { mutated } from './mutate.ts';
import { socketRows, type SocketRow } from './socket-cases.ts';

const AT_ONCE = 4;
/** Cases before memory is measured: caches and compiled code settle. */
const SETTLED_SHARE = 0.3;
const GROWN_LIMIT_MB = 150;
/** pino's level of an error. */
const OUR_ERROR = /"level":(50|60)/;

const { turns, seed, ...only } = commandOf('npm run verify -- mutations-sockets')
  .option('--turns <n>', 'cases', wholeFrom(1), 10_000)
  .option('--seed <text>', 'seed of the damage', 'sockets')
  .option('--case <n>', 'only this case', wholeFrom(0))
  .parse()
  .opts<{ turns: number; seed: string; case?: number }>();
const again = (index: number): string => `npm run verify -- mutations-sockets --seed ${seed} --case ${index}`;
const rows = await socketRows();
const complaints: string[] = [];
const statuses = new Map<number, number>();
const victim = await startVictim(fileURLToPath(new URL('../..', import.meta.url)));
console.log(`seed ${seed}; one case again: ${again(0)}`);
try {
  const opened = await askMany(AT_ONCE, AT_ONCE, () =>
    request(victim.url, 'POST', '/v1/sessions', { headers: { 'content-type': 'application/json' }, body: '{}' }),
  );
  const sessions = opened.map(({ text }) => textIn(parsedJson(text), 'id') ?? '');
  const run = async (index: number): Promise<void> => {
    const row: SocketRow | undefined = rows[index % rows.length];
    if (row === undefined) return;
    const random = keyedRandom(seed, row.name, index);
    const sample = row.samples[Math.floor(random() * row.samples.length)] ?? Buffer.alloc(0);
    const sessionId = sessions[index % sessions.length] ?? '';
    const { status, complaint } = await row.send(victim.url, sessionId, mutated(sample, row.samples, random));
    statuses.set(status, (statuses.get(status) ?? 0) + 1);
    if (complaint !== undefined) complaints.push(`${row.name}: ${complaint}\n  again: ${again(index)}`);
  };
  const strain = async (cases: number, from: number): Promise<{ peakMb: number; longestMs: number }> => {
    const { peakBytes, longestMs, failed } = await victim.during(async () => {
      await askMany(cases, AT_ONCE, (index) => run(from + index));
      return {};
    });
    if (failed > 0) complaints.push(`${failed} requests for /healthz failed`);
    return { peakMb: peakBytes / 1e6, longestMs };
  };
  const settled = Math.ceil(turns * SETTLED_SHARE);
  if (only.case === undefined) {
    const before = await strain(settled, 0);
    const after = await strain(turns - settled, settled);
    const grownMb = after.peakMb - before.peakMb;
    if (grownMb > GROWN_LIMIT_MB) complaints.push(`memory grew by ${grownMb.toFixed(0)} MB`);
    console.log(
      `peak memory ${before.peakMb.toFixed(0)} → ${after.peakMb.toFixed(0)} MB, longest GET /healthz ${Math.max(before.longestMs, after.longestMs).toFixed(0)} ms`,
    );
  } else await run(only.case);
  if (!victim.runs()) complaints.push('the process ended');
  const { status } = await request(victim.url, 'GET', '/healthz');
  if (status !== 200) complaints.push(`/healthz answers ${status}`);
  const errors = victim
    .log()
    .split('\n')
    .filter((line) => OUR_ERROR.test(line));
  if (errors.length > 0)
    complaints.push(`the service logged ${errors.length} errors of its own: ${errors[0]?.slice(0, 500) ?? ''}`);
} finally {
  await victim.end();
}
const answers = [...statuses]
  .sort(([a], [b]) => a - b)
  .map(([status, count]) => `${status === 0 ? 'closed' : status} ×${count}`);
console.log(`${turns} cases: ${answers.join(', ')}; ${complaints.length} complaints`);
for (const complaint of complaints.slice(0, 20)) console.log(complaint);
process.exitCode = complaints.length === 0 ? 0 : 1;

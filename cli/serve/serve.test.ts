/** `retake serve` as users start it: in a process of its own, whose calls V8 counts. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';

const MAIN = fileURLToPath(new URL('../main.ts', import.meta.url));

interface Run {
  code: number | null;
  out: string;
  err: string;
  /** How often a function was called, in this process and its children. */
  calls(path: string, name: string): number;
}

/** Runs it until it ends by itself, or until it says that it serves; then Ctrl-C. */
async function serve(t: TestContext, env: Readonly<Record<string, string>>, ...flags: string[]): Promise<Run> {
  const folder = mkdtempSync(join(tmpdir(), 'retake-serve-command-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const coverage = join(folder, 'coverage');
  const child = spawn(process.execPath, [MAIN, 'serve', ...flags], {
    cwd: folder,
    env: { RETAKE_DATA: join(folder, 'data'), ...env, NODE_V8_COVERAGE: coverage },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  t.after(() => child.kill('SIGKILL'));
  let out = '';
  let err = '';
  child.stdout.on('data', (chunk: Buffer) => {
    const served = out.includes('Retake serves');
    out += chunk.toString();
    if (!served && out.includes('Retake serves')) child.kill('SIGINT'); // a second one would not wait
  });
  child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()));
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, out, err, calls: (path, name) => callsIn(coverage, path, name) };
}

interface Coverage {
  result: { url: string; functions: { functionName: string; ranges: { count: number }[] }[] }[];
}

function callsIn(folder: string, path: string, name: string): number {
  const files = readdirSync(folder).map((file) => JSON.parse(readFileSync(join(folder, file), 'utf8')) as Coverage);
  return files
    .flatMap(({ result }) => result)
    .filter(({ url }) => url.endsWith(`/${path}`))
    .flatMap(({ functions }) => functions)
    .filter(({ functionName }) => functionName === name)
    .reduce((sum, { ranges }) => sum + (ranges[0]?.count ?? 0), 0);
}

const warmUpTurns = ({ calls }: Run): number => calls('service/turn/turn.ts', 'runTurn');
const standIns = ({ calls }: Run): number => calls('sim/wire/launch.ts', 'startStandIns');
const fixtures = ({ calls }: Run): number => calls('sim/world/fixtures.ts', 'loadInterviews');
const profiles = ({ calls }: Run): number => calls('sim/times/profile.ts', 'loadProfile');
const LIVE = { RETAKE_WORLD: 'live', FAL_KEY: 'x', OPENROUTER_API_KEY: 'x' };

test('a taken port is one line and exit 2 at once: no warm-up turn ran, no stand-in was started', async (t) => {
  const other = createServer().listen(0, '127.0.0.1');
  await once(other, 'listening');
  t.after(() => other.close());
  const { port } = other.address() as AddressInfo;
  const run = await serve(t, { RETAKE_PORT: String(port) });
  assert.equal(
    run.err,
    `retake: port ${port} is taken; stop what listens there, or set RETAKE_PORT to another port (0: any free port)\n`,
  );
  assert.equal(run.code, 2);
  assert.equal(run.out, '');
  assert.deepEqual([warmUpTurns(run), standIns(run)], [0, 0]);
});

test('control: on a free port the warm-up runs before it says that it serves, over stand-ins and their fixtures', async (t) => {
  const run = await serve(t, { RETAKE_PORT: '0' });
  assert.match(run.out, /^Retake serves http:\/\/127\.0\.0\.1:\d+ /m);
  assert.equal(run.err, '');
  assert.equal(run.code, 0);
  assert.deepEqual([warmUpTurns(run), standIns(run), fixtures(run), profiles(run)], [24, 1, 1, 1]);
});

test('live: no stand-ins, no profile and no fixtures', async (t) => {
  const run = await serve(t, { RETAKE_PORT: '0', ...LIVE }, '--profile', 'no-such-profile');
  assert.match(run.out, /^Retake serves/m);
  assert.equal(run.err, '');
  assert.equal(run.code, 0);
  assert.deepEqual([warmUpTurns(run), standIns(run), fixtures(run), profiles(run)], [24, 0, 0, 0]);
});

test('an address of another machine is one line and exit 2 as well', async (t) => {
  const host = await serve(t, { RETAKE_PORT: '0', RETAKE_HOST: '192.0.2.1', RETAKE_TRUST_NETWORK: 'yes' });
  assert.equal(
    host.err,
    'retake: RETAKE_HOST=192.0.2.1 is no address of this machine; set RETAKE_HOST=127.0.0.1, or 0.0.0.0 for every address\n',
  );
  assert.deepEqual([host.code, warmUpTurns(host)], [2, 0]);
});

/**
 * Builds the real Jaeger and the real Collector from the manifests in `jaeger/` and `collector/`, and Prometheus. The programs go into a
 * cache outside the work tree, `${XDG_CACHE_HOME:-~/.cache}/retake/infra/<hash>/`. The hash is of manifests, Go version and platform.
 */
import { execFileSync, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  closeSync,
  cpSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { InputError } from '../../service/base/errors.ts';

export interface Binaries {
  jaeger: string;
  collector: string;
  prometheus: string;
}

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const MANIFESTS = ['jaeger/go.mod', 'jaeger/go.sum', 'collector/builder.yaml'] as const;
const JAEGER_PACKAGE = 'github.com/jaegertracing/jaeger/cmd/jaeger';
const BUILDER_PACKAGE = 'go.opentelemetry.io/collector/cmd/builder@v0.159.0';
/** Prometheus 3.16. */
const PROMETHEUS_PACKAGE = 'github.com/prometheus/prometheus/cmd/prometheus@v0.316.0';
/** Targets are named by the configuration, so nothing that looks for them is built in. */
const PROMETHEUS_TAGS = 'remove_all_sd';
const LINK_FLAGS = '-s -w';
/** How long a builder waits for another one. A lock whose owner is gone is taken over. */
const LOCK_LIMIT_MS = 30 * 60_000;

/** Where the binaries of these manifests belong. Throws `InputError` when there is no Go. */
export function cacheFolder(): string {
  const hash = createHash('sha256').update(goVersion()).update(BUILDER_PACKAGE).update(LINK_FLAGS);
  hash.update(PROMETHEUS_PACKAGE).update(PROMETHEUS_TAGS);
  for (const path of MANIFESTS) hash.update(`\0${path}\0`).update(readFileSync(join(ROOT, path)));
  const cache = process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache');
  return join(cache, 'retake', 'infra', hash.digest('hex').slice(0, 16));
}

/** The binaries when they have been built, else undefined. */
export function findBinaries(): Binaries | undefined {
  const folder = cacheFolder();
  return existsSync(folder) ? binariesIn(folder) : undefined;
}

/** Finds or builds all binaries; about 6 minutes each on 2 cores when nothing is cached. */
export async function buildInfra(tell: (line: string) => void): Promise<Binaries> {
  const folder = cacheFolder();
  if (existsSync(folder)) return binariesIn(folder);
  mkdirSync(join(folder, '..'), { recursive: true });
  const unlock = await lock(`${folder}.lock`, tell);
  const work = `${folder}.${process.pid}.tmp`;
  try {
    if (existsSync(folder)) return binariesIn(folder);
    mkdirSync(join(work, 'bin'), { recursive: true });
    await buildJaeger(work, tell);
    await buildCollector(work, tell);
    await buildPrometheus(work, tell);
    // the folder appears with all binaries complete
    renameSync(join(work, 'bin'), folder);
    return binariesIn(folder);
  } finally {
    rmSync(work, { recursive: true, force: true });
    unlock();
  }
}

function binariesIn(folder: string): Binaries {
  return {
    jaeger: join(folder, 'jaeger'),
    collector: join(folder, 'otelcol'),
    prometheus: join(folder, 'prometheus'),
  };
}

async function buildJaeger(work: string, tell: (line: string) => void): Promise<void> {
  const source = join(work, 'jaeger');
  mkdirSync(source);
  for (const name of ['go.mod', 'go.sum']) cpSync(join(ROOT, 'jaeger', name), join(source, name));
  const output = join(work, 'bin', 'jaeger');
  const words = ['build', '-mod=readonly', '-trimpath', `-ldflags=${LINK_FLAGS}`, '-o', output, JAEGER_PACKAGE];
  await run('Jaeger', 'go', words, source, tell);
}

async function buildCollector(work: string, tell: (line: string) => void): Promise<void> {
  const source = join(work, 'collector');
  mkdirSync(source);
  cpSync(join(ROOT, 'collector', 'builder.yaml'), join(source, 'builder.yaml'));
  await run('the Collector builder', 'go', ['install', BUILDER_PACKAGE], source, tell, { GOBIN: source });
  const words = ['--config', 'builder.yaml', '--ldflags', LINK_FLAGS];
  await run('the Collector', join(source, 'builder'), words, source, tell);
  renameSync(join(source, 'out', 'otelcol'), join(work, 'bin', 'otelcol'));
}

async function buildPrometheus(work: string, tell: (line: string) => void): Promise<void> {
  const words = ['install', '-trimpath', '-tags', PROMETHEUS_TAGS, `-ldflags=${LINK_FLAGS}`, PROMETHEUS_PACKAGE];
  await run('Prometheus', 'go', words, work, tell, { GOBIN: join(work, 'bin') });
}

async function run(
  what: string,
  command: string,
  words: readonly string[],
  cwd: string,
  tell: (line: string) => void,
  env: Readonly<Record<string, string>> = {},
): Promise<void> {
  const began = performance.now();
  const seconds = (): string => ((performance.now() - began) / 1000).toFixed(0);
  tell(`building ${what}…`);
  const ticker = setInterval(() => tell(`building ${what}… ${seconds()} s`), 30_000);
  try {
    const child = spawn(command, words, { cwd, env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
    let said = '';
    const listen = (chunk: Buffer): void => void (said = (said + chunk.toString()).slice(-4000));
    child.stdout.on('data', listen);
    child.stderr.on('data', listen);
    const code = await new Promise<number | null>((resolve, reject) => {
      child.once('error', reject);
      child.once('close', resolve);
    });
    if (code !== 0) throw new InputError(`building ${what} failed (${command} exited ${code}):\n${said}`);
    tell(`built ${what} in ${seconds()} s`);
  } finally {
    clearInterval(ticker);
  }
}

function goVersion(): string {
  try {
    return execFileSync('go', ['env', 'GOVERSION', 'GOOS', 'GOARCH'], {
      stdio: ['ignore', 'pipe', 'ignore'],
    }).toString();
  } catch (error) {
    throw new InputError(
      'Jaeger and the Collector are built with Go 1.26 or newer, and there is no `go` on PATH; install it',
      {
        cause: error,
      },
    );
  }
}

/** One builder at a time: the file holds its process id. Returns a function that releases the lock. */
async function lock(path: string, tell: (line: string) => void): Promise<() => void> {
  const deadline = performance.now() + LOCK_LIMIT_MS;
  let told = false;
  for (;;) {
    try {
      const file = openSync(path, 'wx');
      writeSync(file, String(process.pid));
      closeSync(file);
      return () => rmSync(path, { force: true });
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
    }
    if (!isAlive(ownerOf(path))) rmSync(path, { force: true });
    else if (performance.now() > deadline)
      throw new InputError(
        `another process has built Jaeger and the Collector for 30 minutes; if none does, remove ${path}`,
      );
    else {
      if (!told) tell('another process builds Jaeger and the Collector; waiting for it');
      told = true;
      await sleep(500);
    }
  }
}

/** The process id in the lock. A new lock may still be empty and then counts as held. */
function ownerOf(path: string): number {
  try {
    return Number(readFileSync(path, 'utf8')) || process.pid;
  } catch {
    return process.pid;
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

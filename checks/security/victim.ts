/** A service as users start it, in a process of its own, and what an attack does to it. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { listIn } from '../../service/base/json.ts';
import { watchHealth, type Health } from './health-watch.ts';

/** Stands in the service's environment. No answer may hold it. */
export const SECRET = 'canary-5e1c9a';
const SAMPLE_MS = 20;

export interface Victim {
  url: string;
  /** RETAKE_DATA. */
  dataFolder: string;
  pid: number;
  /** Whether the process still runs. */
  runs(): boolean;
  /** Runs work and tells what the service was like meanwhile. */
  during<T>(work: () => Promise<T>): Promise<T & Strain>;
  /** What the service has logged so far. */
  log(): string;
  end(): Promise<void>;
}

/** A service without bounds would take the attacker's machine with it. */
const MACHINE_BYTES = 4e9;

export interface Strain extends Health {
  peakBytes: number;
}

/** Where the command line's program has stood. */
const PROGRAMS = ['cli/main.ts', 'replay/main.ts'] as const;
const programOf = (checkout: string): string =>
  join(checkout, PROGRAMS.find((path) => existsSync(join(checkout, path))) ?? PROGRAMS[0]);

/** A checkout from before the flags has none. */
async function serviceFlagsOf(checkout: string): Promise<string[]> {
  const launcher: unknown = await import(join(checkout, 'scripts/programs/own-node.mjs')).catch(() => undefined);
  return (listIn(launcher, 'serviceFlags') ?? []).filter((flag) => typeof flag === 'string');
}

/**
 * Starts `cli/main.ts serve` of a checkout on stand-ins that answer at once. `prepare` fills the data folder before. Throws where the
 * service does not start.
 */
export async function startVictim(
  checkout: string,
  { env = {}, prepare }: { env?: Readonly<Record<string, string>>; prepare?: (dataFolder: string) => void } = {},
): Promise<Victim> {
  const folder = mkdtempSync(join(tmpdir(), 'retake-security-'));
  const dataFolder = join(folder, 'data');
  prepare?.(dataFolder);
  const words = [...(await serviceFlagsOf(checkout)), programOf(checkout), 'serve', '--profile', 'zero'];
  const child = spawn(process.execPath, words, {
    cwd: folder,
    env: { PATH: process.env['PATH'], UNTOLD: SECRET, RETAKE_PORT: '0', RETAKE_DATA: dataFolder, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const gone = once(child, 'close');
  let log = '';
  child.stderr.on('data', (chunk: Buffer) => (log += chunk.toString()));
  const url = await new Promise<string>((resolve, reject) => {
    child.once('close', () => reject(new Error(`the service did not start: ${log}`)));
    child.stdout.on('data', (chunk: Buffer) => {
      log += chunk.toString();
      const served = /Retake serves (http:\S+)/.exec(log)?.[1];
      if (served !== undefined) resolve(served);
    });
  });
  const pid = child.pid ?? 0;
  return {
    url,
    dataFolder,
    pid,
    runs: () => child.exitCode === null && child.signalCode === null,
    log: () => log,
    async during(work) {
      const watch = watchHealth(url);
      let peakBytes = 0;
      const sample = setInterval(() => {
        peakBytes = Math.max(peakBytes, residentBytes(pid));
        if (peakBytes > MACHINE_BYTES) child.kill('SIGKILL');
      }, SAMPLE_MS);
      try {
        const result = await work();
        return { ...result, ...(await watch.end()), peakBytes: Math.max(peakBytes, residentBytes(pid)) };
      } finally {
        clearInterval(sample);
      }
    },
    async end() {
      child.kill('SIGKILL');
      await gone;
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** 0 once the process is gone. */
function residentBytes(pid: number): number {
  try {
    return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) * 1024;
  } catch {
    return 0;
  }
}

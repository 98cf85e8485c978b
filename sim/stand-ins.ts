/** Starts the stand-in servers in a child process: the parent's side of `wire`. */
import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { InputError } from '../service/errors.ts';
import { isObject } from './exchange.ts';
import type { Profile } from './profile.ts';

/** Extra time in one phase of every exchange, on top of the profile: what the honesty test looks for. */
export interface Injected {
  tlsMs?: number;
  sendMs?: number;
  waitMs?: number;
  firstItemMs?: number;
  laterItemsMs?: number;
}

export interface StandInOptions {
  profile: Profile;
  seed: string | number;
  draws?: 'common' | 'independent';
  /** Parsed `fixtures/interviews.json`. */
  interviews?: unknown;
  inject?: Injected;
}

/** Base URLs without a path. */
export interface StandInUrls {
  falRun: string;
  falQueue: string;
  falRest: string;
  falCdn: string;
  openrouter: string;
}

export interface StandIns {
  urls: StandInUrls;
  /** The CA to trust: `new Agent({ connect: { ca: caPem } })`. */
  caPem: string;
  pid: number;
  /** How many connections each server has accepted so far: the ground truth of reuse. */
  connections(): Promise<Record<keyof StandInUrls, number>>;
  /** Resolves when the child has gone. */
  stop(): Promise<void>;
}

/** Forks the servers and waits until they listen. The child exits when this process dies, however it dies. */
export async function startStandIns(options: StandInOptions): Promise<StandIns> {
  const child = fork(fileURLToPath(new URL('./servers.ts', import.meta.url)), [], {
    execArgv: [],
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const started = new Promise<Pick<StandIns, 'urls' | 'caPem'>>((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code) => reject(new InputError(`the stand-in servers ended with exit code ${code}`)));
    child.once('message', (message) => {
      if (isStarted(message)) resolve(message);
      else reject(new InputError(`the stand-in servers did not start: ${JSON.stringify(message)}`));
    });
  });
  child.send(options);
  const stop = async (): Promise<void> => {
    if (child.connected) child.disconnect();
    child.kill();
    await exited;
  };
  const connections = (): ReturnType<StandIns['connections']> =>
    new Promise((resolve, reject) => {
      child.once('message', (message) => {
        if (isCounted(message)) resolve(message.connections);
        else reject(new InputError('the stand-in servers did not count their connections'));
      });
      child.send('connections');
    });
  try {
    const { urls, caPem } = await started;
    return { urls, caPem, pid: child.pid ?? 0, connections, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

function isStarted(message: unknown): message is Pick<StandIns, 'urls' | 'caPem'> {
  return isObject(message) && isObject(message['urls']) && typeof message['caPem'] === 'string';
}

function isCounted(message: unknown): message is { connections: Record<keyof StandInUrls, number> } {
  return isObject(message) && isObject(message['connections']);
}

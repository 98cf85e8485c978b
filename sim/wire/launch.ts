/** Starts the stand-in servers in a child process: the parent's side of `wire`. */
import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { InputError, InvariantError } from '../../service/base/errors.ts';
import type { Regions } from '../../service/net/regions.ts';
import { isObject } from '../../service/base/json.ts';
import type { Draws } from '../times/plan.ts';
import type { Profile } from '../times/profile.ts';
import type { ServerName } from '../faults/routes.ts';
import type { Scenario } from '../faults/scenario.ts';

/** Extra time in phases of every exchange, on top of the profile's. */
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
  draws?: Draws;
  /** Parsed `fixtures/interviews.json`. */
  interviews?: unknown;
  inject?: Injected;
  scenario?: Scenario;
}

/** Base URLs without a path. */
export type StandInUrls = Readonly<Record<ServerName, string>>;

/** One request as a server received it: the truth that a client's spans are held against. */
export interface ReceivedRequest {
  server: ServerName;
  method: string;
  /** Path and query. */
  url: string;
  /** Names in lower case. */
  headers: Readonly<Record<string, string>>;
  /** Requests on one connection share this number. */
  socketId: number;
  /** µs since 1970 at which the headers had arrived. */
  receivedEpochUs: number;
}

export interface StandIns {
  urls: StandInUrls;
  /** URLs of fal's run endpoint and OpenRouter in each of the profile's regions. */
  regions: Regions;
  /** The CA for clients to trust: `new Agent({ connect: { ca: caPem } })`. */
  caPem: string;
  pid: number;
  /** Connections that each server has accepted so far: the truth about reuse. */
  connections(): Promise<Record<ServerName, number>>;
  /** The last 2,000 requests, in order of arrival. */
  requests(): Promise<readonly ReceivedRequest[]>;
  /** Resolves when the child has exited. */
  stop(): Promise<void>;
}

/** Forks the servers and waits until they listen. The child also exits when this process is killed. */
export async function startStandIns(options: StandInOptions): Promise<StandIns> {
  const child = fork(fileURLToPath(new URL('./servers.ts', import.meta.url)), [], {
    execArgv: [],
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const started = new Promise<Pick<StandIns, 'urls' | 'regions' | 'caPem'>>((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code) =>
      reject(
        new InputError(`the stand-in servers ended with exit code ${code} before they listened: see their error above`),
      ),
    );
    child.once('message', (message) => {
      if (isStarted(message)) resolve(message);
      else reject(new InputError(`the stand-in servers did not start: ${JSON.stringify(message)}`));
    });
  });
  child.send(options);
  let stopping = false;
  const stop = async (): Promise<void> => {
    stopping = true;
    if (child.connected) child.disconnect();
    child.kill();
    await exited;
  };
  const ask = (): Promise<SeenByServers> =>
    new Promise((resolve, reject) => {
      child.once('message', (message) => {
        if (isSeen(message)) resolve(message);
        else reject(new InputError('the stand-in servers gave no account of their requests: start them again'));
      });
      child.send('what have you seen?');
    });
  const connections: StandIns['connections'] = () => ask().then((told) => told.connections);
  const requests: StandIns['requests'] = () => ask().then((told) => told.requests);
  try {
    const { urls, regions, caPem } = await started;
    // without its servers a run would go on, and every turn of it would fail; a signal comes from whoever stops both
    child.once('exit', (code, signal) => {
      if (!stopping && signal === null)
        throw new InvariantError(`the stand-in servers ended with exit code ${code}: see their line above`);
    });
    return { urls, regions, caPem, pid: child.pid ?? 0, connections, requests, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

function isStarted(message: unknown): message is Pick<StandIns, 'urls' | 'regions' | 'caPem'> {
  return (
    isObject(message) &&
    isObject(message['urls']) &&
    isObject(message['regions']) &&
    typeof message['caPem'] === 'string'
  );
}

/** The child's account of connections and requests. */
export interface SeenByServers {
  connections: Record<ServerName, number>;
  requests: readonly ReceivedRequest[];
}

function isSeen(message: unknown): message is SeenByServers {
  return isObject(message) && isObject(message['connections']) && Array.isArray(message['requests']);
}

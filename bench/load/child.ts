/** The service of a load bench, as a process of its own with an empty data folder. */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { ServiceMessage, ServiceSecond } from './service.ts';

export interface ServiceChild {
  url: string;
  /** Ends the process and removes its folder. */
  stop(): Promise<void>;
}

/** Resolves when the service is warm. `onSecond` gets its cost, each second. */
export async function startChild(
  nodeFlags: string[],
  onSecond: (second: ServiceSecond) => void,
): Promise<ServiceChild> {
  const folder = await mkdtemp(join(tmpdir(), 'retake-load-'));
  const child = fork(fileURLToPath(new URL('./service.ts', import.meta.url)), {
    execArgv: nodeFlags,
    env: { ...process.env, RETAKE_PORT: '0', RETAKE_DATA: folder, RETAKE_WORLD: 'wire' },
  });
  const ready = Promise.withResolvers<string>();
  child.on('message', (message: ServiceMessage) => {
    if ('url' in message) ready.resolve(message.url);
    else onSecond(message.second);
  });
  child.once('exit', (code) => ready.reject(new Error(`the service ended with ${code}`)));
  return {
    url: await ready.promise,
    async stop() {
      const ended = once(child, 'exit');
      child.disconnect();
      await ended;
      await rm(folder, { recursive: true, force: true });
    },
  };
}

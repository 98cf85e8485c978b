/** A thread that asks `GET /healthz` again and again, and tells how long the longest answer took: the attacker's own work must not show in it. */
import { get } from 'node:http';
import { parentPort, Worker, workerData } from 'node:worker_threads';

const EVERY_MS = 25;

export interface HealthWatch {
  /** Ends the watch. The longest answer, an open one included, and how many requests failed. */
  end(): Promise<Health>;
}

export interface Health {
  longestMs: number;
  failed: number;
}

/** Watches from now on. */
export function watchHealth(url: string): HealthWatch {
  const worker = new Worker(new URL(import.meta.url), { workerData: `${url}/healthz` });
  return {
    async end() {
      const health = await new Promise<Health>((resolve, reject) => {
        worker.once('message', (message: Health) => resolve(message));
        worker.once('error', reject);
        worker.postMessage('end');
      });
      await worker.terminate();
      return health;
    },
  };
}

function ask(url: string): Promise<boolean> {
  return new Promise((resolve) => {
    get(url, { agent: false }, (response) => {
      response.resume().once('end', () => resolve(response.statusCode === 200));
    }).once('error', () => resolve(false));
  });
}

async function run(url: string): Promise<void> {
  const health: Health = { longestMs: 0, failed: 0 };
  let sentAt = performance.now();
  const note = (): void => void (health.longestMs = Math.max(health.longestMs, performance.now() - sentAt));
  parentPort?.once('message', () => {
    note();
    parentPort?.postMessage(health);
  });
  for (;;) {
    sentAt = performance.now();
    if (!(await ask(url))) health.failed++;
    note();
    await new Promise((resolve) => setTimeout(resolve, EVERY_MS));
    sentAt = performance.now();
  }
}

if (parentPort !== null) await run(String(workerData));

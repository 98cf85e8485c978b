/** The service under load, in a process of its own. Tells its parent its address and, each second, its cost. Stand-ins run in a third process. */
import { currentCommit } from '../../replay/arms/checkout.ts';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { configFrom } from '../../service/config.ts';
import { serve } from '../../sim/wire/serve.ts';

/** The cost of one second of the service. */
export interface ServiceSecond {
  cpuMs: number;
  rssMb: number;
  /** V8's heap and the buffers outside of it, such as audio. */
  heapMb: number;
  /** Delay of its event loop. */
  loopDelayP99Ms: number;
}
export type ServiceMessage = { url: string } | { second: ServiceSecond };

const SECOND_MS = 1000;
const DELAY_SAMPLED_EVERY_MS = 2;

const service = await serve({
  config: configFrom(process.env),
  standIns: { profile: 'seed', seed: 'load' },
  commit: currentCommit(),
  logLevel: 'silent',
});
const tell = (message: ServiceMessage): void => void (process.connected && process.send?.(message));
tell({ url: service.url });

const delay = monitorEventLoopDelay({ resolution: DELAY_SAMPLED_EVERY_MS });
delay.enable();
let cpu = process.cpuUsage();
setInterval(() => {
  const { user, system } = process.cpuUsage(cpu);
  cpu = process.cpuUsage();
  const { rss, heapUsed, external } = process.memoryUsage();
  tell({
    second: {
      cpuMs: (user + system) / 1000,
      rssMb: rss / 2 ** 20,
      heapMb: (heapUsed + external) / 2 ** 20,
      // the histogram holds the time from one sample to the next
      loopDelayP99Ms: Math.max(0, delay.percentile(99) / 1e6 - DELAY_SAMPLED_EVERY_MS),
    },
  });
  delay.reset();
}, SECOND_MS);

process.on('disconnect', () => void service.close().then(() => process.exit()));

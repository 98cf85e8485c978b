/** The whole service on a free port, for tests of its HTTP interface: its providers answer at once. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { configFrom } from '../service/config.ts';
import type { TurnPorts } from '../service/calls/stage.ts';
import type { DelaySource } from '../service/http/doorkeeper.ts';
import { startService, type Service } from '../service/serve.ts';
import { DEFAULT_STRATEGY } from '../service/strategy/strategy.ts';
import { WARM_UP_SESSION } from '../service/warm-up.ts';
import { LIVE_ENDPOINTS, type RunWorld } from '../service/world.ts';

export interface TestService extends Service {
  /** RETAKE_DATA: captures and the spool. */
  dataFolder: string;
}

/** Clients share the test's event loop: what they do is no overload of the service. */
const NEVER_LATE: DelaySource = { readMs: () => 0, close: () => undefined };

/**
 * Starts it for one test, which also ends it. `instant` are the ports that it warms up on, and those of its turns unless
 * the test has others for them.
 */
export async function testService(
  t: TestContext,
  instant: TurnPorts,
  {
    ports = instant,
    env = {},
    loopDelay = NEVER_LATE,
  }: { ports?: TurnPorts; env?: Readonly<Record<string, string>>; loopDelay?: DelaySource } = {},
): Promise<TestService> {
  const dataFolder = await mkdtemp(join(tmpdir(), 'retake-http-'));
  const world: RunWorld = {
    clock: ports.clock,
    endpoints: LIVE_ENDPOINTS,
    ports: (_strategy, sessionId) => (sessionId === WARM_UP_SESSION ? instant : ports),
    close: () => Promise.resolve(),
  };
  const service = await startService({
    config: configFrom({ RETAKE_PORT: '0', RETAKE_DATA: dataFolder, ...env }),
    openWorld: () => world,
    strategy: DEFAULT_STRATEGY,
    commit: 'test',
    logLevel: 'silent',
    clock: ports.clock,
    loopDelay,
  });
  t.after(async () => {
    await service.close();
    await rm(dataFolder, { recursive: true, force: true });
  });
  return { ...service, dataFolder };
}

/** Production: environment → configuration → live world → service. Stand-ins are not reachable from here. */
import { existsSync } from 'node:fs';
import { describeError, InputError } from './base/errors.ts';
import { configFrom } from './config.ts';
import { startService } from './serve.ts';
import { strategyOf } from './strategy/file.ts';
import { createRealWorld } from './world.ts';

try {
  if (existsSync('.env')) process.loadEnvFile('.env');
  if (process.env['RETAKE_WORLD'] !== 'live') {
    throw new InputError('service/main.ts serves RETAKE_WORLD=live only; for stand-ins run "npx retake serve"');
  }
  const config = configFrom(process.env);
  const { endpoints, audioHosts, regions, falKey = '', openRouterKey = '' } = config;
  const strategy = strategyOf(config);
  const world = createRealWorld({ access: { endpoints, falKey, openRouterKey, audioHosts, regions }, seed: 'live' });
  const service = await startService({ config, world, strategy, commit: process.env['GIT_COMMIT'] ?? 'unknown' });
  const stop = (): void => void service.close().then(() => process.exit(0));
  process.once('SIGINT', stop);
  process.once('SIGTERM', stop);
} catch (error) {
  console.error(`retake: ${describeError(error, 1000)}`);
  process.exitCode = error instanceof InputError ? 2 : 4;
}

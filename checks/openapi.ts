/**
 * `npm run verify -- openapi`: schemathesis, from PyPI, asks a running service in world `wire` what docs/openapi.yaml describes and what it
 * does not. No answer may be a 5xx other than 503 with `Retry-After`, or be outside the description. Further arguments are those of
 * `schemathesis run`, such as `--max-examples 500` or `--seed 1`.
 */
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { once } from 'node:events';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { currentCommit } from '../replay/arms/checkout.ts';
import { configFrom } from '../service/config.ts';
import { serve } from '../sim/wire/serve.ts';

const VERSION = '4.32.5';
const KEY = 'openapi';
const at = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

const environment = join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'retake/schemathesis');
const program = join(environment, 'bin/schemathesis');
if (existsSync(program)) process.exitCode = await check();
else {
  const install = `python3 -m venv ${environment} && ${environment}/bin/pip install schemathesis==${VERSION}`;
  console.error(`openapi: schemathesis is not installed; run: ${install}`);
  process.exitCode = 2;
}

async function check(): Promise<number> {
  const folder = mkdtempSync(join(tmpdir(), 'retake-openapi-'));
  const env = { RETAKE_DATA: join(folder, 'data'), RETAKE_PORT: '0', RETAKE_API_KEY: KEY };
  const standIns = { profile: 'zero', seed: 'openapi' };
  const service = await serve({ config: configFrom(env), standIns, commit: currentCommit(), logLevel: 'silent' });
  try {
    const words = ['--config-file', at('openapi.toml'), 'run', at('../docs/openapi.yaml'), '--url', service.url];
    // `close` ends a session and is no DELETE: what was created may well be gone, which another check knows of DELETE only
    const checks = ['--checks', 'all', '--exclude-checks', 'ensure_resource_availability', '--continue-on-failure'];
    const options = ['--header', `Authorization: Bearer ${KEY}`, ...checks];
    const child = spawn(program, [...words, ...options, '--max-examples', '60', ...process.argv.slice(2)], {
      cwd: folder, // what schemathesis remembers of a run stays out of the repository
      env: { ...process.env, SCHEMATHESIS_HOOKS: at('openapi-audio.py') },
      stdio: ['ignore', 'inherit', 'inherit'],
    });
    const [code]: unknown[] = await once(child, 'exit');
    return typeof code === 'number' ? code : 1;
  } finally {
    await service.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

/**
 * `retake doctor`: checks the set-up, then calls each provider once through the clients that turns use. Prints the served model,
 * region, duration and price. `live` costs a fraction of a cent; `wire` calls the stand-ins and needs no keys.
 */
import { constants, existsSync } from 'node:fs';
import { access } from 'node:fs/promises';
import { configFrom, type Config } from '../../service/config.ts';
import { describeError, InputError } from '../../service/base/errors.ts';
import { makeFolders } from '../../service/base/folders.ts';
import { openCall } from '../../service/net/exchange.ts';
import { createRecorder } from '../../service/turn-log/recorder.ts';
import type { TurnPorts } from '../../service/calls/stage.ts';
import { DEFAULT_STRATEGY } from '../../service/strategy/strategy.ts';
import { createRealWorld, type RunWorld } from '../../service/world.ts';
import { loadInterviews } from '../../sim/world/fixtures.ts';
import { servedFrom } from '../../service/net/served-from.ts';
import { loadProfile } from '../../sim/times/profile.ts';
import { createWireWorld } from '../../sim/wire/wire.ts';
import type { CommandContext } from '../../replay/report/context.ts';
import { PROBES, SAMPLE, type Probe } from './doctor-probes.ts';
import { plain } from '../../replay/report/words.ts';

export interface Check {
  name: string;
  ok: boolean;
  detail: string;
}

/** One call of a provider. A field is absent where the provider did not say. */
export interface ProviderCheck extends Check {
  endpoint: string;
  tookMs: number;
  firstMs?: number;
  served?: string;
  region?: string;
  requestId?: string;
  cost: string;
}

const CALL_LIMIT_MS = 30_000;

/** Prints the checks. Exits 2 when one fails. */
export async function doctor(
  context: CommandContext,
  options: { world: Config['world']; json?: boolean },
): Promise<void> {
  const local = await localChecks(context, options.world);
  const config = configOf(context, options.world);
  const calls = typeof config === 'string' ? [] : await providerChecks(context, config);
  const checks = [...local, ...(typeof config === 'string' ? [bad('configuration', config)] : []), ...calls];
  if (options.json === true) context.out(JSON.stringify({ world: options.world, checks }, null, 2));
  else for (const check of checks) context.out(checkLine(check));
  if (checks.some(({ ok }) => !ok)) context.exit(2);
}

const good = (name: string, detail: string): Check => ({ name, ok: true, detail });
const bad = (name: string, detail: string): Check => ({ name, ok: false, detail });

async function localChecks({ env }: CommandContext, world: Config['world']): Promise<Check[]> {
  const node = process.versions.node;
  const data = env['RETAKE_DATA'] ?? './data';
  const writable = await makeFolders(data)
    .then(() => access(data, constants.W_OK))
    .then(() => true)
    .catch(() => false);
  const keys = ['FAL_KEY', 'OPENROUTER_API_KEY'].filter((name) => (env[name] ?? '') === '');
  const endpoint = env['OTEL_EXPORTER_OTLP_ENDPOINT'] ?? '';
  return [
    Number(node.split('.')[0]) >= 24
      ? good('node', node)
      : bad('node', `${node} is too old; start with npx retake, which brings Node 24`),
    writable
      ? good('data folder', data)
      : bad('data folder', `${data} cannot be written; set RETAKE_DATA to a folder that can`),
    existsSync(SAMPLE)
      ? good('fixtures', 'here')
      : bad('fixtures', 'fixtures/audio is missing; clone the repository again'),
    ...(world === 'live'
      ? [keys.length === 0 ? good('keys', 'set') : bad('keys', `${keys.join(' and ')} not set; put them into .env`)]
      : []),
    good('traces', endpoint === '' ? 'kept in the spool; OTEL_EXPORTER_OTLP_ENDPOINT is not set' : `to ${endpoint}`),
  ];
}

/** The configuration, or the message that says why it cannot be used. */
function configOf({ env }: CommandContext, world: Config['world']): Config | string {
  try {
    return configFrom({ ...env, RETAKE_WORLD: world });
  } catch (error) {
    if (error instanceof InputError) return error.message;
    throw error;
  }
}

async function providerChecks(context: CommandContext, config: Config): Promise<ProviderCheck[]> {
  const world = await worldToCall(config);
  try {
    const ports = world.ports(DEFAULT_STRATEGY, 'doctor', 0);
    const checks: ProviderCheck[] = [];
    for (const probe of PROBES) {
      context.progress(`calling ${probe.name} …`);
      checks.push(await runProbe(probe, ports, context.signal));
      context.progressDone();
    }
    return checks;
  } finally {
    await world.close();
  }
}

function worldToCall({
  world,
  endpoints,
  falKey = '',
  openRouterKey = '',
  audioHosts,
}: Config): Promise<RunWorld> | RunWorld {
  if (world === 'live')
    return createRealWorld({ access: { endpoints, falKey, openRouterKey, audioHosts }, seed: 'doctor' });
  return createWireWorld({ profile: loadProfile('seed'), seed: 'doctor', interviews: loadInterviews() });
}

async function runProbe(probe: Probe, ports: TurnPorts, signal: AbortSignal): Promise<ProviderCheck> {
  const { clock, transport } = ports;
  const recorder = createRecorder(clock, [], () => undefined);
  const cause = recorder.record({ kind: 'speech.start', stage: 'endpointing' });
  const limit = new AbortController();
  const late = clock.sleep(CALL_LIMIT_MS, limit.signal).then(
    () => limit.abort(new InputError(`no answer within ${CALL_LIMIT_MS / 1000} s`)),
    () => undefined,
  );
  const call = openCall({
    transport,
    clock,
    recorder,
    signal: AbortSignal.any([signal, limit.signal]),
    context: {
      sessionId: 'doctor',
      turnIndex: 0,
      stage: probe.stage,
      ordinal: 0,
      attempt: 0,
      arm: 'doctor',
    },
    drain: false,
    cause,
  });
  const beganUs = clock.nowUs();
  let firstUs: number | undefined;
  const common = { name: probe.name, endpoint: probe.origin(ports) };
  const tookMs = (): number => Math.round((clock.nowUs() - beganUs) / 1000);
  try {
    const told = await probe.run(ports, call, DEFAULT_STRATEGY, () => (firstUs ??= clock.nowUs()));
    const headers = call.responseHeaders();
    return {
      ...common,
      ok: true,
      tookMs: tookMs(),
      firstMs: firstUs === undefined ? undefined : Math.round((firstUs - beganUs) / 1000),
      region: headers === undefined ? undefined : servedFrom(headers),
      ...told,
    };
  } catch (error) {
    return {
      ...common,
      ok: false,
      tookMs: tookMs(),
      detail: `${describeError(error, 200)}; ${probe.next}`,
      cost: 'unknown',
    };
  } finally {
    limit.abort(new InputError('answered'));
    await late;
    await call.settled();
  }
}

function checkLine(check: Check | ProviderCheck): string {
  const head = `${check.ok ? '✓' : '✗'} ${check.name.padEnd(14)}`;
  if (!('endpoint' in check)) return plain(`${head}${check.detail}`);
  const { endpoint, tookMs, firstMs, served, region, requestId, cost, detail } = check;
  const parts = [
    endpoint,
    `${tookMs} ms${firstMs === undefined ? '' : `, first after ${firstMs} ms`}`,
    detail,
    ...(served ? [`served ${served}`] : []),
    ...(check.ok ? [`region ${region ?? 'not told'}`, cost] : []),
    ...(requestId ? [`request ${requestId}`] : []),
  ];
  return plain(head + parts.join(' · '));
}

/** The real Collector, Jaeger and Prometheus as processes: the repository's configurations, free ports on loopback. */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { randomInt } from 'node:crypto';
import { createServer, type Server } from 'node:net';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { InputError } from '../../service/base/errors.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
export const CONFIGS = {
  collector: join(ROOT, 'collector', 'config.yaml'),
  gateway: join(ROOT, 'collector', 'gateway.yaml'),
  jaeger: join(ROOT, 'jaeger', 'config.yaml'),
  ui: join(ROOT, 'jaeger', 'ui-config.json'),
  prometheus: join(ROOT, 'prometheus', 'config.yaml'),
} as const;
const READY_LIMIT_MS = 30_000;
const STOP_LIMIT_MS = 30_000;

/** A program, its words, and the values of `${env:…}` in its configuration. */
export interface ProgramSpec {
  name: 'jaeger' | 'otelcol' | 'prometheus';
  binary: string;
  words: readonly string[];
  env: Readonly<Record<string, string>>;
  /** Answers 200 once the program is ready. */
  healthUrl: string;
  /** Standard output and error are appended here. */
  logPath: string;
}

export interface JaegerUrls {
  ui: string;
  otlp: string;
}
export interface PrometheusUrls {
  api: string;
}
export interface CollectorUrls {
  otlp: string;
  /** The span metrics. */
  metrics: string;
  /** The Collector's own figures. */
  telemetry: string;
  /** Everything that came in, before sampling. */
  file: string;
}

/** Jaeger with `jaeger/config.yaml`, its data below `folder`. */
export async function jaegerSpec(
  binary: string,
  folder: string,
  env: Readonly<Record<string, string>> = {},
): Promise<{ spec: ProgramSpec; urls: JaegerUrls }> {
  const [ui = 0, grpc, otlpGrpc, otlp = 0, health = 0, telemetry] = await freePorts(6);
  mkdirSync(folder, { recursive: true });
  const spec: ProgramSpec = {
    name: 'jaeger',
    binary,
    words: configured(CONFIGS.jaeger),
    env: {
      JAEGER_HOST: '127.0.0.1',
      JAEGER_UI_PORT: String(ui),
      JAEGER_GRPC_PORT: String(grpc),
      JAEGER_OTLP_GRPC_PORT: String(otlpGrpc),
      JAEGER_OTLP_PORT: String(otlp),
      JAEGER_HEALTH_PORT: String(health),
      JAEGER_TELEMETRY_PORT: String(telemetry),
      JAEGER_DATA: join(folder, 'jaeger'),
      JAEGER_UI_CONFIG: CONFIGS.ui,
      ...env,
    },
    healthUrl: `http://127.0.0.1:${health}/status`,
    logPath: join(folder, 'jaeger.log'),
  };
  return { spec, urls: { ui: `http://127.0.0.1:${ui}`, otlp: `http://127.0.0.1:${otlp}` } };
}

/** The Collector with `collector/config.yaml` in front of a Jaeger, its data below `folder`. */
export async function collectorSpec(
  binary: string,
  folder: string,
  jaegerOtlpUrl: string,
  env: Readonly<Record<string, string>> = {},
): Promise<{ spec: ProgramSpec; urls: CollectorUrls }> {
  const [grpc, otlp = 0, metrics = 0, telemetry = 0, health = 0] = await freePorts(5);
  mkdirSync(folder, { recursive: true });
  const data = join(folder, 'collector');
  const spec: ProgramSpec = {
    name: 'otelcol',
    binary,
    words: configured(CONFIGS.collector),
    env: {
      COLLECTOR_HOST: '127.0.0.1',
      COLLECTOR_OTLP_GRPC_PORT: String(grpc),
      COLLECTOR_OTLP_HTTP_PORT: String(otlp),
      COLLECTOR_PROMETHEUS_PORT: String(metrics),
      COLLECTOR_TELEMETRY_PORT: String(telemetry),
      COLLECTOR_HEALTH_PORT: String(health),
      COLLECTOR_DATA: data,
      JAEGER_OTLP_URL: jaegerOtlpUrl,
      ...env,
    },
    healthUrl: `http://127.0.0.1:${health}/`,
    logPath: join(folder, 'collector.log'),
  };
  return {
    spec,
    urls: {
      otlp: `http://127.0.0.1:${otlp}`,
      metrics: `http://127.0.0.1:${metrics}/metrics`,
      telemetry: `http://127.0.0.1:${telemetry}/metrics`,
      file: join(data, 'traces', 'traces.otlp.jsonl'),
    },
  };
}

/**
 * Prometheus with `prometheus/config.yaml`, its data below `folder`. `watch` writes the configuration, with the Collector's address: Jaeger is
 * told of Prometheus, the Collector of Jaeger, and Prometheus of the Collector.
 */
export async function prometheusSpec(
  binary: string,
  folder: string,
): Promise<{ spec: ProgramSpec; urls: PrometheusUrls; watch(collector: CollectorUrls): void }> {
  const [port = 0] = await freePorts(1);
  mkdirSync(folder, { recursive: true });
  const config = join(folder, 'prometheus.yaml');
  const spec: ProgramSpec = {
    name: 'prometheus',
    binary,
    words: [
      `--config.file=${config}`,
      `--storage.tsdb.path=${join(folder, 'prometheus')}`,
      '--storage.tsdb.retention.time=7d',
      `--web.listen-address=127.0.0.1:${port}`,
    ],
    env: {},
    healthUrl: `http://127.0.0.1:${port}/-/ready`,
    logPath: join(folder, 'prometheus.log'),
  };
  return {
    spec,
    urls: { api: `http://127.0.0.1:${port}` },
    watch: ({ metrics }) =>
      writeFileSync(config, readFileSync(CONFIGS.prometheus, 'utf8').replace('collector:8889', new URL(metrics).host)),
  };
}

const configured = (path: string): string[] => ['--config', `file:${path}`];

/**
 * Starts the program in a process group of its own and resolves when the program is ready; throws `InputError` with the end of its log
 * when it is not. `onSpawn` has the process before that, for whoever must end it.
 */
export async function start(spec: ProgramSpec, onSpawn: (child: ChildProcess) => void): Promise<ChildProcess> {
  const log = openSync(spec.logPath, 'a');
  const child = spawn(spec.binary, spec.words, {
    env: { ...process.env, ...spec.env },
    stdio: ['ignore', log, log],
    detached: true,
  });
  closeSync(log);
  onSpawn(child);
  let failed: Error | undefined;
  child.once('error', (error) => (failed = error));
  const deadline = performance.now() + READY_LIMIT_MS;
  while (!(await answers(spec.healthUrl))) {
    const late = performance.now() > deadline;
    if (late) child.kill('SIGKILL');
    if (late || failed !== undefined || child.exitCode !== null) {
      const end = readFileSync(spec.logPath, 'utf8').slice(-2000);
      throw new InputError(`${spec.name} did not get ready: ${failed?.message ?? ''}\n${end}`);
    }
    await sleep(50);
  }
  return child;
}

/** Ends a program that was started here and waits until it is gone. */
export async function stop(child: ChildProcess, signal: 'SIGTERM' | 'SIGKILL' = 'SIGTERM'): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, 'exit');
  child.kill(signal);
  const late = new AbortController();
  const limit = sleep(STOP_LIMIT_MS, undefined, { signal: late.signal }).then(
    () => child.kill('SIGKILL'),
    () => undefined,
  );
  await gone;
  late.abort();
  await limit;
}

/** The program's own verdict on a configuration: exit code and output. */
export function validate(
  binary: string,
  config: string,
  env: Readonly<Record<string, string>> = {},
): { code: number | null; said: string } {
  const { status, stdout, stderr } = spawnSync(binary, ['validate', '--config', `file:${config}`], {
    env: { ...process.env, ...env },
    encoding: 'utf8',
    timeout: 60_000,
  });
  return { code: status, said: stdout + stderr };
}

async function answers(url: string): Promise<boolean> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(1000) });
    await response.text();
    return response.ok;
  } catch {
    return false;
  }
}

/** Below the ports that systems give to outgoing connections, which would take a port between its choice and the program's start. */
const PORTS = { from: 12_000, to: 32_000 } as const;

/** Of this process: programs that start later must not find their port taken by one that starts before. */
const given = new Set<number>();

/** Ports that were free a moment ago, all different, each given once. */
async function freePorts(count: number): Promise<number[]> {
  const servers = new Map<number, Server>();
  while (servers.size < count) {
    const port = randomInt(PORTS.from, PORTS.to);
    if (given.has(port)) continue;
    given.add(port);
    const server = createServer().listen(port, '127.0.0.1');
    const taken = await once(server, 'listening').then(
      () => false,
      () => true,
    );
    if (!taken) servers.set(port, server);
  }
  await Promise.all([...servers.values()].map(async (server) => server[Symbol.asyncDispose]()));
  return [...servers.keys()];
}

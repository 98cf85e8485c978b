/** What integration tests share: the real Collector and Jaeger, Retake as users start it, and a load on it. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { buildInfra, type Binaries } from '../../scripts/infra/build.ts';
import {
  collectorSpec,
  jaegerSpec,
  prometheusSpec,
  start,
  stop,
  type CollectorUrls,
  type JaegerUrls,
  type ProgramSpec,
} from '../../scripts/infra/run.ts';

export const ROOT = fileURLToPath(new URL('../..', import.meta.url));
export const FIXTURE = join(ROOT, 'fixtures/audio/en-frontend-1.wav');

/** Finds what `npm run infra:build` built, or builds. */
export function binaries(): Promise<Binaries> {
  return buildInfra((line) => console.error(line));
}

/** A temporary folder that is removed after the test. */
export function folderOf(context: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'retake-integration-'));
  context.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** A program that can be stopped and started again with the same ports and data. */
export interface Program {
  start(): Promise<void>;
  stop(signal?: 'SIGTERM' | 'SIGKILL'): Promise<void>;
  readonly logPath: string;
}

export interface Stack {
  jaeger: Program & { urls: JaegerUrls };
  collector: Program & { urls: CollectorUrls };
}

/** Collector and Jaeger with the repository's configurations; everything is kept unless `collectorEnv` says otherwise. */
export async function startStack(
  context: TestContext,
  folder: string,
  collectorEnv: Readonly<Record<string, string>> = {},
  jaegerEnv: Readonly<Record<string, string>> = {},
): Promise<Stack> {
  const { jaeger, collector } = await binaries();
  const storage = await jaegerSpec(jaeger, folder, jaegerEnv);
  const intake = await collectorSpec(collector, folder, storage.urls.otlp, {
    COLLECTOR_SAMPLED_PERCENT: '100',
    COLLECTOR_ROOT_WAIT: '1s',
    COLLECTOR_RETRY_MAX: '1s',
    ...collectorEnv,
  });
  const stack = {
    jaeger: { ...programOf(context, storage.spec), urls: storage.urls },
    collector: { ...programOf(context, intake.spec), urls: intake.urls },
  };
  await stack.jaeger.start();
  await stack.collector.start();
  return stack;
}

/** The same with Prometheus, which keeps the span metrics for Jaeger's Monitor. */
export async function startMonitoredStack(context: TestContext, folder: string): Promise<Stack> {
  const { prometheus } = await binaries();
  const { spec, urls, watch } = await prometheusSpec(prometheus, folder);
  const stack = await startStack(context, folder, {}, { JAEGER_PROMETHEUS_URL: urls.api });
  watch(stack.collector.urls);
  await programOf(context, spec).start();
  return stack;
}

/** Programs of this process that run. They have process groups of their own, so Ctrl-C does not reach them. */
const running = new Set<ChildProcess>();
for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.once(signal, () => {
    for (const child of running) child.kill('SIGKILL');
    process.exit(130);
  });

function programOf(context: TestContext, spec: ProgramSpec): Program {
  let child: ChildProcess | undefined;
  const end = async (signal?: 'SIGTERM' | 'SIGKILL'): Promise<void> => {
    if (child === undefined) return;
    await stop(child, signal);
    running.delete(child);
    child = undefined;
  };
  context.after(() => end('SIGKILL'));
  return {
    logPath: spec.logPath,
    stop: end,
    async start() {
      child = await start(spec, (each) => void running.add(each));
    },
  };
}

/** Spans that the Collector has handed to Jaeger since it was started. */
export async function sentToJaeger({ collector }: Stack): Promise<number> {
  const text = await (await fetch(collector.urls.telemetry)).text();
  return Number(/^otelcol_exporter_sent_spans\w*\{[^}]*otlp_http\/jaeger[^}]*\} ([\d.e+]+)/m.exec(text)?.[1] ?? 0);
}

export interface RunningRetake {
  url: string;
  /** RETAKE_DATA. */
  dataFolder: string;
  /** Ends the service by SIGTERM; returns how many ms that took. */
  stop(): Promise<number>;
}

/** `retake serve` in a process of its own, world `wire`. */
export async function startRetake(
  context: TestContext,
  options: {
    dataFolder: string;
    otlp: string;
    profile?: string;
    /** Further words of the command. */
    words?: readonly string[];
    env?: Readonly<Record<string, string>>;
  },
): Promise<RunningRetake> {
  const { dataFolder, otlp, profile = 'zero', words = [] } = options;
  const child = spawn(process.execPath, ['cli/main.ts', 'serve', '--profile', profile, ...words], {
    cwd: ROOT,
    env: {
      ...process.env,
      RETAKE_WORLD: 'wire',
      RETAKE_PORT: '0',
      RETAKE_DATA: dataFolder,
      OTEL_EXPORTER_OTLP_ENDPOINT: otlp,
      ...options.env,
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  context.after(() => child.kill('SIGKILL'));
  let said = '';
  child.stdout.on('data', (chunk: Buffer) => (said += chunk.toString()));
  let url: string | undefined;
  while ((url = /Retake serves (http:\S+)/.exec(said)?.[1]) === undefined) {
    if (child.exitCode !== null) throw new Error(`retake serve ended with ${child.exitCode}: ${said}`);
    await sleep(20);
  }
  return {
    url,
    dataFolder,
    async stop() {
      const beganMs = performance.now();
      const gone = once(child, 'exit');
      child.kill('SIGTERM');
      await gone;
      return performance.now() - beganMs;
    },
  };
}

/** Runs `retake …` to its end. */
export async function retake(
  words: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<{ code: number | null; out: string; err: string }> {
  const child = spawn(process.execPath, ['cli/main.ts', ...words], {
    cwd: ROOT,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let [out, err] = ['', ''];
  child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()));
  const [code]: unknown[] = await once(child, 'close');
  return { code: typeof code === 'number' ? code : null, out, err };
}

/** Waits until `condition` holds; throws with `what` when it does not within the limit. */
export async function until(
  condition: () => Promise<boolean> | boolean,
  what: string,
  limitMs = 60_000,
): Promise<void> {
  const deadline = performance.now() + limitMs;
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`not within ${limitMs / 1000} s: ${what}`);
    await sleep(200);
  }
}

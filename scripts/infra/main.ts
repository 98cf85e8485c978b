/** `npm run infra:build | infra:up | infra:down`: the real Collector, Jaeger and Prometheus on this machine. */
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Argument } from 'commander';
import { describeError, InputError } from '../../service/base/errors.ts';
import { fieldOf } from '../../service/base/json.ts';
import { commandOf } from '../programs/options.ts';
import { buildInfra } from './build.ts';
import { collectorSpec, jaegerSpec, prometheusSpec, start } from './run.ts';
import { publicUrl, uiConfigText } from './ui-config.ts';

interface RunningProgram {
  pid: number;
  binary: string;
}

const FOLDER = resolve('data', 'infra');
const STATE = join(FOLDER, 'running.json');
const STOP_LIMIT_MS = 30_000;
const tell = (line: string): void => console.error(line);

const COMMANDS: Readonly<Record<string, () => Promise<void>>> = {
  async build() {
    for (const binary of Object.values(await buildInfra(tell))) console.log(binary);
  },

  async up() {
    const running = runningPrograms().filter(isRunning);
    if (running.length > 0) throw new InputError(`already up (${STATE}); run "npm run infra:down" first`);
    const binaries = await buildInfra(tell);
    mkdirSync(FOLDER, { recursive: true });
    const prometheus = await prometheusSpec(binaries.prometheus, FOLDER);
    const jaeger = await jaegerSpec(binaries.jaeger, FOLDER, {
      JAEGER_PROMETHEUS_URL: prometheus.urls.api,
      JAEGER_UI_CONFIG: await writeUiConfig(),
    });
    const collector = await collectorSpec(binaries.collector, FOLDER, jaeger.urls.otlp, {
      // sampling is for production's volumes
      COLLECTOR_SAMPLED_PERCENT: process.env['COLLECTOR_SAMPLED_PERCENT'] ?? '100',
      COLLECTOR_SERVICES: process.env['COLLECTOR_SERVICES'] ?? 'rows',
    });
    prometheus.watch(collector.urls);
    const started: RunningProgram[] = [];
    try {
      for (const { spec } of [prometheus, jaeger, collector]) {
        const child = await start(spec, ({ pid }) => {
          if (pid === undefined) return;
          started.push({ pid, binary: spec.binary });
          writeFileSync(STATE, JSON.stringify(started));
        });
        child.unref();
      }
    } catch (error) {
      await stopPrograms(started.filter(isRunning)); // one may have ended by itself since
      throw error;
    }
    console.log(
      [
        `Jaeger            ${jaeger.urls.ui}`,
        `OTLP              ${collector.urls.otlp}`,
        `span metrics      ${collector.urls.metrics}`,
        `Collector itself  ${collector.urls.telemetry}`,
        `Prometheus        ${prometheus.urls.api}`,
        `all spans         ${collector.urls.file}`,
        `logs              ${[jaeger, collector, prometheus].map(({ spec }) => spec.logPath).join(', ')}`,
        '',
        `OTEL_EXPORTER_OTLP_ENDPOINT=${collector.urls.otlp} RETAKE_JAEGER_UI=${jaeger.urls.ui} npx retake serve`,
      ].join('\n'),
    );
  },

  async down() {
    const running = runningPrograms().filter(isRunning);
    await stopPrograms(running);
    console.log(running.length === 0 ? 'nothing was up' : 'down; traces stay in data/infra');
  },
};

/** Jaeger's page with links to the service as a browser finds it. Returns the path. */
async function writeUiConfig(): Promise<string> {
  const path = join(FOLDER, 'ui-config.json');
  writeFileSync(path, await uiConfigText(publicUrl()));
  return path;
}

/** Ends the last one started first: the Collector then hands its spans to Jaeger. */
async function stopPrograms(programs: readonly RunningProgram[]): Promise<void> {
  for (const program of programs.toReversed()) {
    process.kill(program.pid, 'SIGTERM');
    const deadline = performance.now() + STOP_LIMIT_MS;
    while (isRunning(program) && performance.now() < deadline) await sleep(50);
    if (isRunning(program)) process.kill(program.pid, 'SIGKILL');
  }
  rmSync(STATE, { force: true });
}

function runningPrograms(): RunningProgram[] {
  if (!existsSync(STATE)) return [];
  const programs: unknown = JSON.parse(readFileSync(STATE, 'utf8'));
  if (!Array.isArray(programs)) return [];
  return programs.map((each: unknown) => ({
    pid: Number(fieldOf(each, 'pid')),
    binary: String(fieldOf(each, 'binary')),
  }));
}

/** The process lives and runs this binary: the system may have given its number to another. */
function isRunning({ pid, binary }: RunningProgram): boolean {
  try {
    process.kill(pid, 0);
    const commandLine = `/proc/${pid}/cmdline`;
    return !existsSync('/proc/self') || readFileSync(commandLine, 'utf8').startsWith(binary);
  } catch {
    return false;
  }
}

try {
  const [command = ''] = commandOf('npm run infra:build, infra:up or infra:down')
    .addArgument(new Argument('<command>').choices(Object.keys(COMMANDS)))
    .parse().args;
  await COMMANDS[command]?.();
} catch (error) {
  console.error(`infra: ${describeError(error, 4000)}`);
  process.exitCode = error instanceof InputError ? 2 : 4;
}

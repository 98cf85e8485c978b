/** `npm run demo`: the main job end to end, on the fixture interviews, without keys or network. */
import { readdir, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createRealClock } from '../../service/base/clock.ts';
import { foldersIn } from '../../service/base/data-folder.ts';
import { configFrom } from '../../service/config.ts';
import { claimAll, holderHere } from '../../service/spool/claim.ts';
import { diskReason, InputError, InvariantError } from '../../service/base/errors.ts';
import type { TurnSummary } from '../../service/turn-log/metrics.ts';
import type { Clock } from '../../service/base/ports.ts';
import { loadInterviews, type Interview } from '../../sim/world/fixtures.ts';
import { captureStoreIn, loadSessions } from '../../replay/sessions/load.ts';
import type { CommandContext } from '../../replay/report/context.ts';
import { runExperiment } from '../../replay/run/experiment.ts';
import type { ExperimentOptions } from '../../replay/plan/plan.ts';
import { makeFolder } from '../../replay/run/out-folder.ts';
import { writeRunFolder } from '../../replay/run/run-folder.ts';
import { terminalReport, waterfall } from '../../replay/report/terminal.ts';
import { BusyServiceError, converse } from '../../service/http/client.ts';
import { serve } from '../../sim/wire/serve.ts';
import { currentCommit } from '../../replay/arms/checkout.ts';
import { variantPatch } from '../../replay/variants/variants.ts';

const PROFILE = 'seed';
/** Verdicts need four sessions and more. The first interviews are short ones. */
const SESSIONS = 6;
const TURNS_PER_SESSION = 4;
/** Conversations begin this far apart: at once they would wait for each other's TLS. */
const STAGGER_MS = 200;
/** Pause between a reply's last byte and the next utterance; the demo does not wait until a reply has been heard. */
const PAUSE_MS = 250;
/** A machine that does more than the demo may be too slow for a moment. */
const BUSY_TRIES = 10;
const COLLECTOR = { host: '127.0.0.1', port: 4318 } as const;
const JAEGER_UI = 'http://127.0.0.1:16686';

export async function demo(
  context: CommandContext,
  options: { out: string; variant: string; seed: string },
): Promise<void> {
  const { out, variant, seed } = options;
  const patch = variantPatch(variant);
  const clock = createRealClock();
  const data = join(out, 'data');
  await clearDemoFolder(out);
  await makeFolder(out);
  const collector = await answers(COLLECTOR);
  const env = {
    RETAKE_PORT: '0',
    RETAKE_DATA: data,
    OTEL_EXPORTER_OTLP_ENDPOINT: collector ? `http://${COLLECTOR.host}:${COLLECTOR.port}` : undefined,
  };
  const service = await serve({
    config: configFrom(env),
    standIns: { profile: PROFILE, seed },
    commit: currentCommit(),
    logLevel: 'silent',
  });
  try {
    const interviews = loadInterviews(SESSIONS);
    context.out(
      `1. ${interviews.length} interviews, spoken in real time, side by side\n   (world wire: stand-ins, profile ${PROFILE}; ${service.url})`,
    );
    await speakAll(context, clock, service.url, interviews);
    await service.flushed();
  } finally {
    await service.close();
  }

  const store = captureStoreIn(data);
  const sessions = await loadSessions(store, { sample: 1000, seed }, context.problem);
  const turns = sessions.reduce((sum, each) => sum + each.turns.length, 0);
  context.out(`2. ${turns} captured turns, replayed in virtual time as baseline, baseline2 and ${variant}`);
  const replay: ExperimentOptions = {
    sessions,
    candidates: [{ variant, patches: [patch] }],
    baseline: [],
    world: 'sim',
    profile: PROFILE,
    seed,
    draws: 'common',
    runs: 1,
    commit: currentCommit(),
    rerun: `npx retake replay --data ${data} --variant ${variant} --world sim --seed ${seed} -o ${out}/again`,
    signal: context.signal,
  };
  const experiment = await runExperiment(replay);
  // the second run shows the speed of compiled code, and that virtual time repeats byte for byte
  const doneUs: number[] = [];
  const again = await runExperiment({ ...replay, refits: 0, onTurn: () => void doneUs.push(clock.nowUs()) });
  const perSecond = ((doneUs.length - 1) * 1e6) / ((doneUs.at(-1) ?? 0) - (doneUs[0] ?? 0));
  if (again.otlp.join('') !== experiment.otlp.join(''))
    throw new InvariantError('the second run of the same replay gave other traces');
  context.out(
    `   ${again.replayed.length} turns, and again the same byte for byte: ${perSecond.toFixed(0)} turns a second on one core`,
  );
  await writeRunFolder(out, experiment);
  const [first] = experiment.reports;
  const sample = firstMeasured(experiment.captured);
  if (first === undefined || sample === undefined)
    throw new InputError(`the demo measured no turn; look at its captures: npx retake sessions --data ${data}`);

  context.out(`\n3. One captured turn, from speech end to first audible (predicted: stand-ins)\n`);
  context.out(waterfall(sample, context));
  context.out(`\n4. What ${variant} would change\n`);
  context.out(terminalReport(first.report, context));
  context.out('\nWhere to look next');
  const places: readonly [path: string, what: string][] = [
    [`${out}/report.html`, "every pair's waterfall, in any browser"],
    [`${out}/report.md`, 'the report for a pull request; report.json beside it'],
    [`${out}/trace.otlp.jsonl`, "every replayed turn's spans; Jaeger's upload reads it"],
    [`${data}/captures`, `the sessions: npx retake sessions --data ${data}`],
  ];
  const width = Math.max(...places.map(([path]) => path.length));
  for (const [path, what] of places) context.out(`  ${path.padEnd(width)}  ${what}`);
  context.out(`  npx retake replay --data ${data} --set tts.concurrency=1`);
  context.out('  npx retake serve, and beside it');
  context.out('  npx retake send fixtures/audio/en-frontend-1.wav --interview en-frontend');
  if (collector) {
    context.out(`  traces went to ${COLLECTOR.host}:${COLLECTOR.port}:`);
    for (const { traceId } of experiment.captured.slice(0, 3)) context.out(`  ${JAEGER_UI}/trace/${traceId}`);
  }
}

/**
 * Removes the files of an earlier demo from `out`. Throws `InputError` when the folder holds files that no demo wrote, or a service runs on
 * its data.
 */
export async function clearDemoFolder(out: string): Promise<void> {
  const namesIn = async (folder: string): Promise<string[]> =>
    readdir(folder).catch((error: unknown) => {
      if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return [];
      throw new InputError(`--out ${out}: the folder cannot be read (${diskReason(error)}); name another folder`, {
        cause: error,
      });
    });
  const names = await namesIn(out);
  const data = names.includes('data') ? await namesIn(join(out, 'data')) : [];
  const ofDemo = names.includes('report.json') || data.includes('captures') || data.includes('spool');
  const ofProject = names.includes('package.json') || names.includes('.git');
  if (ofProject || (names.length > 0 && !ofDemo))
    throw new InputError(
      `--out ${out}: the demo would empty this folder, and no demo wrote its ${names.length} files; name another folder`,
    );
  claimAll(
    foldersIn(join(out, 'data')).spool,
    holderHere(createRealClock()),
    ({ words }) =>
      `--out ${out}: a service runs on the data in it (${words}); stop the service, or name another folder`,
  ).release();
  await Promise.all(names.map((name) => rm(join(out, name), { recursive: true, force: true })));
}

async function speakAll(
  context: CommandContext,
  clock: Clock,
  url: string,
  interviews: readonly Interview[],
): Promise<void> {
  const planned = interviews.reduce((sum, { turns }) => sum + Math.min(turns.length, TURNS_PER_SESSION), 0);
  let done = 0;
  context.progress(`   0 of ${planned} turns`);
  await Promise.all(
    interviews.map(async ({ name, language, systemPrompt, turns }, index) => {
      await clock.sleep(index * STAGGER_MS, context.signal);
      const session = { language, systemPrompt, interview: name };
      const conversation = await whenFree(clock, context.signal, () => converse(url, clock, session));
      try {
        for (const { audio } of turns.slice(0, TURNS_PER_SESSION)) {
          context.signal.throwIfAborted();
          const recording = fileURLToPath(new URL(`../../fixtures/audio/${audio}`, import.meta.url));
          await whenFree(clock, context.signal, () => conversation.speak(recording));
          context.progress(`   ${++done} of ${planned} turns`);
          await clock.sleep(PAUSE_MS, context.signal);
        }
      } finally {
        await conversation.close();
      }
    }),
  );
  context.progressDone();
}

/** Asks, and comes back when a busy service says so. */
export async function whenFree<T>(clock: Clock, signal: AbortSignal, ask: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return await ask();
    } catch (error) {
      if (!(error instanceof BusyServiceError) || tries === BUSY_TRIES) throw error;
      await clock.sleep(error.afterMs, signal);
    }
  }
}

function firstMeasured(turns: readonly TurnSummary[]): TurnSummary | undefined {
  return turns.find(({ e2eUs }) => e2eUs !== undefined);
}

/** Whether something listens there now. */
function answers({ host, port }: typeof COLLECTOR): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, timeout: 300 });
    const end = (listens: boolean) => (): void => {
      socket.destroy();
      resolve(listens);
    };
    socket.once('connect', end(true)).once('error', end(false)).once('timeout', end(false));
  });
}

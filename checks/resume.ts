/**
 * `npm run verify -- resume`: a replay is killed with SIGKILL at random instants and resumed, until enough kills have happened.
 * In wire, servers count every call: no call of a journaled turn is made again, and every call that was made twice is listed as possibly
 * paid twice. Run list, pairing and order are the plan's. In sim, report and traces are the bytes of a run that nobody killed.
 */
import { spawn } from 'node:child_process';
import { createServer, type IncomingMessage } from 'node:http';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { setTimeout as wait } from 'node:timers/promises';
import { createArm, type ArmWorld } from '../replay/arms/arm.ts';
import { eventText } from '../service/providers/sse.ts';
import { runExperiment } from '../replay/run/experiment.ts';
import { planExperiment, type ExperimentOptions } from '../replay/plan/plan.ts';
import { readJournal } from '../replay/run/journal.ts';
import { runKey } from '../replay/arms/planned.ts';
import { writeRunFolder } from '../replay/run/run-folder.ts';
import { uploadSessions } from '../testing/sessions.ts';
import { keyedRandom } from '../service/base/random.ts';
import { DRAW_HEADER } from '../sim/times/plan.ts';
import { commandOf, wholeFrom } from '../scripts/programs/options.ts';

interface Ended {
  order: string[];
  paidTwice: string[];
}

async function optionsFor(folder: string, against: ArmWorld | undefined): Promise<ExperimentOptions> {
  return {
    sessions: await uploadSessions({ sessions: 3, turns: 3 }),
    candidates: [{ variant: 'clause-chunking', patches: [{ pipeline: { chunking: 'clause' } }] }],
    baseline: [],
    world: against === undefined ? 'sim' : 'wire',
    profile: 'seed',
    seed: '1',
    draws: 'common',
    runs: 1,
    commit: 'check',
    journal: { path: join(folder, 'journal.jsonl'), resume: true },
    against,
    armFor: against === undefined ? undefined : () => createArm(against),
  };
}

/** The process that is killed: runs the turns that the journal does not hold. */
async function child(folder: string, against: ArmWorld | undefined): Promise<void> {
  const experiment = await runExperiment(await optionsFor(folder, against));
  await writeRunFolder(folder, experiment);
  const order = experiment.replayed.map(({ planned }) => runKey(planned));
  writeFileSync(join(folder, 'ended.json'), JSON.stringify({ order, paidTwice: experiment.paidTwice }));
}

/** Quick providers that keep each call they get, by turn and arm: stage, ordinal and attempt. */
async function countingProviders(): Promise<{ against: ArmWorld; calls: Map<string, string[]>; close(): void }> {
  const calls = new Map<string, string[]>();
  const server = createServer((request, response) => {
    const context: Record<string, unknown> = JSON.parse(String(request.headers[DRAW_HEADER] ?? '{}'));
    const turn = `${String(context['sessionId'])}/${String(context['turnIndex'])} ${String(context['arm'])}`;
    calls.set(turn, [...(calls.get(turn) ?? []), [context['stage'], context['ordinal'], context['attempt']].join('.')]);
    request.resume();
    request.once(
      'end',
      () =>
        void wait(15).then(() => response.writeHead(200, { 'content-type': typeOf(request) }).end(answerTo(request))),
    );
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const url = `http://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}`;
  const endpoints = { falRunUrl: url, falQueueUrl: url, falRestUrl: url, openRouterUrl: url };
  const access = { endpoints, falKey: 'k', openRouterKey: 'k', audioHosts: [] };
  return { against: { world: 'wire', access, caPem: '', seed: '1' }, calls, close: () => void server.close() };
}

const typeOf = ({ url = '' }: IncomingMessage): string =>
  url.includes('transcriptions') ? 'application/json' : 'text/event-stream';

function answerTo({ url = '' }: IncomingMessage): string {
  if (url.includes('transcriptions')) return '{"text":"one two three"}';
  if (url.includes('completions'))
    return `${eventText({ id: 'g', model: 'm', choices: [{ index: 0, delta: { content: 'Yes. And then?' }, finish_reason: 'stop' }] })}data: [DONE]\n\n`;
  const tone = Buffer.from(Int16Array.from({ length: 1600 }, (_, index) => 8000 * Math.sin(index / 5)).buffer);
  return eventText({ audio: tone.toString('base64') }) + eventText({ done: true });
}

/** Runs the child until `enough()`, then kills it. Returns true when it ended by itself before. */
async function runUntil(folder: string, against: ArmWorld | undefined, enough: () => boolean): Promise<boolean> {
  const words = ['child', folder, ...(against === undefined ? [] : [JSON.stringify(against)])];
  const run = spawn(process.execPath, [fileURLToPath(import.meta.url), ...words], {
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  const exited = once(run, 'exit');
  const poll = setInterval(() => void (enough() && run.kill('SIGKILL')), 3);
  const [code, signal] = await exited;
  clearInterval(poll);
  if (signal === null && code !== 0) throw new Error(`the replay failed with exit code ${String(code)}`);
  return signal === null;
}

async function inWire(kills: number, random: () => number): Promise<string[]> {
  const complaints: string[] = [];
  let killed = 0;
  let twice = 0;
  while (killed < kills) {
    const folder = mkdtempSync(join(tmpdir(), 'retake-resume-'));
    const { against, calls, close } = await countingProviders();
    const total = (): number => [...calls.values()].reduce((sum, each) => sum + each.length, 0);
    const listed = new Set<string>();
    for (let ended = false; !ended;) {
      const begun = total();
      const after = killed < kills ? 1 + Math.floor(random() * 30) : Number.POSITIVE_INFINITY;
      ended = await runUntil(folder, against, () => total() - begun >= after);
      if (!ended) killed++;
      const state = readJournal(join(folder, 'journal.jsonl'));
      for (const turn of state?.inFlight ?? []) listed.add(turn);
    }
    const { order, paidTwice }: Ended = JSON.parse(readFileSync(join(folder, 'ended.json'), 'utf8'));
    const options = await optionsFor(folder, against);
    const plan = planExperiment(options);
    if (JSON.stringify(order) !== JSON.stringify(plan.runs.map(runKey))) complaints.push('the order is not the plan’s');
    for (const planned of plan.runs) {
      const arm =
        plan.lanes.find(({ lane, variant }) => lane === planned.lane && variant === planned.variant)?.arm ?? '';
      const made = calls.get(`${planned.sessionId}/${planned.turnIndex} ${arm}`) ?? [];
      const again = made.length - new Set(made).size;
      twice += again;
      if (again > 0 && !listed.has(runKey(planned)))
        complaints.push(`${runKey(planned)}: a journaled call was made again`);
      if (made.length === 0) complaints.push(`${runKey(planned)}: never run`);
    }
    for (const turn of paidTwice) if (!listed.has(turn)) complaints.push(`${turn} is listed and was not in flight`);
    close();
    rmSync(folder, { recursive: true });
  }
  console.log(`     ${killed} kills; ${twice} calls were made twice, each of a turn that is listed as in flight`);
  return complaints;
}

async function inSim(kills: number, random: () => number): Promise<string[]> {
  const filesOf = (folder: string): string =>
    ['report.json', 'report.md', 'trace.otlp.jsonl', 'turns.jsonl']
      .map((name) => readFileSync(join(folder, name), 'utf8'))
      .join('');
  const whole = mkdtempSync(join(tmpdir(), 'retake-resume-'));
  await runUntil(whole, undefined, () => false);
  const complaints: string[] = [];
  let killed = 0;
  while (killed < kills) {
    const folder = mkdtempSync(join(tmpdir(), 'retake-resume-'));
    const journal = join(folder, 'journal.jsonl');
    const lines = (): number => (existsSync(journal) ? readFileSync(journal, 'utf8').split('\n').length : 0);
    for (let ended = false; !ended;) {
      const begun = lines();
      const after = killed < kills ? 1 + Math.floor(random() * 40) : Number.POSITIVE_INFINITY;
      ended = await runUntil(folder, undefined, () => lines() - begun >= after);
      if (!ended) killed++;
    }
    if (filesOf(folder) !== filesOf(whole)) complaints.push('the resumed run is not the bytes of the whole one');
    rmSync(folder, { recursive: true });
  }
  rmSync(whole, { recursive: true });
  console.log(`     ${killed} kills`);
  return complaints;
}

const [mode, folder = '', world] = process.argv.slice(2);
if (mode === 'child') {
  const against: ArmWorld | undefined = world === undefined ? undefined : JSON.parse(world);
  await child(folder, against);
} else {
  const { kills } = commandOf('npm run verify -- resume')
    .option('--kills <n>', 'kills in each world', wholeFrom(1), 6)
    .parse()
    .opts<{ kills: number }>();
  for (const [name, check] of [
    ['wire: no journaled call is made again, calls made twice are listed, the order is the plan’s', inWire],
    ['sim: resumed reports and traces are byte-identical', inSim],
  ] as const) {
    const complaints = await check(kills, keyedRandom('resume', kills));
    console.log(`${complaints.length === 0 ? 'ok ' : 'OFF'}  ${name}`);
    for (const complaint of complaints.slice(0, 5)) console.log(`     ${complaint}`);
    if (complaints.length > 0) process.exitCode = 1;
  }
}

/** Same seed, same bytes: bundle, traces and report of a simulated capture and its replay, wherever and however often it runs. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { readBundle } from '../../service/capture/bundle-reader.ts';
import { DEFAULT_STRATEGY } from '../../service/strategy/strategy.ts';
import { fixtureAudio, loadInterviews } from '../../sim/world/fixtures.ts';
import { loadProfile } from '../../sim/times/profile.ts';
import { createSimSession } from '../../sim/world/session.ts';
import { createSimWorld } from '../../sim/world/world.ts';
import { capturedSession } from '../sessions/load.ts';
import { SIM_EXPERIMENT } from '../../testing/sessions.ts';
import { runExperiment } from './experiment.ts';
import { markdownReport } from '../report/markdown.ts';
import { variantPatch } from '../variants/variants.ts';

const SELF = fileURLToPath(import.meta.url);
const SESSIONS = [0, 1] as const;

/** A hash of every byte that one session's capture and replay leave. */
async function bytesOf(seed: string, pick: number): Promise<string> {
  const interviews = loadInterviews();
  const interview = interviews[pick]!;
  const world = createSimWorld({ profile: loadProfile('seed'), seed, interviews });
  const session = createSimSession({
    world,
    sessionId: interview.name,
    strategy: DEFAULT_STRATEGY,
    language: interview.language,
    systemPrompt: interview.systemPrompt,
    profile: 'seed',
    interview: interview.name,
  });
  for (const { audio } of interview.turns.slice(0, 1))
    await session.turn({ audio: fixtureAudio(audio, 100), reply: { audio: () => Promise.resolve() } });
  const hash = createHash('sha256');
  for (const [name, content] of session.store.files(interview.name)) hash.update(name).update(content);
  const { otlp, reports } = await runExperiment({
    sessions: [capturedSession(await readBundle(await session.store.find(interview.name)))],
    candidates: [{ variant: 'clause-chunking', patches: [variantPatch('clause-chunking')] }],
    ...SIM_EXPERIMENT,
    seed,
  });
  for (const line of otlp) hash.update(line);
  for (const { report } of reports) hash.update(JSON.stringify(report)).update(markdownReport(report, { marker: 'x' }));
  return hash.digest('hex');
}

async function inOrder(seed: string, picks: readonly number[]): Promise<string[]> {
  const hashes: string[] = [];
  for (const pick of picks) hashes.push(await bytesOf(seed, pick));
  return hashes;
}

/** The same in a worker thread. */
function inWorker(seed: string, picks: readonly number[]): Promise<string[]> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(SELF, { workerData: { sameBytes: { seed, picks } } });
    worker.once('message', resolve);
    worker.once('error', reject);
  });
}

const asked: unknown = isMainThread ? process.env['RETAKE_SAME_BYTES'] : workerData?.sameBytes;
if (typeof asked === 'string') {
  process.stdout.write(JSON.stringify(await inOrder(asked, SESSIONS)));
} else if (!isMainThread) {
  const { seed, picks } = workerData.sameBytes;
  parentPort?.postMessage(await inOrder(seed, picks));
} else {
  test('same seed, same bytes: again, in another process, in one worker thread and in two', async () => {
    const here = await inOrder('s', SESSIONS);
    assert.deepEqual(await inOrder('s', SESSIONS), here);
    const env = { ...process.env, RETAKE_SAME_BYTES: 's', NODE_TEST_CONTEXT: '' };
    const [{ stdout }, one, two] = await Promise.all([
      promisify(execFile)(process.execPath, [SELF], { env }),
      inWorker('s', SESSIONS),
      Promise.all(SESSIONS.map((pick) => inWorker('s', [pick]))),
    ]);
    assert.deepEqual(JSON.parse(stdout), here);
    assert.deepEqual(one, here);
    assert.deepEqual(two.flat(), here);
  });

  test('control: another seed gives other bytes', async () => {
    assert.notDeepEqual(await bytesOf('other', 0), await bytesOf('s', 0));
  });
}

/** WebM from outside, decoded by one worker thread, one file at a time, under a deadline. */
import { Worker } from 'node:worker_threads';
import { AudioFormatError } from '../audio/pcm.ts';
import { describeError } from '../base/errors.ts';
import { fieldOf, numberIn, textIn } from '../base/json.ts';
import type { Clock } from '../base/ports.ts';
import { ProblemError } from './problem.ts';

interface Decoded {
  samples: Int16Array;
  sampleRateHz: number;
}

/** Ten times what 5 minutes of Opus take. */
const DEADLINE_MS = 3000;
/** Uploads that may wait while another is decoded. */
const WAITING_LIMIT = 16;

let worker: Worker | undefined;
let inWork: Promise<unknown> = Promise.resolve();
let waiting = 0;

/** Decodes an upload. Throws `AudioFormatError` for what is no WebM with Opus, `ProblemError` (503) when too many wait. */
export async function decodeUploadedWebm(bytes: Uint8Array, clock: Clock): Promise<Decoded> {
  if (waiting >= WAITING_LIMIT) {
    const detail = 'too many WebM uploads are being decoded; try again, or send audio/wav';
    throw new ProblemError({ status: 503, title: 'Busy', detail, headers: { 'retry-after': '1' } });
  }
  waiting += 1;
  const decoded = inWork.then(() => decode(bytes, clock));
  inWork = decoded.catch(() => undefined);
  try {
    return await decoded;
  } finally {
    waiting -= 1;
  }
}

async function decode(bytes: Uint8Array, clock: Clock): Promise<Decoded> {
  worker ??= new Worker(new URL('./webm-worker.ts', import.meta.url));
  const thread = worker;
  const answered = new AbortController();
  const answer = new Promise<unknown>((resolve, reject) => {
    thread.once('message', resolve);
    thread.once('error', reject);
    thread.once('exit', () => reject(new Error('the decoder stopped')));
  });
  const late = clock.sleep(DEADLINE_MS, answered.signal).then(() => {
    throw new Error(`the decoder did not end within ${DEADLINE_MS / 1000} s`);
  });
  late.catch(() => undefined);
  answer.catch(() => undefined);
  thread.ref();
  thread.postMessage(bytes);
  try {
    return decodedIn(await Promise.race([answer, late]));
  } catch (error) {
    if (error instanceof AudioFormatError) throw error;
    worker = undefined; // a thread that hangs or crashed is not used again
    await thread.terminate();
    throw new AudioFormatError(
      `WebM of ${bytes.length} bytes cannot be decoded: ${describeError(error, 120)}: record it again`,
    );
  } finally {
    answered.abort(new Error('answered'));
    thread.removeAllListeners('message').removeAllListeners('error').removeAllListeners('exit');
    thread.unref();
  }
}

function decodedIn(message: unknown): Decoded {
  const problem = textIn(message, 'problem');
  if (problem !== undefined) throw new AudioFormatError(problem);
  const samples = fieldOf(message, 'samples');
  const sampleRateHz = numberIn(message, 'sampleRateHz');
  if (samples instanceof Int16Array && sampleRateHz !== undefined) return { samples, sampleRateHz };
  throw new Error('the decoder gave no audio');
}

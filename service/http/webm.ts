/** WebM from outside, decoded by one worker thread, one file at a time, clients in turn, under a deadline. */
import { Worker } from 'node:worker_threads';
import { AudioFormatError } from '../audio/pcm.ts';
import { describeError } from '../base/errors.ts';
import { createFairQueue } from '../base/fair-queue.ts';
import { fieldOf, numberIn, textIn } from '../base/json.ts';
import type { Clock } from '../base/ports.ts';
import { LIMITS } from './limits.ts';
import { ProblemError } from './problem.ts';

interface Decoded {
  samples: Int16Array;
  sampleRateHz: number;
}

let worker: Worker | undefined;
const queue = createFairQueue(LIMITS.webmWaiting.value, () => {
  const detail = 'too many WebM uploads are being decoded; try again, or send audio/wav';
  return new ProblemError({ status: 503, title: 'Busy', detail, headers: { 'retry-after': '1' } });
});

/**
 * Decodes an upload when it is its client's turn. Throws `AudioFormatError` for what is no WebM with Opus, `ProblemError` (503) when
 * too many wait.
 */
export function decodeUploadedWebm(bytes: Uint8Array, { clock, client }: WebmOptions): Promise<Decoded> {
  return queue.run(client, () => decode(bytes, clock));
}

export interface WebmOptions {
  clock: Clock;
  /** Whose upload it is: clients take turns. */
  client: string;
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
  const late = clock.sleep(LIMITS.webmTime.value, answered.signal).then(() => {
    throw new Error(`the decoder did not end within ${LIMITS.webmTime.value / 1000} s`);
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

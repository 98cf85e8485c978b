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
  /** The file, as it came. */
  recorded: Uint8Array<ArrayBuffer>;
}

/** A thread, and the file that it decodes. */
interface Decoder {
  thread: Worker;
  /** Messages of the thread so far. Each shows that the thread gets on. */
  steps: number;
  job?: { resolve(message: unknown): void; reject(error: Error): void };
}

/** Of a heap that decodes 5 minutes in 20 MB. Samples are not in it; their number is bounded. */
const HEAP_MB = 128;

/** An idle thread keeps the garbage of what it decoded; one that decoded over 2 minutes ends. */
const LARGE_BYTES = 10_000_000;

let decoder: Decoder | undefined;
const queue = createFairQueue(LIMITS.webmWaiting.value, () => {
  const detail = 'too many WebM uploads are being decoded; try again, or send audio/wav';
  return new ProblemError({ status: 503, title: 'Busy', detail, headers: { 'retry-after': '1' } });
});

/**
 * Decodes an upload when it is its client's turn. Takes the bytes over: their memory is usable in the result only. Throws
 * `AudioFormatError` for what is no WebM with Opus, `ProblemError` (503) when too many wait.
 */
export function decodeUploadedWebm(
  bytes: Uint8Array<ArrayBuffer>,
  { clock, client }: { clock: Clock; client: string },
): Promise<Decoded> {
  return queue.run(client, () => decode(bytes, clock));
}

async function decode(bytes: Uint8Array<ArrayBuffer>, clock: Clock): Promise<Decoded> {
  const used = (decoder ??= createDecoder());
  const { length } = bytes;
  const answered = new AbortController();
  const answer = new Promise<unknown>((resolve, reject) => (used.job = { resolve, reject }));
  answer.catch(() => undefined);
  const hung = untilHung(used, clock, answered.signal);
  hung.catch(() => undefined);
  used.thread.ref();
  used.thread.postMessage(bytes, [bytes.buffer]);
  try {
    const decoded = decodedIn(await Promise.race([answer, hung]));
    if (decoded.samples.byteLength > LARGE_BYTES) await retire(used);
    return decoded;
  } catch (error) {
    if (error instanceof AudioFormatError) throw error;
    await retire(used); // a thread that hangs or crashed is not used again
    throw new AudioFormatError(
      `WebM of ${length} bytes cannot be decoded: ${describeError(error, 120)}: record it again`,
    );
  } finally {
    answered.abort(new Error('answered'));
    used.job = undefined;
    used.thread.unref();
  }
}

async function retire(used: Decoder): Promise<void> {
  if (decoder === used) decoder = undefined;
  used.job = undefined;
  await used.thread.terminate();
}

function createDecoder(): Decoder {
  const thread = new Worker(new URL('./webm-worker.ts', import.meta.url), {
    resourceLimits: { maxOldGenerationSizeMb: HEAP_MB, maxYoungGenerationSizeMb: HEAP_MB / 16 },
  });
  const made: Decoder = { thread, steps: 0 };
  thread.on('message', (message: unknown) => {
    made.steps++;
    if (message !== 'step') made.job?.resolve(message);
  });
  // a thread may also fail between two files: the next one gets another thread
  const stopped = (error: Error): void => {
    if (decoder === made) decoder = undefined;
    made.job?.reject(error);
  };
  thread.on('error', stopped);
  thread.on('exit', () => stopped(new Error('the decoder stopped')));
  return made;
}

/** Rejects where the thread gets no further, or takes too long. It is given the whole time until it runs. */
async function untilHung(used: Decoder, clock: Clock, signal: AbortSignal): Promise<never> {
  const { webmTime, webmStep } = LIMITS;
  for (let leftMs = webmTime.value; leftMs > 0; leftMs -= webmStep.value) {
    const { steps } = used;
    await clock.sleep(webmStep.value, signal);
    if (steps > 0 && steps === used.steps) throw new Error(`the decoder got no further in ${webmStep.value} ms`);
  }
  throw new Error(`the decoder did not end within ${webmTime.value / 1000} s`);
}

function decodedIn(message: unknown): Decoded {
  const problem = textIn(message, 'problem');
  if (problem !== undefined) throw new AudioFormatError(problem);
  const samples = fieldOf(message, 'samples');
  const recorded = fieldOf(message, 'recorded');
  const sampleRateHz = numberIn(message, 'sampleRateHz');
  if (samples instanceof Int16Array && isOwned(recorded) && sampleRateHz !== undefined)
    return { samples, sampleRateHz, recorded };
  throw new Error('the decoder gave no audio');
}

function isOwned(value: unknown): value is Uint8Array<ArrayBuffer> {
  return value instanceof Uint8Array && value.buffer instanceof ArrayBuffer;
}

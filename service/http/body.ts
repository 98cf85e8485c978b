/** Uploaded audio: its formats, its limits, and when it arrived. */
import type { Request } from 'express';
import { parseLongWav } from '../audio/long-wav.ts';
import { l16ToPcm } from '../audio/pcm.ts';
import { TURN_LIMIT_MS } from '../turn/listen.ts';
import { WEBM_OPUS } from '../audio/opus.ts';
import type { ByteBudget, Share } from '../base/byte-budget.ts';
import { createPace, type Pace } from '../base/pace.ts';
import type { Clock, UserAudio } from '../base/ports.ts';
import { LIMITS } from './limits.ts';
import { audioMemoryFull, ProblemError } from './problem.ts';
import { decodeUploadedWebm } from './webm.ts';

const RATES_HZ = { min: 8000, max: 48_000 } as const;
const STEP_BYTES = 64 * 1024;
const PACE_WINDOW_MS = 5000;

export interface UploadOptions {
  clock: Clock;
  client: string;
  /** For body and samples. */
  memory: ByteBudget;
  /** For what large uploads announce. */
  largeUploads: ByteBudget;
}

export interface Upload {
  /** Reads the body as a turn's audio, whose zero is the arrival of its last byte. Throws `ProblemError`. */
  read(request: Request): Promise<UserAudio>;
  /** To be called when the turn is over. */
  giveBack(): void;
}

/** An upload whose memory others may need more, until it is here in whole. */
export function createUpload({ clock, client, memory, largeUploads }: UploadOptions): Upload {
  const pace = createPace({
    clock,
    windowMs: PACE_WINDOW_MS,
    limitMs: LIMITS.uploadTime.value,
    leastBytesPerSecond: LIMITS.uploadPace.value,
    tooSlow: () => tooSlow('comes in too slowly', LIMITS.uploadPace),
    tooLate: () => tooSlow(`was not here after ${LIMITS.uploadTime.value / 1000} s`, LIMITS.uploadTime),
  });
  const evicted = new AbortController();
  const holder = { client, evict: () => evicted.abort(audioMemoryFull()), isHopeless: pace.isHopeless };
  const [held, large] = [memory.share(holder), largeUploads.share(holder)];
  return {
    read: (request) => readAudio(request, { clock, client, held, large, pace, evicted: evicted.signal }),
    giveBack() {
      held.giveBack();
      large.giveBack();
    },
  };
}

interface Reading {
  clock: Clock;
  client: string;
  held: Share;
  large: Share;
  pace: Pace;
  evicted: AbortSignal;
}

async function readAudio(request: Request, reading: Reading): Promise<UserAudio> {
  const { clock, client, held } = reading;
  const decode = decoderFor(request, { clock, client });
  const { bytes, startedUs, endedUs } = await readBytes(request, reading);
  const { samples, sampleRateHz, recorded } = await decode(bytes);
  if (samples.length === 0) {
    throw new ProblemError({
      status: 400,
      title: 'Empty body',
      detail: 'the body holds no audio; post a WAV, WebM or L16 recording',
      field: 'body',
    });
  }
  if (samples.buffer !== bytes.buffer) {
    if (!held.take(samples.byteLength)) throw audioMemoryFull();
    // the body's memory is free at once; its share stays taken, for the copies that the turn makes
    if (recorded === undefined) bytes.buffer.transfer(0);
  }
  checkRate(sampleRateHz);
  const seconds = samples.length / sampleRateHz;
  if (seconds > TURN_LIMIT_MS / 1000) throw tooLong(`the body holds ${Math.round(seconds)} s of audio`);
  return {
    zero: 'upload',
    sampleRateHz,
    startedUs,
    recorded,
    async *frames() {
      yield { atUs: endedUs, samples };
    },
  };
}

interface Decoded {
  samples: Int16Array;
  sampleRateHz: number;
  recorded?: Uint8Array;
}

function decoderFor(
  request: Request,
  { clock, client }: Pick<Reading, 'clock' | 'client'>,
): (bytes: Uint8Array<ArrayBuffer>) => Decoded | Promise<Decoded> {
  const [type = '', ...parameters] = (request.headers['content-type'] ?? '')
    .toLowerCase()
    .split(';')
    .map((part) => part.trim());
  if (type === 'audio/wav' || type === 'audio/x-wav' || type === 'audio/wave') {
    return (bytes) => parseLongWav(bytes, clock);
  }
  if (type === WEBM_OPUS) {
    return (bytes) => decodeUploadedWebm(bytes, { clock, client });
  }
  if (type === 'audio/l16') {
    const parameter = (name: string): number | undefined => {
      const found = parameters.find((each) => each.startsWith(`${name}=`));
      return found === undefined ? undefined : Number(found.slice(name.length + 1));
    };
    const rate = parameter('rate');
    if (rate === undefined || !Number.isInteger(rate)) {
      throw unsupported('audio/L16 needs its rate: audio/L16;rate=16000;channels=1', 'content-type');
    }
    if ((parameter('channels') ?? 1) !== 1) throw unsupported('audio/L16 must be mono: channels=1', 'content-type');
    checkRate(rate);
    return (bytes) => ({ samples: l16ToPcm(bytes), sampleRateHz: rate });
  }
  const found = type === '' ? 'no content type' : JSON.stringify(type.slice(0, 60));
  throw unsupported(
    `the body must be audio/wav, audio/webm or audio/L16;rate=N;channels=1, not ${found}`,
    'content-type',
  );
}

async function readBytes(
  request: Request,
  { clock, held, large, pace, evicted }: Reading,
): Promise<{ bytes: Uint8Array<ArrayBuffer>; startedUs: number; endedUs: number }> {
  const limitBytes = LIMITS.uploadBytes.value;
  const announced = Number(request.headers['content-length'] ?? 0);
  if (announced > limitBytes) throw tooLong(`the body has ${announced} bytes`);
  const mostBytes = announced > 0 ? announced : limitBytes;
  let isLarge = false;
  // before the body is read: reading many large ones at once would hold the event loop up
  const admit = (bytes: number): void => {
    if (isLarge || bytes <= LIMITS.largeUpload.value) return;
    isLarge = true;
    if (!large.take(mostBytes)) throw audioMemoryFull();
  };
  admit(announced);
  const body = createBody(mostBytes, held);
  const over = new AbortController();
  const stopped = pace.watched(mostBytes, AbortSignal.any([over.signal, evicted]));
  stopped.catch(() => undefined);
  let startedUs = clock.nowUs();
  // an iterator that destroyed the request would take the answer with it
  const parts = request.iterator({ destroyOnReturn: false });
  try {
    for (;;) {
      const { done, value }: IteratorResult<unknown> = await Promise.race([parts.next(), stopped]);
      if (done === true) break;
      if (!(value instanceof Buffer)) continue;
      if (body.size() === 0) startedUs = clock.nowUs();
      if (body.size() + value.byteLength > limitBytes) throw tooLong(`the body has more than ${limitBytes} bytes`);
      admit(body.size() + value.byteLength);
      if (!body.push(value)) throw audioMemoryFull();
      pace.took(value.byteLength);
    }
  } catch (error) {
    body.free();
    throw error;
  } finally {
    over.abort(new Error('read'));
  }
  // its turn ends by itself
  held.settle();
  large.settle();
  return { bytes: body.bytes(), startedUs, endedUs: clock.nowUs() };
}

/** A body in one piece of memory of at most `mostBytes`. It grows in place: a copy for each step would hold the event loop up. */
function createBody(
  mostBytes: number,
  held: Share,
): { size(): number; push(part: Uint8Array): boolean; bytes(): Uint8Array<ArrayBuffer>; free(): void } {
  const memory = new ArrayBuffer(0, { maxByteLength: mostBytes });
  let size = 0;
  return {
    size: () => size,
    push(part) {
      const needed = size + part.byteLength;
      if (needed > memory.byteLength) {
        const larger = Math.max(needed, Math.min(mostBytes, size + STEP_BYTES));
        if (!held.take(larger - memory.byteLength)) return false;
        memory.resize(larger);
      }
      new Uint8Array(memory).set(part, size);
      size = needed;
      return true;
    },
    // decoders and request bodies take memory of a fixed length only
    bytes: () => new Uint8Array(memory.transferToFixedLength(size)),
    // a collector that comes later would let the process grow past the budget meanwhile
    free: () => memory.resize(0),
  };
}

function tooSlow(how: string, { value, unit }: { value: number; unit: string }): ProblemError {
  const detail = `the body ${how}; send shorter audio, or use the WebSocket`;
  const headers = { connection: 'close' };
  return new ProblemError({
    status: 408,
    title: 'Upload too slow',
    detail,
    field: 'body',
    limit: `${value} ${unit}`,
    headers,
  });
}

/** Throws `ProblemError` unless the rate is one that STT takes. */
export function checkRate(sampleRateHz: number): void {
  if (
    Number.isInteger(sampleRateHz) &&
    sampleRateHz >= RATES_HZ.min &&
    sampleRateHz <= RATES_HZ.max &&
    sampleRateHz % 100 === 0
  )
    return;
  throw unsupported(
    `a sample rate of ${sampleRateHz} Hz is not supported`,
    'sampleRateHz',
    `${RATES_HZ.min}–${RATES_HZ.max} Hz, a multiple of 100`,
  );
}

function tooLong(found: string): ProblemError {
  const limit = `${TURN_LIMIT_MS / 1000} s or ${LIMITS.uploadBytes.value} bytes`;
  const detail = `${found}; a turn may have ${limit}`;
  return new ProblemError({ status: 413, title: 'Audio too long', detail, field: 'body', limit });
}

function unsupported(detail: string, field: string, limit?: string): ProblemError {
  return new ProblemError({ status: 415, title: 'Unsupported audio', detail, field, limit });
}

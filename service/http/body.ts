/** Uploaded audio: its formats, its limits, and when it arrived. */
import type { Request } from 'express';
import { l16ToPcm, parseWav } from '../audio/pcm.ts';
import { TURN_LIMIT_MS } from '../turn/listen.ts';
import { WEBM_OPUS } from '../audio/opus.ts';
import type { Clock, UserAudio } from '../base/ports.ts';
import { ProblemError } from './problem.ts';
import { decodeUploadedWebm } from './webm.ts';

/** 5 minutes of 48 kHz stereo PCM16: the longest audio in the largest format. */
export const BODY_LIMIT_BYTES = (TURN_LIMIT_MS / 1000) * 48_000 * 4 + 4096;
const RATES_HZ = { min: 8000, max: 48_000 } as const;

/** Reads an upload as a turn's audio, whose zero is the arrival of its last byte. Throws `ProblemError`. */
export async function readAudioBody(request: Request, clock: Clock): Promise<UserAudio> {
  const decode = decoderFor(request.headers['content-type'], clock);
  const { bytes, startedUs, endedUs } = await readBytes(request, clock);
  const { samples, sampleRateHz, recorded } = await decode(bytes);
  if (samples.length === 0) {
    throw new ProblemError({
      status: 400,
      title: 'Empty body',
      detail: 'the body holds no audio; post a WAV, WebM or L16 recording',
      field: 'body',
    });
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

function decoderFor(contentType: string | undefined, clock: Clock): (bytes: Uint8Array) => Decoded | Promise<Decoded> {
  const [type = '', ...parameters] = (contentType ?? '')
    .toLowerCase()
    .split(';')
    .map((part) => part.trim());
  if (type === 'audio/wav' || type === 'audio/x-wav' || type === 'audio/wave') return parseWav;
  if (type === WEBM_OPUS) return async (bytes) => ({ ...(await decodeUploadedWebm(bytes, clock)), recorded: bytes });
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
  clock: Clock,
): Promise<{ bytes: Uint8Array; startedUs: number; endedUs: number }> {
  const announced = Number(request.headers['content-length'] ?? 0);
  if (announced > BODY_LIMIT_BYTES) throw tooLong(`the body has ${announced} bytes`);
  const parts: Buffer[] = [];
  let size = 0;
  let startedUs = clock.nowUs();
  for await (const part of request) {
    if (!(part instanceof Buffer)) continue;
    if (size === 0) startedUs = clock.nowUs();
    size += part.byteLength;
    if (size > BODY_LIMIT_BYTES) throw tooLong(`the body has more than ${BODY_LIMIT_BYTES} bytes`);
    parts.push(part);
  }
  return { bytes: Buffer.concat(parts), startedUs, endedUs: clock.nowUs() };
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
  const limit = `${TURN_LIMIT_MS / 1000} s or ${BODY_LIMIT_BYTES} bytes`;
  const detail = `${found}; a turn may have ${limit}`;
  return new ProblemError({ status: 413, title: 'Audio too long', detail, field: 'body', limit });
}

function unsupported(detail: string, field: string, limit?: string): ProblemError {
  return new ProblemError({ status: 415, title: 'Unsupported audio', detail, field, limit });
}

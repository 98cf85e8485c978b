/** TTS: pieces of text → audio. Several are synthesized at once; their audio keeps the order of the text. */
import { pcmBytesToSamples, rmsDbfs } from '../audio/pcm.ts';
import { StageError } from '../base/errors.ts';
import type { Arrival } from '../base/ports.ts';
import { keep, lookUp, lookUpAhead } from './look-up.ts';
import { AHEAD_ORDINAL } from '../turn-log/bets.ts';
import { join } from '../turn-log/recorder.ts';
import { callProvider, speechRequest, type TurnScope } from '../calls/stage.ts';
import { childSignal, createChannel, untilAborted, type Channel } from '../base/streams.ts';
import type { AudioChunk, Piece, PieceAudio, Prepared } from './pieces.ts';

/** More than any reply has: the limit of a provider's answer ends a longer one first. */
const CHUNKS_LIMIT = 16_384;
/** As for first audible: no louder frame is silence. */
const SILENCE_DBFS = -45;

/** Synthesizes up to `tts.concurrency` pieces at once. A piece waits for its text and for a free slot. */
export async function speak(scope: TurnScope, pieces: Channel<Piece>, queue: Channel<PieceAudio>): Promise<void> {
  const { concurrency } = scope.input.strategy.tts;
  const slots = createChannel<{ freedBy?: number }>(concurrency, 'synthesis slots');
  for (let slot = 0; slot < concurrency; slot++) slots.push({});
  const freeSlots = untilAborted(slots, scope.signal);
  const running: Promise<void>[] = [];
  for await (const piece of untilAborted(pieces, scope.signal)) {
    if (piece.prepared !== undefined && !piece.prepared.failed()) {
      const { audio, played } = release(scope, piece, piece.prepared);
      queue.push(audio);
      running.push(played);
      continue;
    }
    const lookingUp = lookUp(scope, piece);
    const known = lookingUp === undefined ? undefined : await lookingUp;
    if (known?.speech !== undefined) {
      queue.push(fromCache(scope, piece, known.eventId, known.speech.pcm));
      continue;
    }
    const slot = await freeSlots.next();
    if (slot.done === true) break;
    const audio: PieceAudio = {
      index: piece.index,
      content: piece.origin === 'llm',
      cached: false,
      chunks: createChannel(CHUNKS_LIMIT, `audio of piece ${piece.index}`),
    };
    queue.push(audio);
    const released = join(scope.recorder, known?.eventId ?? piece.readyId, slot.value.freedBy);
    const spoken = synthesize(scope, piece, audio.chunks, released).then((freedBy) => slots.push({ freedBy }));
    // the reader of the audio meets the failure; `Promise.all` below ends the stage with it
    spoken.catch((error: unknown) => audio.chunks.close(error));
    running.push(spoken);
  }
  queue.close();
  await Promise.all(running);
  await freeSlots.return(undefined);
}

/** The cached audio of a piece, in one chunk. */
function fromCache({ ports }: TurnScope, piece: Piece, eventId: number, pcm: Uint8Array): PieceAudio {
  const chunks = createChannel<AudioChunk>(1, `cached audio of piece ${piece.index}`);
  chunks.push({ pcm, atUs: ports.clock.nowUs(), eventId: () => eventId });
  chunks.close();
  return { index: piece.index, content: false, cached: true, chunks };
}

/**
 * Speaks a text ahead, from the cache or by a synthesis. `cause` is the event that allowed it. A failure stays here.
 */
export function prepare(scope: TurnScope, ordinal: number, text: string, cause: number): Prepared {
  const own = childSignal(scope.signal);
  const ahead = { ...scope, signal: own.signal };
  const chunks = createChannel<AudioChunk>(CHUNKS_LIMIT, `audio ahead ${ordinal}`);
  const startUs = scope.ports.clock.nowUs();
  let firstAudioUs: number | undefined;
  let failed = false;
  let cachedTtfbUs: number | undefined;
  const watched: Pick<Channel<AudioChunk>, 'push' | 'close'> = {
    push: (chunk) => {
      firstAudioUs ??= chunk.atUs;
      chunks.push(chunk);
    },
    close: chunks.close,
  };
  const index = AHEAD_ORDINAL + ordinal;
  const spoken = (releasedBy: number): Promise<unknown> =>
    synthesize(ahead, { index, text, origin: 'predicted' }, watched, { cause: releasedBy });
  const known = lookUpAhead(scope, index, text, cause)?.then(({ eventId, speech }) => {
    ahead.signal.throwIfAborted(); // the piece may have been abandoned during the look-up
    if (speech === undefined) return spoken(eventId);
    cachedTtfbUs = speech.ttfbUs;
    watched.push({ pcm: speech.pcm, atUs: scope.ports.clock.nowUs(), eventId: () => eventId });
    return watched.close();
  });
  const done = (known ?? spoken(cause))
    .then(() => undefined)
    .catch((error: unknown) => {
      failed = true;
      chunks.close(error);
      throw error;
    })
    .finally(own.release);
  scope.stray(done);
  return {
    text,
    chunks,
    startUs,
    firstAudioUs: () => firstAudioUs,
    failed: () => failed,
    cachedTtfbUs: () => cachedTtfbUs,
    abandon: () => own.abort(new StageError('tts', 'cancelled', 'the words spoken ahead were not said')),
  };
}

/** Makes audio from ahead the audio of a piece. The piece's words release the chunks that were there before them. */
function release(scope: TurnScope, piece: Piece, prepared: Prepared): { audio: PieceAudio; played: Promise<void> } {
  const { recorder } = scope;
  const chunks = createChannel<AudioChunk>(CHUNKS_LIMIT, `audio of piece ${piece.index}`);
  const readyUs = recorder.atUs(piece.readyId);
  const released = (chunk: AudioChunk): (() => number) => {
    let id: number | undefined;
    return () =>
      (id ??= recorder.record({
        kind: 'tts.released',
        stage: 'tts',
        ...join(recorder, chunk.eventId(), piece.readyId),
        atUs: readyUs,
        attrs: { index: piece.index },
      }));
  };
  const pump = async (): Promise<void> => {
    for await (const chunk of untilAborted(prepared.chunks, scope.signal)) {
      chunks.push(chunk.atUs > readyUs ? chunk : { ...chunk, eventId: released(chunk) });
    }
    chunks.close();
  };
  const played = pump();
  played.catch((error: unknown) => chunks.close(error));
  const cached = prepared.cachedTtfbUs() !== undefined;
  return { audio: { index: piece.index, content: piece.origin === 'llm', cached, chunks }, played };
}

async function synthesize(
  scope: TurnScope,
  { index, text, origin }: Pick<Piece, 'index' | 'text' | 'origin'>,
  chunks: Pick<Channel<AudioChunk>, 'push' | 'close'>,
  releasedBy: { cause: number; also?: number },
): Promise<number> {
  const { recorder, ports, input } = scope;
  const { model, sampleRateHz } = ports.tts;
  const request = speechRequest(input, text);
  const { method, voice, speed } = request;
  const exchange = `tts.${index}`;
  const itemUs: number[] = [];
  const itemBytes: number[] = [];
  const parts: Uint8Array[] = [];
  const startId = recorder.record({
    kind: 'tts.start',
    stage: 'tts',
    exchange,
    ...releasedBy,
    attrs: { index, method, voice, speed, chars: text.length, model },
  });
  const audioEvent = (pcm: Uint8Array, arrival: Arrival): (() => number) => {
    let id: number | undefined;
    const attrs = { index, bytes: pcm.byteLength };
    return () =>
      (id ??= recorder.record({
        kind: 'tts.audio',
        stage: 'tts',
        exchange,
        cause: arrival.eventId(),
        atUs: arrival.atUs,
        attrs,
      }));
  };
  return callProvider(scope, { stage: 'tts', ordinal: index, cause: startId }, async (call, attempt) => {
    const result = await ports.tts.synthesize(request, call, (pcm) => {
      attempt.mayRepeat = false;
      const arrival = call.arrival();
      const eventId = audioEvent(pcm, arrival);
      if (itemUs.length === 0) eventId();
      itemUs.push(arrival.atUs);
      itemBytes.push(pcm.byteLength);
      parts.push(pcm);
      chunks.push({ pcm, atUs: arrival.atUs, eventId });
    });
    const pcm = Buffer.concat(parts);
    const { inferenceMs, requestId } = result;
    const doneId = recorder.record({
      kind: 'tts.done',
      stage: 'tts',
      exchange,
      cause: call.arrival().eventId(),
      attrs: {
        index,
        bytes: pcm.byteLength,
        sampleRateHz,
        audioMs: Math.round((pcm.byteLength / 2 / sampleRateHz) * 1000),
        itemUs,
        itemBytes,
        leadingSilenceMs: leadingSilenceMs(pcmBytesToSamples(pcm), sampleRateHz),
        inferenceMs,
        requestId,
      },
      content: { audio: pcm, sampleRateHz },
    });
    const [firstUs] = itemUs;
    const ttfbUs = firstUs === undefined ? 0 : firstUs - recorder.atUs(startId);
    keep(scope, text, origin, { pcm, sampleRateHz, ttfbUs });
    chunks.close();
    return doneId;
  });
}

function leadingSilenceMs(samples: Int16Array, sampleRateHz: number): number {
  const length = Math.round(sampleRateHz / 100);
  let from = 0;
  while (from + length <= samples.length && rmsDbfs(samples, from, from + length) <= SILENCE_DBFS) from += length;
  return Math.round((from * 1000) / sampleRateHz);
}

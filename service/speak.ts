/** TTS: pieces of text → their audio, several at once, handed on in the order of the text. */
import { pcmBytesToSamples, rmsDbfs } from './audio.ts';
import type { Arrival } from './ports.ts';
import { join } from './recorder.ts';
import { callProvider, type TurnScope } from './stage.ts';
import { createChannel, untilAborted, type Channel } from './streams.ts';
import type { Piece } from './think.ts';

/** A piece's audio, readable while it is being synthesized. */
export interface PieceAudio {
  index: number;
  chunks: Channel<AudioChunk>;
}

export interface AudioChunk {
  /** PCM16 little-endian mono. */
  pcm: Uint8Array;
  /** Id of its `tts.audio` event, which is recorded once somebody needs it as a cause. */
  eventId(): number;
}

/** No reply has more; reaching it is a fault of the provider's, ended by the body limit first. */
const CHUNKS_LIMIT = 16_384;
/** Quieter than this is silence, as for first audible. */
const SILENCE_DBFS = -45;

/** Synthesizes up to `tts.concurrency` pieces at once: a piece waits for its text and for a free slot. */
export async function speak(scope: TurnScope, pieces: Channel<Piece>, queue: Channel<PieceAudio>): Promise<void> {
  const { concurrency } = scope.input.strategy.tts;
  const slots = createChannel<{ freedBy?: number }>(concurrency, 'synthesis slots');
  for (let slot = 0; slot < concurrency; slot++) slots.push({});
  const freeSlots = untilAborted(slots, scope.signal);
  const running: Promise<void>[] = [];
  for await (const piece of untilAborted(pieces, scope.signal)) {
    const slot = await freeSlots.next();
    if (slot.done === true) break;
    const audio: PieceAudio = {
      index: piece.index,
      chunks: createChannel(CHUNKS_LIMIT, `audio of piece ${piece.index}`),
    };
    queue.push(audio);
    const spoken = synthesize(scope, piece, audio, slot.value.freedBy).then((freedBy) => slots.push({ freedBy }));
    // the reader of the audio meets the failure; awaiting it here as well ends the stage
    spoken.catch((error: unknown) => audio.chunks.close(error));
    running.push(spoken);
  }
  queue.close();
  await Promise.all(running);
  await freeSlots.return(undefined);
}

async function synthesize(
  scope: TurnScope,
  piece: Piece,
  audio: PieceAudio,
  freedBy: number | undefined,
): Promise<number> {
  const { recorder, ports, input } = scope;
  const { method, voice, speed, sse, queue } = input.strategy.tts;
  const { index, text } = piece;
  const exchange = `tts.${index}`;
  const itemUs: number[] = [];
  const itemBytes: number[] = [];
  const parts: Uint8Array[] = [];
  const startId = recorder.record({
    kind: 'tts.start',
    stage: 'tts',
    exchange,
    ...join(recorder, piece.readyId, freedBy),
    attrs: { index, method, voice, speed, chars: text.length, model: 'freya-tts' },
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
  return callProvider(scope, 'tts', index, startId, async (call, attempt) => {
    const request = { text, method, voice, speed, sse, queue, language: input.language };
    const result = await ports.tts.synthesize(request, call, (pcm) => {
      attempt.mayRepeat = false;
      const arrival = call.arrival();
      const eventId = audioEvent(pcm, arrival);
      if (itemUs.length === 0) eventId();
      itemUs.push(arrival.atUs);
      itemBytes.push(pcm.byteLength);
      parts.push(pcm);
      audio.chunks.push({ pcm, eventId });
    });
    const pcm = Buffer.concat(parts);
    const { sampleRateHz, inferenceMs, requestId } = result;
    const doneId = recorder.record({
      kind: 'tts.done',
      stage: 'tts',
      exchange,
      cause: call.arrival().eventId(),
      attrs: {
        index,
        bytes: pcm.byteLength,
        audioMs: Math.round((pcm.byteLength / 2 / sampleRateHz) * 1000),
        itemUs,
        itemBytes,
        leadingSilenceMs: leadingSilenceMs(pcmBytesToSamples(pcm), sampleRateHz),
        ...(inferenceMs === undefined ? {} : { inferenceMs }),
        ...(requestId === undefined ? {} : { requestId }),
      },
      content: { audio: pcm, sampleRateHz },
    });
    audio.chunks.close();
    return doneId;
  });
}

function leadingSilenceMs(samples: Int16Array, sampleRateHz: number): number {
  const length = sampleRateHz / 100;
  let from = 0;
  while (from + length <= samples.length && rmsDbfs(samples, from, from + length) <= SILENCE_DBFS) from += length;
  return (from / length) * 10;
}

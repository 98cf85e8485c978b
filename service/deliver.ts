/** Delivery: audio to the client's connection, and the books of a client that plays from the first byte on. */
import { pcmBytesToSamples } from './audio.ts';
import { StageError } from './errors.ts';
import type { Listening } from './listen.ts';
import { createPlayback } from './playback.ts';
import { FREYA_TTS_RATE_HZ } from './providers/freya-tts.ts';
import { join } from './recorder.ts';
import type { PieceAudio } from './pieces.ts';
import type { TurnScope } from './stage.ts';
import { createSilenceTrimmer } from './trim-silence.ts';
import { untilAborted, type Channel } from './streams.ts';

/** Hands each piece's audio over as it comes, pieces in the order of the text; ends when the last byte is handed over. */
export async function deliver(scope: TurnScope, queue: Channel<PieceAudio>, listening: Listening): Promise<void> {
  const { recorder, ports, input, signal } = scope;
  const playback = createPlayback(FREYA_TTS_RATE_HZ);
  /** The event since which the client has been playing without a gap. */
  let playingId: number | undefined;
  for await (const piece of untilAborted(queue, signal)) {
    const trim = input.strategy.tts.trimSilence ? createSilenceTrimmer(FREYA_TTS_RATE_HZ) : undefined;
    for await (const chunk of untilAborted(piece.chunks, signal)) {
      const pcm = trim === undefined ? chunk.pcm : trim(chunk.pcm);
      if (pcm.byteLength === 0) continue;
      const atUs = ports.clock.nowUs();
      const step = playback.chunk(atUs, pcmBytesToSamples(pcm), piece.index, piece.content);
      if (playingId === undefined) {
        const attrs = { bytes: pcm.byteLength };
        playingId = recorder.record({
          kind: 'deliver.first_byte',
          stage: 'deliver',
          cause: chunk.eventId(),
          atUs,
          attrs,
        });
      } else if (step.resumed !== undefined) {
        const dryAtUs = step.resumed.stalledFromUs;
        const dryId = recorder.record({ kind: 'deliver.dry', stage: 'deliver', cause: playingId, atUs: dryAtUs });
        const releasedBy = join(recorder, chunk.eventId(), dryId);
        const attrs = { index: piece.index };
        playingId = recorder.record({ kind: 'deliver.resumed', stage: 'deliver', ...releasedBy, atUs, attrs });
      }
      if (step.firstAudibleUs !== undefined) {
        listening.heardReply(step.firstAudibleUs);
        const also = chunk.eventId();
        const cause = playingId;
        recorder.record({
          kind: 'deliver.first_audible',
          stage: 'deliver',
          cause,
          also,
          atUs: step.firstAudibleUs,
          ...(step.inserted === true ? { attrs: { content: false } } : {}),
        });
      }
      if (step.contentAudibleUs !== undefined) {
        const atUs = step.contentAudibleUs;
        recorder.record({ kind: 'deliver.content_audible', stage: 'deliver', cause: playingId, atUs });
      }
      await input.reply.audio(pcm, piece.index);
    }
  }
  const { replyEndUs, stallUs, stalls } = playback.finish();
  if (replyEndUs === undefined || playingId === undefined)
    throw new StageError('tts', 'empty', 'the reply has no audio');
  const attrs = { stallUs, stalls: stalls.flatMap(({ fromUs, toUs }) => [fromUs, toUs]) };
  const endId = recorder.record({
    kind: 'deliver.reply_end',
    stage: 'deliver',
    cause: playingId,
    atUs: replyEndUs,
    attrs,
  });
  recorder.record({
    kind: 'turn.done',
    stage: 'deliver',
    cause: endId,
    atUs: Math.max(replyEndUs, ports.clock.nowUs()),
  });
}

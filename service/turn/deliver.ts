/** Delivery: hands audio to the client's connection and records when the playing client hears it. */
import { pcmBytesToSamples } from '../audio/pcm.ts';
import { StageError } from '../base/errors.ts';
import type { Listening } from './listen.ts';
import type { BargeIn, DeliveredPiece } from './barge-in.ts';
import type { Playback } from '../audio/playback.ts';
import { join } from '../turn-log/recorder.ts';
import type { PieceAudio } from './pieces.ts';
import type { TurnScope } from '../calls/stage.ts';
import { createSilenceTrimmer } from '../audio/trim-silence.ts';
import { untilAborted, type Channel } from '../base/streams.ts';

/** What the client has of the reply. */
export interface Delivery {
  playback: Playback;
  bargeIn: BargeIn;
  /** In order. Filled in place, so that an interrupted turn keeps what it had. */
  pieces: DeliveredPiece[];
  /** When the newest byte was handed over. */
  lastByteUs?: number;
}

/**
 * Hands each piece's audio over as it comes, in the order of the text. Ends when the last byte is handed over, or,
 * where the user may interrupt, when that byte has been played. Throws `StageError` for a reply without audio.
 */
export async function deliver(
  scope: TurnScope,
  queue: Channel<PieceAudio>,
  listening: Listening,
  delivery: Delivery,
): Promise<void> {
  const { recorder, ports, input, signal } = scope;
  const { playback, bargeIn } = delivery;
  const { sampleRateHz } = ports.tts;
  /** Since this event the client plays without a gap. */
  let playingId: number | undefined;
  for await (const piece of untilAborted(queue, signal)) {
    const delivered: DeliveredPiece = { samples: 0, complete: false, cached: piece.cached };
    delivery.pieces.push(delivered);
    const trim = input.strategy.tts.trimSilence ? createSilenceTrimmer(sampleRateHz) : undefined;
    for await (const chunk of untilAborted(piece.chunks, signal)) {
      const pcm = trim === undefined ? chunk.pcm : trim(chunk.pcm);
      if (pcm.byteLength === 0) continue;
      await bargeIn.gate();
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
        const audibleId = recorder.record({
          kind: 'deliver.first_audible',
          stage: 'deliver',
          cause,
          also,
          atUs: step.firstAudibleUs,
          attrs: step.inserted === true ? { content: false } : undefined,
        });
        bargeIn.arm(step.firstAudibleUs, audibleId);
      }
      if (step.contentAudibleUs !== undefined) {
        const atUs = step.contentAudibleUs;
        recorder.record({ kind: 'deliver.content_audible', stage: 'deliver', cause: playingId, atUs });
      }
      delivered.samples += pcm.byteLength / 2;
      delivery.lastByteUs = atUs;
      await input.reply.audio(pcm, piece.index, sampleRateHz);
    }
    delivered.complete = true;
  }
  if (bargeIn.enabled) await playedOut(scope, delivery);
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

/** As long as the client plays, the user may interrupt. */
async function playedOut({ ports, signal }: TurnScope, { playback, bargeIn }: Delivery): Promise<void> {
  for (;;) {
    await bargeIn.gate();
    const leftUs = (playback.finish().replyEndUs ?? 0) - ports.clock.nowUs();
    if (leftUs <= 0) return;
    await ports.clock.sleep(leftUs / 1000, signal);
  }
}

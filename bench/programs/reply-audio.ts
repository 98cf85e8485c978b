/**
 * A reply's audio from the provider's stream to the client's connection, for bench/programs/parsers.ts: by the stages of a turn (speak.ts,
 * deliver.ts), and as the provider's library gives it. Both return the bytes handed to the client, and when the reply becomes audible.
 * No network: the connection takes every byte at once.
 */
import { createFalClient } from '@fal-ai/client';
import { rmsDbfs } from '../../service/audio/pcm.ts';
import { createBargeIn } from '../../service/turn/barge-in.ts';
import { createRealClock } from '../../service/base/clock.ts';
import { deliver } from '../../service/turn/deliver.ts';
import type { PieceAudio, Piece } from '../../service/turn/pieces.ts';
import { createPlayback } from '../../service/audio/playback.ts';
import type { Tts, TtsRequest } from '../../service/base/ports.ts';
import { FREYA_TTS_RATE_HZ } from '../../service/providers/freya-tts.ts';
import { speak } from '../../service/turn/speak.ts';
import { createTurnScope, type TurnInput, type TurnPorts, type TurnScope } from '../../service/calls/stage.ts';
import { createChannel } from '../../service/base/streams.ts';
import { resolveStrategy } from '../../service/strategy/patch.ts';
import { fetchOf, streamed, TTS_CHUNKS } from './stream-bodies.ts';
import { questionUpload } from './question.ts';
import { instantPorts } from './workload.ts';

export interface HeardReply {
  bytes: number;
  /** Counted from the first sample. */
  audibleAfterMs: number | undefined;
}

const FRAME = FREYA_TTS_RATE_HZ / 100;
const AUDIBLE_DBFS = -45;
const clock = createRealClock();

/** The fal client's events, decoded and copied into samples, searched frame by frame for three audible ones, copied into what is sent. */
export async function plainReply(): Promise<HeardReply> {
  const fal = createFalClient({ credentials: 'none', fetch: fetchOf(TTS_CHUNKS), retry: { maxRetries: 0 } });
  const stream = await fal.stream('freya-mypsdi253hbk/freya-tts', { input: {} });
  const sent: Uint8Array[] = [];
  const heard: HeardReply = { bytes: 0, audibleAfterMs: undefined };
  let [frames, row] = [0, 0];
  stream.on('data', (data: { audio?: string }) => {
    if (data.audio === undefined) return;
    const pcm = Buffer.from(data.audio, 'base64');
    const samples = new Int16Array(new Uint8Array(pcm).buffer);
    for (let from = 0; heard.audibleAfterMs === undefined && from + FRAME <= samples.length; from += FRAME) {
      row = rmsDbfs(samples, from, from + FRAME) > AUDIBLE_DBFS ? row + 1 : 0;
      frames += 1;
      if (row === 3) heard.audibleAfterMs = (frames - 3) * 10;
    }
    sent.push(Buffer.from(samples.buffer));
    heard.bytes += samples.byteLength;
  });
  await stream.done();
  return heard;
}

/** By the stages of a turn, with its events, phases and ledger's causes. */
export async function stagedReply(tts: Tts, sse: TtsRequest['sse']): Promise<HeardReply> {
  const sent: Uint8Array[] = [];
  const heard: HeardReply = { bytes: 0, audibleAfterMs: undefined };
  const scope = scopeFor(tts, sse, (pcm) => {
    sent.push(pcm);
    heard.bytes += pcm.byteLength;
  });
  const readyId = scope.recorder.record({ kind: 'speech.start', stage: 'endpointing' });
  const pieces = createChannel<Piece>(1, 'pieces');
  pieces.push({ index: 0, text: 'hello', readyId, origin: 'llm' });
  pieces.close();
  const queue = createChannel<PieceAudio>(1, 'audio');
  const playback = createPlayback(tts.sampleRateHz);
  const bargeIn = createBargeIn(scope, playback, () => undefined);
  const listening = { ended: new Promise<never>(() => undefined), heardReply: () => undefined, close: async () => {} };
  await Promise.all([speak(scope, pieces, queue), deliver(scope, queue, listening, { playback, bargeIn, pieces: [] })]);
  const at = (kind: string): number | undefined => scope.recorder.events.find((event) => event.kind === kind)?.atUs;
  const [firstUs, audibleUs] = [at('deliver.first_byte'), at('deliver.first_audible')];
  if (firstUs !== undefined && audibleUs !== undefined) heard.audibleAfterMs = (audibleUs - firstUs) / 1000;
  return heard;
}

function scopeFor(tts: Tts, sse: TtsRequest['sse'], onAudio: (pcm: Uint8Array) => void): TurnScope {
  const ports: TurnPorts = { ...instantPorts(clock), tts };
  const transport: TurnPorts['transport'] = {
    ...ports.transport,
    async send(request, marks) {
      await ports.transport.send(request, marks);
      return streamed(TTS_CHUNKS);
    },
  };
  const input: TurnInput = {
    owner: { sessionId: 'bench', turnIndex: 0, arm: 'bench' },
    strategy: resolveStrategy([{ tts: { sse } }], 'audio path'),
    conversation: { systemPrompt: '', history: [] },
    language: 'en',
    audio: questionUpload(clock),
    reply: { audio: async (pcm) => onAudio(pcm) },
    sinks: [],
  };
  return createTurnScope({ ...ports, transport }, input, new AbortController().signal);
}

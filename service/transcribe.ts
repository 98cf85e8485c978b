/** STT: the received utterance → its text. */
import { encodeWav } from './audio.ts';
import { StageError } from './errors.ts';
import type { Heard } from './listen.ts';
import { callProvider, type TurnScope } from './stage.ts';

export interface Transcript {
  text: string;
  doneId: number;
}

/** Uploads what was heard and returns its words. Throws `StageError`, also for audio without words. */
export async function transcribe(scope: TurnScope, heard: Heard): Promise<Transcript> {
  const { recorder, ports, input } = scope;
  const { stt } = input.strategy;
  const { sampleRateHz } = input.audio;
  const audio = encodeWav(heard.samples, sampleRateHz);
  const language = stt.language === 'session' ? input.language : stt.language;
  const startId = recorder.record({
    kind: 'stt.start',
    stage: 'stt',
    exchange: 'stt.0',
    cause: heard.turnEndedId,
    attrs: {
      model: 'freya-stt-v1',
      method: stt.method,
      language,
      audioMs: Math.round((heard.samples.length / sampleRateHz) * 1000),
      uploadBytes: audio.byteLength,
      mimeType: 'audio/wav',
    },
  });
  return callProvider(scope, 'stt', 0, startId, async (call) => {
    const { text, requestId } = await ports.stt.transcribe({ audio, mimeType: 'audio/wav', language }, call);
    if (text === '') throw new StageError('stt', 'empty', 'Freya STT heard no words in the audio');
    const doneId = recorder.record({
      kind: 'stt.done',
      stage: 'stt',
      exchange: 'stt.0',
      cause: call.arrival().eventId(),
      attrs: { chars: text.length, ...(requestId === undefined ? {} : { requestId }) },
      content: { text },
    });
    return { text, doneId };
  });
}

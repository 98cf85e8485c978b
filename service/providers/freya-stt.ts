/** Speech to text: Freya on fal, `/audio/transcriptions`, through the openai client. */
import OpenAI from 'openai';
import { StageError } from '../errors.ts';
import type { Stt } from '../ports.ts';
import { asStageError } from './failure.ts';

export const FREYA_STT_APP = 'freya-mypsdi253hbk/freya-stt';
export const FREYA_STT_MODEL = 'freya-stt-v1';

export function createFreyaStt(config: { falRunUrl: string; falKey: string }): Stt {
  const client = new OpenAI({
    apiKey: 'unused',
    baseURL: `${config.falRunUrl}/${FREYA_STT_APP}`,
    defaultHeaders: { Authorization: `Key ${config.falKey}` },
    maxRetries: 0,
    fetch: notWithoutACall,
  });
  return {
    async transcribe(request, call) {
      try {
        const file = new File([new Uint8Array(request.audio)], 'audio.wav', { type: request.mimeType });
        const { data, response } = await client
          .withOptions({ fetch: call.fetch })
          .audio.transcriptions.create(
            {
              file,
              model: FREYA_STT_MODEL,
              language: request.language,
              response_format: 'json',
              ...(request.prompt === undefined ? {} : { prompt: request.prompt }),
            },
            { signal: call.signal },
          )
          .withResponse();
        if (typeof data !== 'object' || data === null || typeof data.text !== 'string') {
          throw new StageError('stt', 'malformed', 'Freya STT: the answer has no text field');
        }
        const requestId = response.headers.get('x-fal-request-id');
        return { text: data.text.trim(), ...(requestId === null ? {} : { requestId }) };
      } catch (error) {
        throw asStageError('stt', 'Freya STT /audio/transcriptions', error, call.signal);
      }
    },
  };
}

/** Every request must belong to a call, or it would be on no trace. */
export function notWithoutACall(): Promise<Response> {
  return Promise.reject(new Error('a provider client was used outside of a call'));
}

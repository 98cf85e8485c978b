/** Speech to text: Freya on fal, by `/audio/transcriptions` (openai client) or by storage and `/generate`. */
import type OpenAI from 'openai';
import { describeError, StageError, unreachable } from '../base/errors.ts';
import type { Call, Stt, SttRequest, SttResult } from '../base/ports.ts';
import { asStageError, successful } from './failure.ts';
import { uploadFile, type FalFilesConfig } from './fal-files.ts';
import { errorIn, readJson } from './json.ts';
import { textIn } from '../base/json.ts';
import { multipartOf } from './multipart.ts';
import { falAppClient, inCall } from './openai-call.ts';

export const FREYA_STT_APP = 'freya-mypsdi253hbk/freya-stt';
export const FREYA_STT_MODEL = 'freya-stt-v1';

interface Config extends FalFilesConfig {
  falRunUrl: string;
  /** Keys of all providers: none may stand in an error. */
  keys: readonly string[];
}

export function createFreyaStt(config: Config): Stt {
  const client = falAppClient(config, FREYA_STT_APP);
  return {
    model: FREYA_STT_MODEL,
    async transcribe(request, call) {
      const what = `Freya STT /${request.method === 'generate' ? 'generate' : 'audio/transcriptions'}`;
      try {
        switch (request.method) {
          case 'transcriptions':
            return await byTranscriptions(client, request, call);
          case 'generate':
            return await byGenerate(config, request, call);
          default:
            return unreachable(request.method, 'stt.method');
        }
      } catch (error) {
        throw asStageError('stt', what, error, call, { keys: config.keys, contents: 'unknown' });
      }
    },
  };
}

async function byTranscriptions(client: OpenAI, request: SttRequest, call: Call): Promise<SttResult> {
  const { audio, mimeType, language, prompt } = request;
  const { body, contentType } = multipartOf(
    { name: fileNameOf(request), mimeType, bytes: audio },
    { model: FREYA_STT_MODEL, language, response_format: 'json', prompt },
  );
  const { data, response } = await client
    .post('/audio/transcriptions', { body, headers: { 'content-type': contentType }, ...inCall(call) })
    .withResponse();
  return resultOf(data, response, '/audio/transcriptions');
}

async function byGenerate(config: Config, request: SttRequest, call: Call): Promise<SttResult> {
  const audioUrl = await uploadFile(config, call, 'stt', {
    name: fileNameOf(request),
    type: request.mimeType,
    bytes: request.audio,
  });
  const response = await successful(
    await call.fetch(`${config.falRunUrl}/${FREYA_STT_APP}/generate`, {
      method: 'POST',
      headers: { authorization: `Key ${config.falKey}`, 'content-type': 'application/json' },
      body: JSON.stringify({ audio_url: audioUrl, language: request.language, response_format: 'json' }),
      signal: call.signal,
    }),
  );
  return resultOf(await readJson(response, 'Freya STT /generate', 'stt'), response, '/generate');
}

function resultOf(data: unknown, response: Response, path: string): SttResult {
  const failed = errorIn(data);
  if (failed !== undefined) throw new StageError('stt', 'provider', `Freya STT ${path}: ${describeError(failed)}`);
  const text = textIn(data, 'text');
  if (text === undefined) throw new StageError('stt', 'malformed', `Freya STT ${path}: the answer has no text field`);
  const requestId = response.headers.get('x-fal-request-id')?.slice(0, 200);
  return { text: text.trim(), requestId };
}

/** The endpoint takes the format from the file's name. */
function fileNameOf({ mimeType }: SttRequest): string {
  return mimeType === 'audio/webm' ? 'audio.webm' : 'audio.wav';
}

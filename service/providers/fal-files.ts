/** fal's storage and CDN: files go up before a request and come down after it. The key goes to fal's own hosts only. */
import { StageError } from '../errors.ts';
import type { Call, Stage } from '../ports.ts';
import type { AudioHosts } from './audio-hosts.ts';
import { successful } from './failure.ts';
import { readJson, textIn } from './json.ts';

export interface FalFilesConfig {
  falRestUrl: string;
  falKey: string;
  audioHosts: AudioHosts;
}

/**
 * Uploads bytes to fal's storage and returns the file's URL: `initiate` with the key, then a bare PUT to where the
 * answer says, if that is an allowed host. Throws what `fetch` throws, `HttpStatusError` and `StageError`.
 */
export async function uploadFile(
  config: FalFilesConfig,
  call: Call,
  stage: Stage,
  file: { name: string; type: string; bytes: Uint8Array },
): Promise<string> {
  const initiated = await successful(
    await call.fetchFor('storage.initiate')(`${config.falRestUrl}/storage/upload/initiate?storage_type=fal-cdn-v3`, {
      method: 'POST',
      headers: { authorization: `Key ${config.falKey}`, 'content-type': 'application/json' },
      body: JSON.stringify({ content_type: file.type, file_name: file.name }),
      signal: call.signal,
    }),
  );
  const answer = await readJson(initiated, 'fal storage', stage);
  const uploadUrl = textIn(answer, 'upload_url');
  const fileUrl = textIn(answer, 'file_url');
  if (uploadUrl === undefined || fileUrl === undefined) {
    throw new StageError(stage, 'malformed', 'fal storage: the answer has no upload_url and file_url');
  }
  const stored = await successful(
    await call.fetchFor('storage.put')(await config.audioHosts.admit(uploadUrl, stage), {
      method: 'PUT',
      headers: { 'content-type': file.type },
      body: new Uint8Array(file.bytes),
      signal: call.signal,
    }),
  );
  await stored.arrayBuffer();
  return fileUrl;
}

/** Fetches a file that a provider named, if it lies on an allowed host; no key goes there. */
export async function downloadFile(config: FalFilesConfig, call: Call, stage: Stage, url: string): Promise<Response> {
  const admitted = await config.audioHosts.admit(url, stage);
  return successful(await call.fetchFor('cdn.get')(admitted, { headers: { accept: 'audio/*' }, signal: call.signal }));
}

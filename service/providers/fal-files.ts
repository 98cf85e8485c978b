/** fal's storage and CDN: uploads before a request, downloads after it. The key goes to fal's own hosts only. */
import { StageError } from '../base/errors.ts';
import type { Call } from '../base/ports.ts';
import type { Stage } from '../base/events.ts';
import type { AudioHosts } from './audio-hosts.ts';
import { successful } from './failure.ts';
import { readJson } from './json.ts';
import { textIn } from '../base/json.ts';

export interface FalFilesConfig {
  falRestUrl: string;
  falKey: string;
  audioHosts: AudioHosts;
}

/**
 * Uploads bytes to fal's storage and returns the file's URL: `initiate` with the key, then a PUT without it to the URL
 * of the answer, on an allowed host. Throws `HttpStatusError`, `StageError` and the errors of `fetch`.
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
  const { href, publicOnly } = config.audioHosts.admit(uploadUrl, stage);
  const stored = await successful(
    await call.fetchFor('storage.put', publicOnly)(href, {
      method: 'PUT',
      headers: { 'content-type': file.type },
      body: new Uint8Array(file.bytes),
      signal: call.signal,
    }),
  );
  await stored.arrayBuffer();
  return fileUrl;
}

/** A CDN redirects once or twice; more is a loop. */
const REDIRECTS_LIMIT = 3;

/**
 * Fetches a file that a provider named, without a key. Its host, and the host of each redirect, must be allowed. Throws
 * as `uploadFile` does.
 */
export async function downloadFile(config: FalFilesConfig, call: Call, stage: Stage, url: string): Promise<Response> {
  let admitted = config.audioHosts.admit(url, stage);
  for (let redirects = 0; redirects <= REDIRECTS_LIMIT; redirects++) {
    const fetch = call.fetchFor('cdn.get', admitted.publicOnly);
    const response = await fetch(admitted.href, { headers: { accept: 'audio/*' }, signal: call.signal });
    const location = response.headers.get('location');
    if (response.status < 300 || response.status >= 400 || location === null) return successful(response);
    await response.arrayBuffer();
    admitted = config.audioHosts.admit(URL.parse(location, admitted.href)?.href ?? location, stage);
  }
  throw new StageError(stage, 'rejected', `the file's host redirected more than ${REDIRECTS_LIMIT} times`);
}

/** The key that clients send, where the service has one (`RETAKE_API_KEY`). */
import { createHash, timingSafeEqual } from 'node:crypto';
import { ProblemError } from './problem.ts';

/** Throws `ProblemError` (401) unless no key is configured or the `authorization` header carries it. The scheme's case says nothing (RFC 9110). */
export function checkApiKey(authorization: string | undefined, apiKey: string | undefined): void {
  if (apiKey === undefined) return;
  // digests have one length, which the comparison needs, and tell nothing of the key's
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
  const sent = /^bearer +(.*)$/i.exec(authorization ?? '')?.[1] ?? '';
  if (timingSafeEqual(digest(sent), digest(apiKey))) return;
  const detail = 'the key is missing or wrong; send the key of RETAKE_API_KEY as "Authorization: Bearer …"';
  throw new ProblemError({ status: 401, title: 'Unauthorized', detail, headers: { 'www-authenticate': 'Bearer' } });
}

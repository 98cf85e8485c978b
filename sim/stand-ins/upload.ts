/** The file of a multipart upload. */
import type { Received } from './exchange.ts';

/**
 * The file named `name` in a `multipart/form-data` body (RFC 7578), not copied; undefined where there is none. By hand:
 * `Request.formData()` and the file's `arrayBuffer()` took a thirtieth of a simulated turn.
 */
export function uploadedFile({ headers, body: bytes }: Received, name: string): Uint8Array | undefined {
  const type = headers.get('content-type') ?? '';
  const boundary = /^multipart\/form-data;.*\bboundary="?([^";]+)/i.exec(type)?.[1];
  if (boundary === undefined || bytes === undefined) return undefined;
  const body = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const delimiter = `\r\n--${boundary}`;
  for (let at = body.indexOf(delimiter.slice(2)); at >= 0;) {
    const headEnd = body.indexOf('\r\n\r\n', at);
    const end = headEnd < 0 ? -1 : body.indexOf(delimiter, headEnd + 2);
    if (end < 0) return undefined;
    const disposition = /^content-disposition:\s*form-data;(.*)$/im.exec(body.toString('utf8', at, headEnd))?.[1] ?? '';
    const parameter = (key: string): string | undefined =>
      new RegExp(`\\b${key}="([^"]*)"`, 'i').exec(disposition)?.[1];
    if (parameter('filename') !== undefined && parameter('name') === name) return bytes.subarray(headEnd + 4, end);
    at = end + 2;
  }
  return undefined;
}

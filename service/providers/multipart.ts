/** A `multipart/form-data` body (RFC 7578) as bytes, built at once. */
import { unpredictableHex } from '../base/random.ts';

export interface FormFile {
  /** ASCII, without quotes. */
  name: string;
  mimeType: string;
  bytes: Uint8Array;
}

/**
 * One file and text fields; undefined fields are left out. By hand, since `FormData` keeps a file in a `Blob`, and
 * reading a `Blob` takes several rounds of the event loop. On a busy service a turn waits in each round for all the others.
 * Nobody can guess the boundary, so no audio holds it on purpose.
 */
export function multipartOf(
  file: FormFile,
  fields: Readonly<Record<string, string | undefined>>,
): { body: Uint8Array; contentType: string } {
  const boundary = `----retake-${unpredictableHex(21)}`;
  const head = (name: string, more = ''): string =>
    `--${boundary}\r\nContent-Disposition: form-data; name="${name}"${more}\r\n`;
  const before = `${head('file', `; filename="${file.name}"`)}Content-Type: ${file.mimeType}\r\n\r\n`;
  const texts = Object.entries(fields).map(([name, value]) =>
    value === undefined ? '' : `${head(name)}\r\n${value}\r\n`,
  );
  const after = `\r\n${texts.join('')}--${boundary}--\r\n`;
  return {
    body: Buffer.concat([Buffer.from(before), file.bytes, Buffer.from(after)]),
    contentType: `multipart/form-data; boundary=${boundary}`,
  };
}

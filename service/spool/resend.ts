/**
 * Sends again what the spool still holds, for traces that an endpoint took and then lost, such as a Collector that was killed. Span
 * ids are stable: a span that arrives twice shows once.
 */
import { InputError } from '../base/errors.ts';
import { linesOwn } from '../base/file-lines.ts';
import type { OtlpClient } from './otlp-client.ts';
import { spoolsBeside } from './claim.ts';
import { isErased, segmentsIn } from './files.ts';

export interface Resent {
  turns: number;
  bytes: number;
  rejectedSpans: number;
  /** Turns that the endpoint will never take. */
  refused: number;
}

/**
 * Sends every turn that ended at or after `sinceUs` (µs since 1970), oldest first in each spool. The spools stay as they are, and
 * services may write to them meanwhile. Throws `InputError` when the endpoint fails; sending again is harmless.
 */
export async function resendSpool(options: {
  /** The data folder's first spool; those beside it are read too. */
  dir: string;
  sinceUs: number;
  client: OtlpClient;
  signal: AbortSignal;
  onProgress?: (resent: Resent) => void;
}): Promise<Resent> {
  const { dir, sinceUs, client, signal } = options;
  const spools = spoolsBeside(dir);
  if (spools.length === 0)
    throw new InputError(`${dir}: there is no spool; name the service's data folder with --data`);
  const resent: Resent = { turns: 0, bytes: 0, rejectedSpans: 0, refused: 0 };
  for (const { path } of spools.flatMap(segmentsIn)) {
    for await (const { bytes: body, torn } of linesOwn(path)) {
      if (torn || isErased(body) || endUsOf(body) < sinceUs) continue;
      const outcome = await client.send(body, signal);
      if (outcome.kind === 'failed') {
        throw new InputError(
          `${client.url}: ${outcome.why}; ${resent.turns} turns were sent; run the same command again`,
        );
      }
      if (outcome.kind === 'refused') resent.refused++;
      else {
        resent.turns++;
        resent.bytes += body.length;
        resent.rejectedSpans += outcome.rejectedSpans;
      }
      options.onProgress?.(resent);
    }
  }
  return resent;
}

/** The latest end of a line's spans in epoch µs; 0 when it names none. */
function endUsOf(line: Buffer): number {
  let latest = 0;
  for (const [, nanoseconds = '0'] of line.toString('utf8').matchAll(/"endTimeUnixNano":"?(\d+)"?/g)) {
    latest = Math.max(latest, Number(BigInt(nanoseconds) / 1000n));
  }
  return latest;
}

/**
 * Sends the lines that ended processes left unsent in their spools. A service that stops while its endpoint is down leaves lines behind.
 * The next service on the data folder takes them over, or one that runs beside it.
 */
import { rmSync, statSync } from 'node:fs';
import { describeError } from '../base/errors.ts';
import { linesOwn } from '../base/file-lines.ts';
import type { Clock } from '../base/ports.ts';
import { holdsUnsent, spoolsBeside } from './claim.ts';
import { isErased, readSent, segmentsIn, sentPathIn, writeSent } from './files.ts';
import { lockFolder, type Holder } from './lock.ts';
import type { OtlpClient, Outcome } from './otlp-client.ts';

export interface OrphanSender {
  /** The data folder's first spool. */
  first: string;
  /** The spool of this process: it has a sender of its own. */
  own: string;
  holder: Holder;
  clock: Clock;
  client: OtlpClient;
  keepSentBytes: number;
  /** Between two looks at the other spools. */
  everyMs: number;
  closing: AbortSignal;
  /** A line left its spool; a torn or an erased one as `dropped`. */
  onLeft: (outcome: Outcome | { kind: 'dropped' }) => void;
  onFailed: () => void;
  log: (message: string) => void;
}

/** Looks after the other spools until `closing`, then gives up at once: what is left waits for the next process. */
export async function sendOrphans(sender: OrphanSender): Promise<void> {
  const { first, own, clock, everyMs, closing, log } = sender;
  let said = '';
  while (!closing.aborted) {
    for (const dir of spoolsBeside(first)) {
      if (dir === own || closing.aborted) continue;
      try {
        if (holdsUnsent(dir)) await takeOver(dir, sender);
      } catch (error) {
        const why = `spool ${dir} cannot be taken over: ${describeError(error)}`;
        if (why !== said) log((said = why));
      }
    }
    await clock.sleep(everyMs, closing).catch(() => undefined);
  }
}

/** Sends a spool that nobody owns, line by line, and owns it meanwhile. Stops where the endpoint fails; the next look resumes there. */
async function takeOver(dir: string, sender: OrphanSender): Promise<void> {
  const { holder, client, closing, keepSentBytes } = sender;
  const lock = lockFolder(dir, holder);
  if (lock === undefined) return;
  let turns = 0;
  try {
    const sentPath = sentPathIn(dir);
    const segments = segmentsIn(dir);
    let sent = readSent(sentPath);
    for (const { number, path } of segments) {
      if (number < sent.segment) continue;
      for await (const line of linesOwn(path, { fromBytes: number === sent.segment ? sent.bytes : 0 })) {
        const outcome: Outcome | { kind: 'dropped' } =
          line.torn || isErased(line.bytes) ? { kind: 'dropped' } : await client.send(line.bytes, closing);
        if (outcome.kind === 'failed') {
          sender.onFailed();
          return;
        }
        writeSent(sentPath, (sent = { segment: number, bytes: line.endBytes }));
        sender.onLeft(outcome);
        if (outcome.kind === 'sent') turns++;
      }
    }
    trimTo(keepSentBytes, segments);
  } finally {
    lock.release();
    if (turns > 0) sender.log(`spool ${dir}: sent ${turns} turns that a process which has ended left there`);
  }
}

/** Removes the oldest segments, all of which were sent. */
function trimTo(keepSentBytes: number, segments: readonly { path: string }[]): void {
  const sized = segments.map(({ path }) => ({ path, bytes: statSync(path, { throwIfNoEntry: false })?.size ?? 0 }));
  let keptBytes = sized.reduce((sum, { bytes }) => sum + bytes, 0);
  for (const { path, bytes } of sized) {
    if (keptBytes <= keepSentBytes) return;
    keptBytes -= bytes;
    rmSync(path, { force: true });
  }
}

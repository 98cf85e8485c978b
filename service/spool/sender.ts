/** Empties a process's own spool towards its endpoint, one line at a time. */
import { describeError } from '../base/errors.ts';
import type { Clock } from '../base/ports.ts';
import { isErased } from './files.ts';
import type { OtlpClient, Outcome } from './otlp-client.ts';
import type { Segments, SpoolLine } from './segments.ts';

export interface Sender {
  client: OtlpClient;
  /** The spool's folder, for messages. */
  dir: string;
  clock: Clock;
  retryFirstMs?: number;
  retryMaxMs?: number;
  segments: Segments;
  closing: AbortSignal;
  isDraining: () => boolean;
  sleepUntilWoken: () => Promise<void>;
  onSent: (rejectedSpans: number) => void;
  onRefused: () => void;
  onFailed: () => void;
  log: (message: string) => void;
}

/** Sends line after line until it is shut down; while draining, until the spool is empty or the endpoint fails. */
export async function startSender(sender: Sender): Promise<void> {
  const { dir, clock, segments, closing, client, retryFirstMs: firstMs = 500, retryMaxMs = 30_000 } = sender;
  const { url } = client;
  let retryMs = firstMs;
  try {
    while (!closing.aborted) {
      const line = segments.oldest();
      if (line === undefined) {
        if (sender.isDraining()) return;
        await sender.sleepUntilWoken();
        continue;
      }
      const outcome = await sendLine(sender, line);
      if (outcome.kind === 'failed') {
        sender.onFailed();
        if (sender.isDraining()) return;
        if (retryMs === firstMs) sender.log(`${url}: ${outcome.why}; spans wait in ${dir}`);
        await pause(clock, retryMs, closing, sender);
        retryMs = Math.min(retryMs * 2, retryMaxMs);
        continue;
      }
      retryMs = firstMs;
      if (outcome.kind === 'refused') sender.log(`${url}: ${outcome.why}; one turn's spans dropped`);
      else if (outcome.kind === 'sent' && outcome.rejectedSpans > 0)
        sender.log(`${url} left out ${outcome.rejectedSpans} spans: ${outcome.why ?? ''}`);
      if (!leave(sender, line)) continue;
      if (outcome.kind === 'sent') sender.onSent(outcome.rejectedSpans);
      else sender.onRefused();
    }
  } catch (error) {
    sender.log(`the spool's sender stopped: ${describeError(error)}`);
  }
}

/** Notes that the line was sent. Where the disk refuses the note, the line is sent again after a restart. */
function leave(sender: Sender, line: SpoolLine): boolean {
  try {
    return sender.segments.markSent(line);
  } catch (error) {
    sender.log(`spool ${sender.dir} cannot note what was sent: ${describeError(error)}`);
    return true;
  }
}

/** A backoff, which shutting down ends at once. */
async function pause(clock: Clock, ms: number, closing: AbortSignal, sender: Sender): Promise<void> {
  const done = new AbortController();
  const woken = async (): Promise<void> => {
    while (!sender.isDraining() && !done.signal.aborted) await sender.sleepUntilWoken();
  };
  const signal = AbortSignal.any([closing, done.signal]);
  await Promise.race([clock.sleep(ms, signal).catch(() => undefined), woken()]);
  done.abort();
}

async function sendLine(sender: Sender, line: SpoolLine): Promise<Outcome | { kind: 'erased' }> {
  const body = await sender.segments.read(line);
  if (body === undefined) return { kind: 'refused', why: 'a line on disk cannot be read' };
  return isErased(body) ? { kind: 'erased' } : sender.client.send(body, sender.closing);
}

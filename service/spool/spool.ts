/**
 * The only way out for spans: a spool on disk, and a sender that empties it towards an OTLP endpoint.
 *
 * `append` writes to disk and returns, whether the endpoint is up, slow or refusing. A line leaves the spool when the endpoint
 * has answered 2xx, so that every line arrives at least once, also after a restart. Span ids are stable: twice is harmless. Why
 * not OpenTelemetry's exporter: docs/adr/0004-spool-sender.md.
 */
import { describeError, diskReason, InputError } from '../base/errors.ts';
import type { Clock } from '../base/ports.ts';
import { createOtlpClient, type OtlpClient, type Outcome } from './otlp-client.ts';
import { openSegments, type Segments, type SpoolLine } from './segments.ts';
import { eraseInPlace, isErased } from './files.ts';

export interface SpoolCounters {
  /** Lines handed to `append`, plus those that an earlier process left. */
  appended: number;
  sent: number;
  /** On disk, waiting. */
  pending: number;
  /** Left the disk unsent: no room, refused for good, or torn. `appended = sent + pending + dropped`. */
  dropped: number;
  /** Spans that an endpoint left out (OTLP partial success): OTLP forbids to send them again. */
  rejectedSpans: number;
  /** Attempts that failed; they are made again. */
  failures: number;
  /** On disk now, sent lines that are kept for `retake spool resend` included. */
  diskBytes: number;
}

export interface SpoolOptions {
  /** Folder of the segments, owned by one process at a time. */
  dir: string;
  clock: Clock;
  /** `OTEL_EXPORTER_OTLP_ENDPOINT`: a base URL, `/v1/traces` is added. Absent: lines stay until there is no room. */
  endpoint?: string;
  /** `OTEL_EXPORTER_OTLP_HEADERS`: sent along, for instance an API key of the endpoint. Never logged. */
  headers?: Readonly<Record<string, string>>;
  maxBytes: number;
  /** How much of what was sent stays on disk for `retake spool resend`; nothing by default. */
  keepSentBytes?: number;
  log?: (message: string) => void;
  requestTimeoutMs?: number;
  retryFirstMs?: number;
  retryMaxMs?: number;
}

export interface Spool {
  /** Writes one line (its newline included) to disk. Never throws, never waits for the network. */
  append(line: string): void;
  counters(): SpoolCounters;
  /** Erases every line that holds `text`, such as a session's id, sent or not. An unsent one counts as dropped when its turn comes. */
  erase(text: string): Promise<void>;
  /** Sends for at most a second, then stops, within 2 s in all. The rest stays on disk. */
  shutdown(): Promise<void>;
}

const DRAIN_MS = 1000;
const GIVE_UP_MS = 500;

/** Opens a spool and, with an endpoint, starts its sender. Throws `InputError` when the folder cannot be used. */
export function createSpool(options: SpoolOptions): Spool {
  const { clock, log = () => undefined } = options;
  const segments = segmentsOf(options);
  const closing = new AbortController();
  const counts = {
    appended: segments.recovered + segments.torn,
    sent: 0,
    dropped: segments.torn,
    rejectedSpans: 0,
    failures: 0,
  };
  if (segments.torn > 0) log(`spool ${options.dir}: ${segments.torn} torn lines skipped`);
  let draining = false;
  let closed = false;
  let wake = (): void => undefined;

  const sender =
    options.endpoint === undefined
      ? undefined
      : startSender({
          client: createOtlpClient({ ...options, endpoint: options.endpoint }),
          options,
          segments,
          closing: closing.signal,
          isDraining: () => draining,
          sleepUntilWoken: () => new Promise((resolve) => (wake = resolve)),
          onSent: (rejectedSpans) => {
            counts.sent++;
            counts.rejectedSpans += rejectedSpans;
          },
          onRefused: () => counts.dropped++,
          onFailed: () => counts.failures++,
          log,
        });

  return {
    append(line) {
      counts.appended++;
      if (closed) {
        counts.dropped++;
        return;
      }
      try {
        const lost = segments.append(Buffer.from(line, 'utf8'));
        counts.dropped += lost;
        if (lost > 0) log(`the spool ${options.dir} is full: ${lost} unsent turns were dropped`);
      } catch (error) {
        counts.dropped++;
        log(`spool ${options.dir} cannot be written: ${describeError(error)}`);
      }
      wake();
    },
    counters: () => ({ ...counts, pending: segments.pending(), diskBytes: segments.bytes() }),
    erase: async (text) => void (await eraseInPlace(options.dir, text)),
    async shutdown() {
      if (draining) return;
      draining = true;
      wake();
      if (sender !== undefined) {
        await within(clock, DRAIN_MS, sender);
        closing.abort(new Error('the spool is shut down'));
        wake();
        await within(clock, GIVE_UP_MS, sender);
      }
      closed = true;
      segments.close();
    },
  };
}

function segmentsOf({ dir, maxBytes, keepSentBytes }: SpoolOptions): Segments {
  try {
    return openSegments(dir, maxBytes, keepSentBytes);
  } catch (error) {
    throw new InputError(
      `the spool cannot use ${dir} (${diskReason(error)}); set RETAKE_DATA to a folder that this user may write`,
    );
  }
}

interface Sender {
  client: OtlpClient;
  options: SpoolOptions;
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
async function startSender(sender: Sender): Promise<void> {
  const { options, segments, closing, client } = sender;
  const { url } = client;
  const firstMs = options.retryFirstMs ?? 500;
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
        if (retryMs === firstMs) sender.log(`${url}: ${outcome.why}; spans wait in ${options.dir}`);
        await pause(options.clock, retryMs, closing, sender);
        retryMs = Math.min(retryMs * 2, options.retryMaxMs ?? 30_000);
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
  } finally {
    await client.close();
  }
}

/** Notes that the line was sent. Where the disk refuses the note, the line is sent again after a restart. */
function leave(sender: Sender, line: SpoolLine): boolean {
  try {
    return sender.segments.markSent(line);
  } catch (error) {
    sender.log(`spool ${sender.options.dir} cannot note what was sent: ${describeError(error)}`);
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

/** Waits for `work`, at most `ms`; leaves no sleeper behind. */
async function within(clock: Clock, ms: number, work: Promise<void>): Promise<void> {
  const done = new AbortController();
  await Promise.race([clock.sleep(ms, done.signal).catch(() => undefined), work]);
  done.abort();
}

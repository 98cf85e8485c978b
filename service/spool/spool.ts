/**
 * The only way out for spans: a spool on disk, and a sender that empties it towards an OTLP endpoint.
 *
 * `append` writes to disk and returns, whether the endpoint is up, slow or refusing. A line leaves the spool when the endpoint
 * has answered 2xx, so that every line arrives at least once, also after a restart. Span ids are stable: twice is harmless. Why
 * not OpenTelemetry's exporter: docs/adr/0004-spool-sender.md.
 */
import { describeError, diskReason, InputError } from '../base/errors.ts';
import type { Clock } from '../base/ports.ts';
import { claimSpool, holderHere, spoolsBeside } from './claim.ts';
import { eraseInPlace } from './files.ts';
import type { FolderLock, Holder } from './lock.ts';
import { sendOrphans } from './orphans.ts';
import { createOtlpClient } from './otlp-client.ts';
import { openSegments, type Segments } from './segments.ts';
import { startSender } from './sender.ts';

export interface SpoolCounters {
  /** Lines handed to `append`, plus those that earlier processes left. */
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
  /** The data folder's first spool. While another process owns it, this one takes a spool beside it. */
  dir: string;
  /** Where the service answers, for those who find its spool taken. */
  url?: string;
  clock: Clock;
  /** `OTEL_EXPORTER_OTLP_ENDPOINT`: a base URL, `/v1/traces` is added. Absent: lines stay until there is no room. */
  endpoint?: string;
  /** `OTEL_EXPORTER_OTLP_HEADERS`: sent along, for instance an API key of the endpoint. Never logged. */
  headers?: Readonly<Record<string, string>>;
  maxBytes: number;
  /** Bytes of sent lines that stay on disk for `retake spool resend`; none by default. */
  keepSentBytes?: number;
  log?: (message: string) => void;
  requestTimeoutMs?: number;
  retryFirstMs?: number;
  retryMaxMs?: number;
  /** Between two looks for lines that ended processes left in spools beside this one. */
  orphansEveryMs?: number;
}

export interface Spool {
  /** The folder that this process owns. */
  readonly dir: string;
  /** Writes one line (its newline included) to disk. Never throws, never waits for the network. */
  append(line: string): void;
  counters(): SpoolCounters;
  /**
   * Erases every line that holds `text`, such as a session's id, sent or not, in this spool and in those beside it. An unsent one counts
   * as dropped when its turn comes. Returns the number of lines.
   */
  erase(text: string): Promise<number>;
  /** Sends for at most a second, then stops, within 2 s in all. The rest stays on disk. */
  shutdown(): Promise<void>;
}

const DRAIN_MS = 1000;
const GIVE_UP_MS = 500;
const ORPHANS_EVERY_MS = 30_000;
/** More than a process needs to finish a line, which it writes by one call. */
const APPEND_MS = 200;

/**
 * Owns a spool and, with an endpoint, starts its sender, which also takes over what processes that have ended left. Throws
 * `InputError` when no spool can be had.
 */
export function createSpool(options: SpoolOptions): Spool {
  const { dir: first, clock, log = () => undefined } = options;
  const holder = holderHere(clock, options.url);
  const { dir, lock, segments } = ownSegments(options, holder);
  const closing = new AbortController();
  /** Aborted first: what other processes left can wait for the next one. */
  const stopping = new AbortController();
  const counts = {
    appended: segments.recovered + segments.torn,
    sent: 0,
    dropped: segments.torn,
    rejectedSpans: 0,
    failures: 0,
  };
  if (dir !== first) log(`another process owns ${first}; this one spools to ${dir}`);
  if (segments.torn > 0) log(`spool ${dir}: ${segments.torn} torn lines skipped`);
  let draining = false;
  let closed = false;
  let wake = (): void => undefined;

  const onSent = (rejectedSpans: number): void => {
    counts.sent++;
    counts.rejectedSpans += rejectedSpans;
  };
  const startSending = (endpoint: string): Promise<void> => {
    const client = createOtlpClient({ ...options, endpoint });
    const onFailed = (): void => void counts.failures++;
    const sending = startSender({
      ...options,
      client,
      dir,
      segments,
      closing: closing.signal,
      isDraining: () => draining,
      sleepUntilWoken: () => new Promise((resolve) => (wake = resolve)),
      onSent,
      onRefused: () => counts.dropped++,
      onFailed,
      log,
    });
    const orphans = sendOrphans({
      first,
      own: dir,
      holder,
      clock,
      client,
      keepSentBytes: options.keepSentBytes ?? 0,
      everyMs: options.orphansEveryMs ?? ORPHANS_EVERY_MS,
      closing: AbortSignal.any([closing.signal, stopping.signal]),
      onLeft(outcome) {
        counts.appended++;
        if (outcome.kind === 'sent') onSent(outcome.rejectedSpans);
        else counts.dropped++;
      },
      onFailed,
      log,
    });
    return Promise.all([sending, orphans]).then(() => client.close());
  };
  const sender = options.endpoint === undefined ? undefined : startSending(options.endpoint);

  return {
    dir,
    append(line) {
      counts.appended++;
      if (closed) {
        counts.dropped++;
        return;
      }
      try {
        const lost = segments.append(Buffer.from(line, 'utf8'));
        counts.dropped += lost;
        if (lost > 0) log(`the spool ${dir} is full: ${lost} unsent turns were dropped`);
      } catch (error) {
        counts.dropped++;
        log(`spool ${dir} cannot be written: ${describeError(error)}`);
      }
      wake();
    },
    counters: () => ({ ...counts, pending: segments.pending(), diskBytes: segments.bytes() }),
    async erase(text) {
      let erased = await eraseInPlace(dir, text);
      const settled = (): Promise<void> => clock.sleep(APPEND_MS, closing.signal);
      for (const other of spoolsBeside(first)) if (other !== dir) erased += await eraseInPlace(other, text, settled);
      return erased;
    },
    async shutdown() {
      if (draining) return;
      draining = true;
      stopping.abort(new Error('the spool is shut down'));
      wake();
      if (sender !== undefined) {
        await within(clock, DRAIN_MS, sender);
        closing.abort(new Error('the spool is shut down'));
        wake();
        await within(clock, GIVE_UP_MS, sender);
      }
      closed = true;
      segments.close();
      lock.release();
    },
  };
}

function ownSegments(
  { dir: first, maxBytes, keepSentBytes }: SpoolOptions,
  holder: Holder,
): { dir: string; lock: FolderLock; segments: Segments } {
  let claimed: { dir: string; lock: FolderLock } | undefined;
  try {
    claimed = claimSpool(first, holder);
    return { ...claimed, segments: openSegments(claimed.dir, maxBytes, keepSentBytes) };
  } catch (error) {
    claimed?.lock.release();
    if (error instanceof InputError) throw error;
    throw new InputError(
      `the spool cannot use ${claimed?.dir ?? first} (${diskReason(error)}); set RETAKE_DATA to a folder that this user may write`,
    );
  }
}

/** Waits for `work`, at most `ms`; leaves no sleeper behind. */
async function within(clock: Clock, ms: number, work: Promise<void>): Promise<void> {
  const done = new AbortController();
  await Promise.race([clock.sleep(ms, done.signal).catch(() => undefined), work]);
  done.abort();
}

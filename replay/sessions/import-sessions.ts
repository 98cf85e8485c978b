/**
 * Another pipeline's recordings as capture bundles: WAV files, and the times and texts that the pipeline wrote down. No exchange,
 * cause or ledger is made up. So figures that need them are absent in the captured lane, and a replay takes those times from a
 * profile.
 */
import { realpathSync } from 'node:fs';
import { join, resolve, sep } from 'node:path';
import { AudioFormatError, parseWav, samplesToPcmBytes, type Wav } from '../../service/audio/pcm.ts';
import { createBundleWriter } from '../../service/capture/bundle-writer.ts';
import { EXPORTER, FORMAT } from '../../service/capture/format.ts';
import type { CaptureStore } from '../../service/capture/store.ts';
import { InputError } from '../../service/base/errors.ts';
import { cannotRead, readInput, readInputJson } from '../../service/base/input-file.ts';
import { measureTurn } from '../../service/turn-log/metrics.ts';
import type { Clock } from '../../service/base/ports.ts';
import type { TurnEvent, TurnIdentity, TurnLog } from '../../service/base/events.ts';
import { keyedHex } from '../../service/base/random.ts';
import { createSpeechEndDetector, REFERENCE_DETECTOR } from '../../service/audio/speech-end.ts';
import { resolveStrategy } from '../../service/strategy/patch.ts';
import { strategyHash, type Strategy } from '../../service/strategy/strategy.ts';
import { otlpLineOf } from '../../service/telemetry/otel.ts';
import { parseImport, type ImportedSession, type ImportedTurn } from './import-format.ts';

const FRAME_MS = 20;
/** Silence after a recording, as from an open microphone: a replay's own detector needs it to decide. */
const TAIL_MS = 3000;
/** Between turns of which `sessions.json` holds no start. */
const PAUSE_MS = 2000;

export interface Imported {
  sessionId: string;
  turns: number;
}

/** Writes one bundle a session. Throws `InputError` that names file and field before it writes anything of the session. */
export async function importSessions(folder: string, store: CaptureStore, clock: Clock): Promise<Imported[]> {
  const path = join(folder, 'sessions.json');
  const json = readInputJson(path, 'sessions', { next: 'docs/capture-format.md#import says what it holds' });
  const known = new Set(await store.list());
  const imported: Imported[] = [];
  for (const session of parseImport(json, path)) {
    if (known.has(session.sessionId))
      throw new InputError(
        `${path}: session ${session.sessionId} is captured already; erase it with "retake sessions rm"`,
      );
    known.add(session.sessionId);
    const turns = session.turns.map((turn) => ({ turn, wav: readWav(folder, turn.audio) }));
    imported.push(await importSession(session, turns, { store, clock, where: path }));
  }
  return imported;
}

function readWav(folder: string, name: string): Wav {
  const path = pathBelow(folder, name);
  const bytes = readInput(path, 'recording');
  try {
    return parseWav(bytes);
  } catch (error) {
    throw error instanceof AudioFormatError ? new InputError(`${path}: ${error.message}`) : error;
  }
}

/** Where a file lies that `sessions.json` names: below the folder, also once links are followed. Throws `InputError`. */
function pathBelow(folder: string, name: string): string {
  const path = resolve(folder, name);
  const isBelow = (root: string, place: string): boolean => place.startsWith(`${root}${sep}`);
  try {
    // links are followed only for a name that stays below by itself: of other files nothing is said
    if (isBelow(resolve(folder), path) && isBelow(realpathSync(folder), realpathSync(path))) return path;
  } catch (error) {
    throw cannotRead(path, error);
  }
  throw new InputError(`${name}: audio must lie below the imported folder; copy the file there`);
}

async function importSession(
  session: ImportedSession,
  turns: readonly { turn: ImportedTurn; wav: Wav }[],
  { store, clock, where }: { store: CaptureStore; clock: Clock; where: string },
): Promise<Imported> {
  const { sessionId, language, systemPrompt, history = [] } = session;
  const strategy = resolveStrategy([session.strategy ?? {}], `${where}, session ${sessionId}`);
  const startedEpochUs = session.startedAt === undefined ? clock.epochUs() : Date.parse(session.startedAt) * 1000;
  if (!Number.isSafeInteger(startedEpochUs))
    throw new InputError(`${where}, session ${sessionId}: startedAt is not a time such as 2026-11-25T12:00:00Z`);
  let nextMs = 0;
  const logs = turns.map(({ turn, wav }, turnIndex): TurnLog => {
    const startedMs = turn.startedMs ?? nextMs;
    nextMs = startedMs + (wav.samples.length / wav.sampleRateHz) * 1000 + PAUSE_MS;
    return {
      identity: importedIdentity(sessionId, turnIndex, strategy),
      zero: 'audio',
      anchorUs: startedEpochUs + Math.round(startedMs * 1000),
      events: eventsOf(turn, wav, `${where}, session ${sessionId}, turn ${turnIndex}`),
    };
  });
  const writer = createBundleWriter(store, {
    format: FORMAT,
    exporter: `${EXPORTER} import`,
    level: 'full',
    sessionId,
    startedEpochUs,
    world: 'live',
    commit: 'unknown',
    language,
    systemPrompt,
    systemPromptChars: systemPrompt.length,
    history: [...history],
    historyChars: history.map(({ content }) => content.length),
    strategy: { ...strategy },
    endpoints: {},
    referenceDetector: {
      name: REFERENCE_DETECTOR.name,
      version: REFERENCE_DETECTOR.version,
      thresholdDbfs: REFERENCE_DETECTOR.thresholdDbfs,
    },
  });
  for (const log of logs) {
    const sink = writer.opened(log.identity, log.zero, log.anchorUs);
    for (const event of log.events) sink(event);
    writer.closed(log, otlpLineOf(log, measureTurn(log)));
  }
  await writer.flushed();
  return { sessionId, turns: logs.length };
}

function importedIdentity(sessionId: string, turnIndex: number, strategy: Strategy): TurnIdentity {
  return {
    sessionId,
    turnIndex,
    traceId: keyedHex(32, 'import', sessionId, turnIndex),
    runId: 'import',
    world: 'live',
    lane: 'captured',
    variant: 'captured',
    arm: 'import',
    strategyHash: strategyHash(strategy),
  };
}

/** Events from the recording and the notes, in order of time. Only those of speech have causes: others are not known. */
function eventsOf(turn: ImportedTurn, wav: Wav, where: string): TurnEvent[] {
  const frame = Math.round((wav.sampleRateHz * FRAME_MS) / 1000);
  const spoken = Math.ceil(wav.samples.length / frame);
  const samples = new Int16Array((spoken + TAIL_MS / FRAME_MS) * frame);
  samples.set(wav.samples);
  const frameAtUs = Array.from({ length: samples.length / frame }, (_, index) => (index + 1) * FRAME_MS * 1000);
  const detector = createSpeechEndDetector(wav.sampleRateHz);
  detector.push(samples);
  const { endSample } = detector.result();
  if (endSample === undefined) throw new InputError(`${where}: nobody speaks in ${turn.audio}; leave the turn out`);
  const speechEndUs = frameAtUs[Math.floor(endSample / frame)] ?? 0;
  const events: TurnEvent[] = [];
  const record = (event: Omit<TurnEvent, 'id'>): number => {
    events.push({ ...event, id: events.length });
    return events.length - 1;
  };
  const told = (atMs: number | undefined, event: Omit<TurnEvent, 'id' | 'atUs'>): void => {
    if (atMs !== undefined) record({ ...event, atUs: Math.round(atMs * 1000) });
  };
  const start = record({ kind: 'speech.start', stage: 'endpointing', atUs: frameAtUs[0] ?? 0 });
  const { name, version, thresholdDbfs } = REFERENCE_DETECTOR;
  const attrs = { detector: `${name}@${version}`, thresholdDbfs, sample: endSample };
  record({ kind: 'speech.end', stage: 'endpointing', atUs: speechEndUs, attrs });
  told(turn.turnEndedMs, { kind: 'turn.ended', stage: 'endpointing' });
  if (turn.transcript !== undefined) {
    const content = { text: turn.transcript };
    const chars = { chars: turn.transcript.length };
    record({ kind: 'stt.done', stage: 'stt', atUs: usOf(turn.transcriptMs, speechEndUs), attrs: chars, content });
  }
  told(turn.firstTokenMs, { kind: 'llm.content', stage: 'llm', attrs: { index: 0 } });
  if (turn.reply !== undefined) {
    const content = { text: turn.reply };
    const atUs = usOf(turn.replyTextMs ?? turn.firstTokenMs ?? turn.transcriptMs, speechEndUs);
    record({ kind: 'llm.done', stage: 'llm', atUs, attrs: { chars: turn.reply.length }, content });
  }
  told(turn.firstAudioByteMs, { kind: 'deliver.first_byte', stage: 'deliver' });
  told(turn.replyEndMs, { kind: 'deliver.reply_end', stage: 'deliver' });
  record({
    kind: 'speech.audio',
    stage: 'endpointing',
    cause: start,
    atUs: frameAtUs.at(-1) ?? 0,
    attrs: {
      sampleRateHz: wav.sampleRateHz,
      frameAtUs,
      frameSamples: frameAtUs.map(() => frame),
      ...detector.probabilities(),
    },
    content: { audio: samplesToPcmBytes(samples), sampleRateHz: wav.sampleRateHz },
  });
  return events;
}

/** A text needs an event. Without a noted time the event stands at the end of speech, and no figure is made of it. */
function usOf(atMs: number | undefined, otherwiseUs: number): number {
  return atMs === undefined ? otherwiseUs : Math.round(atMs * 1000);
}

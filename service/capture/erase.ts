/** Erasing a session wholly: its capture, its lines in the trace spool, and the speech that it put into the cache. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { openDiskCache, SPEECH_CACHE_FOLDER, type SpeechCache } from '../calls/speech-cache.ts';
import { checkSessionId, createFolderStore, type CaptureStore } from './store.ts';
import type { Clock } from '../base/ports.ts';
import { ATTRIBUTES } from '../telemetry/names.ts';
import { eraseInPlace } from '../spool/files.ts';

/** Below a data folder. */
export const CAPTURES_FOLDER = 'captures';
export const SPOOL_FOLDER = 'spool';
/** A running service has long written the rest of a line by then: it writes a line by one call. */
const APPEND_MS = 200;

export interface SessionPlaces {
  captures: Pick<CaptureStore, 'erase'>;
  /** Takes away every line that holds the text. */
  spool: { erase(text: string): Promise<unknown> };
  speech: Pick<SpeechCache, 'erase'>;
}

/** True when the session had been captured. Throws `InputError` for an id that names no session. */
export async function eraseSession({ captures, spool, speech }: SessionPlaces, sessionId: string): Promise<boolean> {
  checkSessionId(sessionId);
  await spool.erase(spoolMarkOf(sessionId));
  speech.erase(sessionId);
  return captures.erase(sessionId);
}

/** What a session's lines hold and no other line does: an id alone may be part of another text. */
function spoolMarkOf(sessionId: string): string {
  return JSON.stringify({ key: ATTRIBUTES.sessionId.key, value: { stringValue: sessionId } }).slice(1, -1);
}

/** The places of a data folder from outside of the service, which may be running on it. */
export function placesIn(dataFolder: string, clock: Clock, signal: AbortSignal): SessionPlaces {
  const speechFolder = join(dataFolder, SPEECH_CACHE_FOLDER);
  return {
    captures: createFolderStore(join(dataFolder, CAPTURES_FOLDER)),
    spool: {
      erase: (text) => eraseInPlace(join(dataFolder, SPOOL_FOLDER), text, () => clock.sleep(APPEND_MS, signal)),
    },
    speech: existsSync(speechFolder) ? openDiskCache(speechFolder, () => clock.epochUs()) : { erase: () => 0 },
  };
}

/** Erasing a session wholly: its capture, its lines in the trace spool, and the speech that it put into the cache. */
import { existsSync } from 'node:fs';
import { openDiskCache, type SpeechCache } from '../calls/speech-cache.ts';
import { checkSessionId, createFolderStore, type CaptureStore } from './store.ts';
import { foldersIn } from '../base/data-folder.ts';
import type { Clock } from '../base/ports.ts';
import { ATTRIBUTES } from '../telemetry/names.ts';
import { eraseInPlace } from '../spool/files.ts';

/** More than a running service needs to finish a line, which it writes by one call. */
const APPEND_MS = 200;

export interface SessionPlaces {
  captures: Pick<CaptureStore, 'erase'>;
  /** Erases every line that holds the text. */
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

/** The session's lines hold this text, and no other line does; an id alone may be part of another text. */
function spoolMarkOf(sessionId: string): string {
  return JSON.stringify({ key: ATTRIBUTES.sessionId.key, value: { stringValue: sessionId } }).slice(1, -1);
}

/** The places of a data folder, for a command. A service may be running on the folder meanwhile. */
export function placesIn(dataFolder: string, clock: Clock, signal: AbortSignal): SessionPlaces {
  const { captures, spool, speech } = foldersIn(dataFolder);
  return {
    captures: createFolderStore(captures),
    spool: {
      erase: (text) => eraseInPlace(spool, text, () => clock.sleep(APPEND_MS, signal)),
    },
    speech: existsSync(speech) ? openDiskCache(speech, () => clock.epochUs()) : { erase: () => 0 },
  };
}

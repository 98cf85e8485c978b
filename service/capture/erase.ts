/** Erasing a session wholly: its capture, its lines in the trace spool, and the speech that it put into the cache. */
import { existsSync } from 'node:fs';
import { openDiskCache, type SpeechCache } from '../calls/speech-cache.ts';
import { checkSessionId, createFolderStore, type CaptureStore } from './store.ts';
import { foldersIn } from '../base/data-folder.ts';
import type { Clock } from '../base/ports.ts';
import { ATTRIBUTES } from '../telemetry/names.ts';
import { spoolsBeside } from '../spool/claim.ts';
import { eraseInPlace } from '../spool/files.ts';

export interface SessionPlaces {
  captures: Pick<CaptureStore, 'erase'>;
  /** Erases every line that holds the text. */
  spool: { erase(text: string): Promise<number> };
  speech: Pick<SpeechCache, 'erase'>;
}

/** True when something was kept of the session, in whichever place. Throws `InputError` for an id that names no session. */
export async function eraseSession({ captures, spool, speech }: SessionPlaces, sessionId: string): Promise<boolean> {
  checkSessionId(sessionId);
  const lines = await spool.erase(spoolMarkOf(sessionId));
  const speeches = speech.erase(sessionId);
  return (await captures.erase(sessionId)) || lines + speeches > 0;
}

/** The session's lines hold this text, and no other line does; an id alone may be part of another text. */
function spoolMarkOf(sessionId: string): string {
  return JSON.stringify({ key: ATTRIBUTES.sessionId.key, value: { stringValue: sessionId } }).slice(1, -1);
}

/** The places of a data folder, for a command that owns its spools. */
export function placesIn(dataFolder: string, clock: Clock): SessionPlaces {
  const { captures, spool, speech } = foldersIn(dataFolder);
  return {
    captures: createFolderStore(captures),
    spool: {
      async erase(text) {
        let erased = 0;
        for (const dir of spoolsBeside(spool)) erased += await eraseInPlace(dir, text);
        return erased;
      },
    },
    speech: existsSync(speech) ? openDiskCache(speech, () => clock.epochUs()) : { erase: () => 0 },
  };
}

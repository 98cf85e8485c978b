/** What stands where below RETAKE_DATA. */
import { join } from 'node:path';

export interface DataFolders {
  /** Capture bundles, by day and session. */
  captures: string;
  /** Spans that wait for their endpoint, and the last ones that were sent. */
  spool: string;
  /** Speech that was synthesized before. */
  speech: string;
}

/** The folders of one service's data; none of them need exist. */
export function foldersIn(dataFolder: string): DataFolders {
  return {
    captures: join(dataFolder, 'captures'),
    spool: join(dataFolder, 'spool'),
    speech: join(dataFolder, 'cache', 'speech'),
  };
}

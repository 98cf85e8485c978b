/** What a path may lead to, other than a file that somebody meant to be read. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export interface OddFiles {
  /** A pipe that nobody writes into: to open it waits for ever. */
  pipe: string;
  /** A device without an end. */
  zero: string;
  folder: string;
  /** 5 GB that take no room. */
  sparse: string;
  /** A link to the device. */
  link: string;
  /** The environment of whoever reads it; it says that it has 0 bytes. */
  environment: string;
  missing: string;
}

/** Makes them below `folder`, which is made too. */
export function makeOddFiles(folder: string): OddFiles {
  const odd: OddFiles = {
    pipe: join(folder, 'pipe'),
    zero: '/dev/zero',
    folder: join(folder, 'folder'),
    sparse: join(folder, 'sparse'),
    link: join(folder, 'link'),
    environment: '/proc/self/environ',
    missing: join(folder, 'missing'),
  };
  mkdirSync(odd.folder, { recursive: true });
  execFileSync('mkfifo', [odd.pipe]);
  writeFileSync(odd.sparse, '');
  truncateSync(odd.sparse, 5 * 2 ** 30);
  symlinkSync(odd.zero, odd.link);
  return odd;
}

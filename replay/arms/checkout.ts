/** The code of an arm: this checkout, another clone, or another commit in a cached worktree, with modules installed. */
import { execFileSync } from 'node:child_process';
import { existsSync, lstatSync, readFileSync, realpathSync, rmSync, symlinkSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { InputError } from '../../service/base/errors.ts';
import { makeFolders } from '../../service/base/folders.ts';
import { WORKER_FILE } from './worker-protocol.ts';

export interface Checkout {
  /** Full hash. */
  commit: string;
  folder: string;
}

/** This checkout, uncommitted changes included. */
export const HERE = fileURLToPath(new URL('../..', import.meta.url));

/** The commit of a checkout, by default of this one; with `-dirty` when files differ from the commit; `unknown` outside of git. */
export function currentCommit(repository = HERE): string {
  const git = gitIn(repository);
  try {
    const commit = git('rev-parse', 'HEAD');
    return git('status', '--porcelain', '--untracked-files=no') === '' ? commit : `${commit}-dirty`;
  } catch {
    return 'unknown';
  }
}

/**
 * The clone whose code the arms run, with its modules installed; without a name this checkout. The Action names the caller's clone.
 * Throws `InputError` for a folder that holds no worker.
 */
export function repositoryAt(named: string | undefined, tell: (what: string) => void): string {
  if (named === undefined) return HERE;
  const folder = resolve(named);
  if (!existsSync(join(folder, WORKER_FILE)))
    throw new InputError(
      `--repository ${named} holds no ${WORKER_FILE}, so no arm can run its code; name a clone of Retake, or compare strategies with --variant and --set`,
    );
  if (realpathSync(folder) === realpathSync(HERE)) return HERE;
  install(folder, tell);
  return folder;
}

/**
 * Checks `ref` of a clone out into `<cache>/<commit>`, or uses the checkout of an earlier run. Modules are those of this checkout where
 * the lockfiles are equal; else `npm ci` installs them. Throws `InputError` for an unknown ref or a commit without the worker protocol.
 */
export async function checkOut(
  ref: string,
  { repository = HERE, cache, tell }: { repository?: string; cache: string; tell: (what: string) => void },
): Promise<Checkout> {
  const git = gitIn(repository);
  const commit = resolved(ref, git);
  if (!hasWorker(commit, git))
    throw new InputError(
      `${ref} (${commit.slice(0, 12)}) has no ${WORKER_FILE}: the commit is older than the worker protocol; compare its recorded traces with "npx retake diff"`,
    );
  const folder = join(cache, commit);
  if (!existsSync(join(folder, WORKER_FILE))) {
    tell(`checking out ${ref} (${commit.slice(0, 12)}) …`);
    await makeFolders(dirname(folder));
    rmSync(folder, { recursive: true, force: true });
    git('worktree', 'prune');
    git('worktree', 'add', '--detach', '--force', folder, commit);
  }
  install(folder, tell);
  return { commit, folder };
}

/** `retake/checkouts` in the user's cache. */
export function checkoutCache(env: Readonly<Record<string, string | undefined>>): string {
  const base = env['XDG_CACHE_HOME'];
  return join(base === undefined || base === '' ? join(homedir(), '.cache') : base, 'retake', 'checkouts');
}

function resolved(ref: string, git: Git): string {
  try {
    return git('rev-parse', '--verify', '--quiet', '--end-of-options', `${ref}^{commit}`);
  } catch (error) {
    throw new InputError(`--baseline-ref ${ref}: no such commit here; fetch it first (git fetch origin ${ref})`, {
      cause: error,
    });
  }
}

function hasWorker(commit: string, git: Git): boolean {
  try {
    git('cat-file', '-e', `${commit}:${WORKER_FILE}`);
    return true;
  } catch {
    return false;
  }
}

function install(folder: string, tell: (what: string) => void): void {
  const modules = join(folder, 'node_modules');
  const lockOf = (root: string): string => readFileSync(join(root, 'package-lock.json'), 'utf8');
  const linked = lstatSync(modules, { throwIfNoEntry: false })?.isSymbolicLink() === true;
  if (lockOf(folder) === lockOf(HERE)) {
    if (linked || existsSync(modules)) return;
    symlinkSync(join(HERE, 'node_modules'), modules, 'dir');
    return;
  }
  if (linked) rmSync(modules);
  else if (existsSync(join(modules, '.package-lock.json'))) return;
  tell(`installing the modules of ${folder} …`);
  try {
    execFileSync('npm', ['ci', '--no-audit', '--no-fund'], { cwd: folder, stdio: ['ignore', 'ignore', 'pipe'] });
  } catch (error) {
    throw new InputError(`npm ci failed in ${folder}; run it there to see why`, { cause: error });
  }
}

type Git = (...words: string[]) => string;

function gitIn(repository: string): Git {
  return (...words) =>
    execFileSync('git', words, { cwd: repository, stdio: ['ignore', 'pipe', 'ignore'] })
      .toString()
      .trim();
}

/** Commits of another clone: found there, not here. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { copyFileSync, existsSync, lstatSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { checkOut, currentCommit, HERE, repositoryAt } from './checkout.ts';
import { WORKER_FILE } from './worker-protocol.ts';

test('a clone that is named gives commits and code; control: this checkout does not know them', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'retake-clone-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const [clone, cache] = [join(folder, 'clone'), join(folder, 'cache')];
  const tell = (): void => undefined;
  mkdirSync(join(clone, 'replay'), { recursive: true });
  assert.throws(
    () => repositoryAt(clone, tell),
    /holds no replay\/worker\.ts, so no arm can run its code; name a clone/,
  );
  const git = (...words: string[]): string => execFileSync('git', words, { cwd: clone, encoding: 'utf8' }).trim();
  const commit = (message: string): void =>
    void git('-c', 'user.name=a', '-c', 'user.email=a@b', 'commit', '--quiet', '--allow-empty', '-m', message);
  git('init', '--quiet');
  commit('before the worker');
  git('tag', 'heron-0');
  writeFileSync(join(clone, WORKER_FILE), '');
  copyFileSync(join(HERE, 'package-lock.json'), join(clone, 'package-lock.json'));
  git('add', '-A');
  commit('a worker');
  git('tag', 'heron-1');

  assert.equal(repositoryAt(undefined, tell), HERE);
  assert.equal(repositoryAt(HERE, tell), HERE);
  assert.equal(repositoryAt(clone, tell), clone);
  assert.ok(lstatSync(join(clone, 'node_modules')).isSymbolicLink(), 'modules of an equal lockfile are shared');
  assert.equal(currentCommit(clone), git('rev-parse', 'heron-1'));
  const { commit: hash, folder: tree } = await checkOut('heron-1', { repository: clone, cache, tell });
  assert.equal(hash, git('rev-parse', 'heron-1'));
  assert.ok(existsSync(join(tree, WORKER_FILE)));
  await assert.rejects(checkOut('heron-0', { repository: clone, cache, tell }), /is older than the worker protocol/);
  await assert.rejects(checkOut('heron-1', { cache, tell }), /no such commit here; fetch it first/);
});

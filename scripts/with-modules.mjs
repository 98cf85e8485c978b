// `node scripts/with-modules.mjs [program [arguments…]]`: installs the locked dependencies when they are missing or outdated, then runs
// the program: `node` is the project's own Node, other names are looked up in node_modules/.bin first. Runs on any Node >= 18.
import { spawnSync } from 'node:child_process';
import { lstatSync, readFileSync } from 'node:fs';
import { delimiter } from 'node:path';
import { ownNode, root, runInPlace } from './programs/own-node.mjs';

if (!isInstalled()) install();
const [program, ...words] = process.argv.slice(2);
if (program !== undefined) {
  const env = { ...process.env, PATH: `${root}node_modules/.bin${delimiter}${process.env.PATH ?? ''}` };
  runInPlace('with-modules', program === 'node' ? ownNode : program, words, env);
}

/** npm keeps in node_modules what it installed from the lockfile: the same entries, less what is optional on another platform. */
function isInstalled() {
  const locked = packagesOf(`${root}package-lock.json`);
  const installed = packagesOf(`${root}node_modules/.package-lock.json`);
  return Object.entries(locked).every(([path, entry]) => {
    const own = installed[path];
    return path === '' || (own === undefined ? entry.optional === true : JSON.stringify(own) === JSON.stringify(entry));
  });
}

function packagesOf(path) {
  try {
    return JSON.parse(readFileSync(path, 'utf8')).packages ?? {};
  } catch (error) {
    if (error.code === 'ENOENT') return {};
    throw error;
  }
}

function install() {
  // npm ci empties what a link points to, and other checkouts may run on it
  if (lstatSync(`${root}node_modules`, { throwIfNoEntry: false })?.isSymbolicLink() === true) {
    console.error(
      `${root}node_modules is a link to modules that package-lock.json does not ask for; remove the link and try again`,
    );
    process.exit(2);
  }
  console.error('Installing dependencies (npm ci)…');
  const { status, error } = spawnSync('npm', ['ci', '--include=dev', '--no-audit', '--no-fund', '--loglevel=error'], {
    cwd: root,
    stdio: ['ignore', 2, 2],
    shell: process.platform === 'win32',
  });
  if (status === 0) return;
  console.error(`npm ci failed${error === undefined ? '' : `: ${error.message}`}; run "npm ci" in ${root}`);
  process.exit(2);
}

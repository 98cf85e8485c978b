// Launchers run on any Node >= 18 and start programs on the Node that the project installs.
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { homedir } from 'node:os';
import { isatty } from 'node:tty';
import { fileURLToPath } from 'node:url';

export const root = fileURLToPath(new URL('../..', import.meta.url));
export const ownNode = `${root}node_modules/node/bin/node`;

/** Flags of a service's Node. V8's own limit of a half of the young generation holds 120 MB of garbage; docs/performance.md has the price in CPU. */
export const serviceFlags = ['--max-semi-space-size=8'];

/** Runs a program in place of this process: same streams, same signals, same exit code; 130 when a signal ended it. */
export function runInPlace(name, program, words, env = process.env) {
  const child = spawn(program, words, { stdio: 'inherit', env });
  // at a terminal Ctrl-C reaches the child by its process group; a second one from here would end it in the middle of its shutdown
  process.on('SIGINT', () => {
    if (![0, 1, 2].some(isatty)) child.kill('SIGTERM');
  });
  for (const signal of ['SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
  endWithNpm(child);
  child.on('error', (error) => {
    console.error(`${name}: cannot start ${program}: ${error.message}; run "npm ci" in ${root}`);
    process.exit(2);
  });
  child.on('exit', (code, signal) => process.exit(signal === null ? (code ?? 4) : 130));
}

/** The environment in which Node keeps compiled code: commands then start in half the time. As it is where that folder cannot be. */
export function withCompileCache(env = process.env) {
  if (env.NODE_COMPILE_CACHE) return env;
  try {
    let folder = env.XDG_CACHE_HOME || `${homedir()}/.cache`;
    // one by one: Node's own way to make them has no end below /proc
    for (const name of ['', '/retake', '/compiled']) {
      folder += name;
      if (!existsSync(folder)) mkdirSync(folder, 0o700);
    }
    return { ...env, NODE_COMPILE_CACHE: folder };
  } catch {
    return env;
  }
}

/** npm hands a signal to the shell that it starts, and the shell ends without telling anybody: this process then has another parent. */
function endWithNpm(child) {
  if (process.env.npm_command === undefined) return;
  const { ppid } = process;
  const watch = setInterval(() => {
    if (process.ppid === ppid) return;
    clearInterval(watch);
    child.kill('SIGTERM');
  }, 300);
}

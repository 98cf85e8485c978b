// Launchers run on any Node >= 18 and start programs on the Node that the project installs.
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

export const root = fileURLToPath(new URL('../..', import.meta.url));
export const ownNode = `${root}node_modules/node/bin/node`;

/** Runs a program in place of this process: same streams, same signals, same exit code; 130 when a signal ended it. */
export function runInPlace(name, program, words, env = process.env) {
  const child = spawn(program, words, { stdio: 'inherit', env });
  // Ctrl-C reaches the child by the terminal's process group; a second one from here would end it in the middle of its shutdown
  process.on('SIGINT', () => undefined);
  for (const signal of ['SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
  child.on('error', (error) => {
    console.error(`${name}: cannot start ${program}: ${error.message}; run "npm ci" in ${root}`);
    process.exit(2);
  });
  child.on('exit', (code, signal) => process.exit(signal === null ? (code ?? 4) : 130));
}

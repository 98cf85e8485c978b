#!/usr/bin/env node
// Starts the command line on the Node that the project installs, whatever Node the system has (any >= 18).
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const node = `${root}node_modules/node/bin/node`;
if (!existsSync(node)) {
  const old =
    Number(process.versions.node.split('.')[0]) < 24
      ? ` (this Node is ${process.versions.node}; Retake brings its own)`
      : '';
  console.error(`retake: dependencies are not installed${old}; run "npm ci" in ${root}`);
  process.exit(2);
}
const child = spawn(node, [`${root}cli/main.ts`, ...process.argv.slice(2)], { stdio: 'inherit' });
// Ctrl-C reaches the child by the terminal's process group; a second one from here would end it in the middle of its shutdown
process.on('SIGINT', () => undefined);
for (const signal of ['SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
child.on('error', (error) => {
  console.error(`retake: cannot start ${node}: ${error.message}; run "npm ci" in ${root}`);
  process.exit(2);
});
child.on('exit', (code, signal) => process.exit(signal === null ? (code ?? 4) : 130));

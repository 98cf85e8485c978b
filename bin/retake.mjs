#!/usr/bin/env node
// Starts the command line on the project's own Node.
import { existsSync } from 'node:fs';
import { ownNode, root, runInPlace, serviceFlags, withCompileCache } from '../scripts/programs/own-node.mjs';

if (!existsSync(ownNode)) {
  const old =
    Number(process.versions.node.split('.')[0]) < 24
      ? ` (this Node is ${process.versions.node}; Retake brings its own)`
      : '';
  console.error(`retake: dependencies are not installed${old}; run "npm ci" in ${root}`);
  process.exit(2);
}
const words = process.argv.slice(2);
const flags = words[0] === 'serve' ? serviceFlags : [];
runInPlace('retake', ownNode, [...flags, `${root}cli/main.ts`, ...words], withCompileCache());

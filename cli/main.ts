/** The process of `retake`: its environment, terminal and signals. */
import { statSync } from 'node:fs';
import { InputError } from '../service/base/errors.ts';
import { exitOnStray } from '../service/base/stray-exit.ts';
import { type CommandContext, tellOn } from '../replay/report/context.ts';
import { EXIT, runCommand } from './run-command.ts';

exitOnStray('retake');
// for this process alone: a worker of a commit that ran before would be faster than one of a commit that is new
delete process.env['NODE_COMPILE_CACHE'];
if (statSync('.env', { throwIfNoEntry: false })?.isFile() === true) process.loadEnvFile('.env');

const interrupt = new AbortController();
const context: CommandContext = {
  env: process.env,
  signal: interrupt.signal,
  out: (text: string) => void process.stdout.write(`${text}\n`),
  ...tellOn(process.stderr),
  exit: (code) => void (process.exitCode = code),
  columns: process.stdout.columns || 80,
  // https://no-color.org: any value but the empty one
  color: process.stdout.isTTY && (process.env['NO_COLOR'] ?? '') === '' && process.env['TERM'] !== 'dumb',
};

// the reader may leave (| head): the command still ends its work, and exits by its result
for (const stream of [process.stdout, process.stderr])
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
  });
process.on('SIGINT', () => {
  if (interrupt.signal.aborted) process.exit(EXIT.interrupted);
  interrupt.abort(new InputError('interrupted'));
});
for (const signal of ['SIGTERM', 'SIGHUP'] as const)
  process.on(signal, () => interrupt.abort(new InputError('interrupted')));

process.exitCode = await runCommand(process.argv.slice(2), context);

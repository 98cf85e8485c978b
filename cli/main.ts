/** The process of `retake`: environment, terminal, signals; every error becomes one line and an exit code. */
import { statSync } from 'node:fs';
import { CommanderError } from 'commander';
import { AudioFormatError } from '../service/audio/pcm.ts';
import { describeError, InputError, isDiskError, StageError } from '../service/base/errors.ts';
import { type CommandContext, tellOn } from '../replay/report/context.ts';
import { createProgram } from './program.ts';

/** Exit codes that scripts can trust (docs/reading-a-report.md#exit-codes). */
const EXIT = { pass: 0, input: 2, internal: 4, interrupted: 130 } as const;

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
process.on('SIGTERM', () => interrupt.abort(new InputError('interrupted')));

try {
  const code: unknown = await createProgram(context)
    .parseAsync()
    .then(() => process.exitCode);
  process.exitCode = typeof code === 'number' ? code : EXIT.pass;
} catch (error) {
  context.progressDone();
  process.exitCode = tellError(error);
}

/** Says what failed, in one line; returns the exit code. */
function tellError(error: unknown): number {
  if (error instanceof CommanderError) {
    if (error.exitCode === 0) return EXIT.pass;
    if (error.code !== 'commander.help')
      console.error(`retake: ${error.message.replace(/^error: /, '').replaceAll('\n', ' ')} (add --help for usage)`);
    return EXIT.input;
  }
  if (interrupt.signal.aborted) {
    console.error('retake: interrupted; finished work is on disk');
    return EXIT.interrupted;
  }
  if (error instanceof InputError || error instanceof AudioFormatError || error instanceof StageError) {
    console.error(`retake: ${describeError(error, 1000)}`);
    return EXIT.input;
  }
  if (isDiskError(error)) {
    console.error(`retake: ${describeError(error)}; finished work is kept: make room, or name another folder`);
    return EXIT.input;
  }
  console.error(`retake: internal error: ${error instanceof Error ? error.stack : String(error)}`);
  return EXIT.internal;
}

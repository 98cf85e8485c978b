/** One call of `retake`: its command runs, and every error becomes one line and an exit code. */
import { CommanderError } from 'commander';
import type { CommandContext } from '../replay/report/context.ts';
import { AudioFormatError } from '../service/audio/pcm.ts';
import { describeError, InputError, isDiskError, StageError } from '../service/base/errors.ts';
import { INTERNAL_EXIT_CODE } from '../service/base/stray-exit.ts';
import { createProgram } from './program.ts';

/** Exit codes that scripts can trust (docs/reading-a-report.md#exit-codes). */
export const EXIT = { pass: 0, input: 2, internal: INTERNAL_EXIT_CODE, interrupted: 130 } as const;

/**
 * Runs the command that `words` name, for example `['sessions', 'list']`, and resolves with its exit code. It never rejects: an error is
 * told through `context.problem`.
 */
export async function runCommand(words: readonly string[], context: CommandContext): Promise<number> {
  let code: number = EXIT.pass;
  const exit = (chosen: number): void => {
    code = chosen;
    context.exit(chosen);
  };
  try {
    await createProgram({ ...context, exit }).parseAsync(words, { from: 'user' });
    return code;
  } catch (error) {
    context.progressDone();
    return tellError(error, context);
  }
}

/** Says what failed, in one line; returns the exit code. */
function tellError(error: unknown, { signal, problem }: CommandContext): number {
  if (error instanceof CommanderError) {
    if (error.exitCode === 0) return EXIT.pass;
    if (error.code !== 'commander.help')
      problem(`retake: ${error.message.replace(/^error: /, '').replaceAll('\n', ' ')} (add --help for usage)`);
    return EXIT.input;
  }
  if (signal.aborted) {
    problem('retake: interrupted; finished work is on disk');
    return EXIT.interrupted;
  }
  if (error instanceof InputError || error instanceof AudioFormatError || error instanceof StageError) {
    problem(`retake: ${describeError(error, 1000)}`);
    return EXIT.input;
  }
  if (isDiskError(error)) {
    problem(`retake: ${describeError(error)}; finished work is kept: make room, or name another folder`);
    return EXIT.input;
  }
  problem(`retake: internal error: ${error instanceof Error ? error.stack : String(error)}`);
  return EXIT.internal;
}

/** Programs without turns of users: an error that no code awaits ends them, in one line and with their own exit code. */
import { describeError } from './errors.ts';

/** Exit code of an internal error. Node's own would be 1, which `replay` and `diff` use for "slower". */
export const INTERNAL_EXIT_CODE = 4;

/**
 * Ends the process, whose name the line begins with, on an unhandled rejection or an uncaught exception. Does nothing while
 * the process has another handler: the running service decides by turn.
 */
export function exitOnStray(program: string): void {
  process.on('uncaughtException', (error) => {
    if (process.listenerCount('uncaughtException') > 1) return;
    const [, at = ''] = (error instanceof Error ? (error.stack ?? '') : '').split('\n    at ');
    process.stderr.write(`${program}: internal error in code that nothing awaits: ${describeError(error)} (${at})\n`);
    process.exit(INTERNAL_EXIT_CODE);
  });
}

/** Every command and option of `retake`. A command's code is loaded when the command is called: loading all takes over a second. */
import { Command } from 'commander';
import type { CommandContext } from '../replay/report/context.ts';
import { addReplayCommands } from './replay/commands.ts';
import { addServeCommands } from './serve/commands.ts';
import { addSessionsCommands } from './sessions/commands.ts';

/** The program. On wrong input its parse rejects with a `CommanderError`; the caller prints the message. */
export function createProgram(context: CommandContext): Command {
  const program = new Command('retake')
    .description('Tracing and replay for a real-time voice interview pipeline')
    .addHelpText('after', '\nStart with "npx retake demo". Every command has --help.')
    .configureOutput({ outputError: () => undefined })
    .exitOverride();
  addServeCommands(program, context);
  addSessionsCommands(program, context);
  addReplayCommands(program, context);
  return program;
}

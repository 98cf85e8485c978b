/** `retake` as commander knows it: every command and option. A command's code is loaded when it is called: all of it takes over a second. */
import { Command } from 'commander';
import type { CommandContext } from '../replay/report/context.ts';
import { addReplayCommands } from './replay/commands.ts';
import { addServeCommands } from './serve/commands.ts';
import { addSessionsCommands } from './sessions/commands.ts';

/** Wrong input rejects with a `CommanderError`, and nothing is printed of it. */
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

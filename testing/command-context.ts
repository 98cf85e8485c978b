/** What tests of commands give a command instead of a terminal. */
import type { CommandContext } from '../replay/report/context.ts';

/** A terminal of 80 columns without colours that shows nothing, but for what a test says. */
export function contextFor<More extends Partial<CommandContext>>(more: More): CommandContext & More {
  const quiet: CommandContext = {
    env: {},
    signal: new AbortController().signal,
    out: () => undefined,
    progress: () => undefined,
    progressDone: () => undefined,
    problem: () => undefined,
    exit: () => undefined,
    columns: 80,
    color: false,
  };
  return { ...quiet, ...more };
}

/** What a command gets from the process: its environment, its terminal, and the user's Ctrl-C. */
export interface CommandContext {
  env: Readonly<Record<string, string | undefined>>;
  /** Aborts on Ctrl-C. */
  signal: AbortSignal;
  /** A line on standard output. */
  out(text: string): void;
  /** The current state of something that takes longer than a second, on standard error. */
  progress(text: string): void;
  progressDone(): void;
  /** A line on standard error that stays: something went wrong, and the command went on. */
  problem(text: string): void;
  /** Sets the exit code of a command that otherwise succeeded. */
  exit(code: number): void;
  columns: number;
  color: boolean;
}

/** How far a command is, and what went wrong, on standard error: on a terminal progress is one line, written over. */
export function tellOn(
  stream: Pick<NodeJS.WriteStream, 'isTTY'> & { write(text: string): unknown },
): Pick<CommandContext, 'progress' | 'progressDone' | 'problem'> {
  const clear = stream.isTTY ? '\r\u001b[2K' : '';
  return {
    progress: (text) => void stream.write(stream.isTTY ? `${clear}${text}` : `${text}\n`),
    progressDone: () => void (stream.isTTY && stream.write(clear)),
    problem: (text) => void stream.write(`${clear}${text}\n`),
  };
}

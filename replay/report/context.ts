/** What a command gets from its process: environment, terminal, and the user's Ctrl-C. */

/** Where long work reports its state. */
export interface Progress {
  /** The current state of work that takes longer than a second. */
  progress(text: string): void;
  progressDone(): void;
  /** A line that stays: something failed, and the work continued. */
  problem(text: string): void;
}

export interface CommandContext extends Progress {
  env: Readonly<Record<string, string | undefined>>;
  /** Aborts on Ctrl-C. */
  signal: AbortSignal;
  /** Prints a line on standard output. */
  out(text: string): void;
  /** Sets the exit code of a command that does not throw. */
  exit(code: number): void;
  columns: number;
  color: boolean;
}

/** Writes to standard error. On a terminal, progress is one line that is written over. */
export function tellOn(stream: Pick<NodeJS.WriteStream, 'isTTY'> & { write(text: string): unknown }): Progress {
  const clear = stream.isTTY ? '\r\u001b[2K' : '';
  return {
    progress: (text) => void stream.write(stream.isTTY ? `${clear}${text}` : `${text}\n`),
    progressDone: () => void (stream.isTTY && stream.write(clear)),
    problem: (text) => void stream.write(`${clear}${text}\n`),
  };
}

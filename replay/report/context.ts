/** What a command gets from its process: environment, terminal, and the user's Ctrl-C. */
/** How far long work is, and what went wrong meanwhile. */
export interface Progress {
  /** The current state of something that takes longer than a second. */
  progress(text: string): void;
  progressDone(): void;
  /** A line that stays: something went wrong, and the work went on. */
  problem(text: string): void;
}

/** What a command gets from its process. */
export interface CommandContext extends Progress {
  env: Readonly<Record<string, string | undefined>>;
  /** Aborts on Ctrl-C. */
  signal: AbortSignal;
  /** A line on standard output. */
  out(text: string): void;
  /** Sets the exit code of a command that otherwise succeeded. */
  exit(code: number): void;
  columns: number;
  color: boolean;
}

/** Tells on standard error; on a terminal progress is one line, written over. */
export function tellOn(stream: Pick<NodeJS.WriteStream, 'isTTY'> & { write(text: string): unknown }): Progress {
  const clear = stream.isTTY ? '\r\u001b[2K' : '';
  return {
    progress: (text) => void stream.write(stream.isTTY ? `${clear}${text}` : `${text}\n`),
    progressDone: () => void (stream.isTTY && stream.write(clear)),
    problem: (text) => void stream.write(`${clear}${text}\n`),
  };
}

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
  /** Sets the exit code of a command that otherwise succeeded. */
  exit(code: number): void;
  columns: number;
  color: boolean;
}

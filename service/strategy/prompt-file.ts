/** System prompts that are kept in files: read once, named by their digest, so that a strategy means one text for ever. */
import { createHash } from 'node:crypto';
import { InputError } from '../base/errors.ts';
import { readInput } from '../base/input-file.ts';

export interface PromptFile {
  text: string;
  /** Of the file's bytes, 64 hex digits. */
  sha256: string;
}

/** Longer ones are a mistake in the path. */
const LIMIT_BYTES = 256 * 1024;
const known = new Map<string, string>();

/** Reads a prompt file; throws `InputError` that begins with `where`. */
export function readPromptFile(path: string, where: string): PromptFile {
  const bytes = readInput(path, { where: `${where}: ${path}` });
  if (bytes.length > LIMIT_BYTES) throw new InputError(`${where}: ${path} has more than ${LIMIT_BYTES / 1024} kB`);
  const text = bytes.toString('utf8').trim();
  if (text === '') throw new InputError(`${where}: ${path} is empty`);
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  known.set(sha256, text);
  return { text, sha256 };
}

/** The text that a strategy meant; throws `InputError` when the file has another text by now. */
export function promptOfFile(file: string, sha256: string): string {
  const text = known.get(sha256);
  if (text !== undefined) return text;
  const where = 'knob "llm.systemPrompt.file"';
  const read = readPromptFile(file, where);
  if (read.sha256 === sha256) return read.text;
  throw new InputError(`${where}: ${file} has another text than the strategy was resolved with (sha256 ${sha256})`);
}

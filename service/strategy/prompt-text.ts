/** A system prompt of a strategy's own: its text, and what names it where the text may not stand. */
import { createHash } from 'node:crypto';

export interface PromptText {
  /** Of the text as UTF-8, 64 hex digits: of a file's bytes. */
  sha256: string;
  /** Of what the model is sent. */
  chars: number;
  /** As it stands in the file. Absent where only digest and length are known: a capture at level `timing`. */
  text?: string;
}

/** A text with its digest and its length. */
export function promptOf(text: string): Required<PromptText> {
  return { sha256: createHash('sha256').update(text).digest('hex'), chars: sentText(text).length, text };
}

/** The part of the text that the model is sent. */
export function sentText(text: string): string {
  return text.trim();
}

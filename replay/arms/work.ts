/** Whether a replayed turn did the captured turn's work, in figures that hold no text. Pure. */
import type { TurnSummary } from '../../service/turn-log/metrics.ts';
import type { ArmTurn } from './arm.ts';
import type { CapturedSession } from '../sessions/captured-session.ts';
import type { PlannedRun } from './planned.ts';

/** What a model says in place of an interviewer's question. Deliberately short: a refusal is counted when it is plain. */
const REFUSALS: readonly RegExp[] = [
  /\b(i('m| am) (sorry|unable)|i can('t|not)) (but )?(to )?(help|assist|answer|continue|do that)/i,
  /\bas an ai\b/i,
  /(üzgünüm|maalesef),? (bu|size|bunu)\b.*(yardımcı olamam|yapamam|cevaplayamam)/i,
];

/** Words folded for comparison: case, punctuation and white space count for nothing, and i has one form in every language. */
function foldedWords(text: string): string[] {
  const folded = text
    .normalize('NFKC')
    .toLowerCase()
    .replace(/i\u0307|ı/g, 'i');
  return folded.match(/[\p{L}\p{N}]+/gu) ?? [];
}

/** Substitutions, insertions and deletions of a minimal edit (Levenshtein 1966, over words; Wagner & Fischer 1974, row by row). */
function wordEdits(a: readonly string[], b: readonly string[]): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (const [i, word] of a.entries()) {
    const next = [i + 1];
    for (const [j, other] of b.entries()) {
      const same = (row[j] ?? 0) + (word === other ? 0 : 1);
      next.push(Math.min(same, (row[j + 1] ?? 0) + 1, (next[j] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}

/** Edits that turn the captured words into the heard ones, per captured word. Undefined without captured words. */
function transcriptErrorShare(captured: string, heard: string): number | undefined {
  const [a, b] = [foldedWords(captured), foldedWords(heard)];
  return a.length === 0 ? undefined : rounded(wordEdits(a, b) / a.length);
}

/**
 * Transcript change: the share (0–1) of words that differ between two lanes' transcripts of one turn, edits per word of the
 * longer one. Nobody knows what was really said, so neither is the reference. Undefined when neither has words.
 */
export function transcriptChange(one: string, other: string): number | undefined {
  const [a, b] = [foldedWords(one), foldedWords(other)];
  const words = Math.max(a.length, b.length);
  return words === 0 ? undefined : rounded(wordEdits(a, b) / words);
}

function rounded(share: number): number {
  return Math.round(share * 1e4) / 1e4;
}

/** Figures of the turn's words beside the captured ones; what the capture does not hold is absent. */
export function workOf(
  session: CapturedSession,
  { turnIndex }: Pick<PlannedRun, 'turnIndex'>,
  { transcript, replyText }: Pick<ArmTurn, 'transcript' | 'replyText'>,
): Pick<TurnSummary, 'transcriptErrorShare' | 'refused'> {
  const log = session.turns.find(({ identity }) => identity.turnIndex === turnIndex);
  const captured = log?.events.find(({ kind }) => kind === 'stt.done')?.content?.text;
  const share = captured === undefined ? undefined : transcriptErrorShare(captured, transcript);
  return {
    ...(share === undefined ? {} : { transcriptErrorShare: share }),
    ...(REFUSALS.some((pattern) => pattern.test(replyText)) ? { refused: true } : {}),
  };
}

/** Whether a replayed turn did the captured turn's work, in figures that hold no text. Pure. */
import type { TurnSummary } from '../service/metrics.ts';
import type { ArmTurn } from './arm.ts';
import type { CapturedSession } from './captured-session.ts';
import type { PlannedRun } from './plan.ts';

/** What a model says in place of an interviewer's question. Deliberately short: a refusal is counted when it is plain. */
const REFUSALS: readonly RegExp[] = [
  /\b(i('m| am) (sorry|unable)|i can('t|not)) (but )?(to )?(help|assist|answer|continue|do that)/i,
  /\bas an ai\b/i,
  /(üzgünüm|maalesef),? (bu|size|bunu)\b.*(yardımcı olamam|yapamam|cevaplayamam)/i,
];

/** Words folded for comparison: case, punctuation and white space count for nothing. */
function wordsOf(text: string): string[] {
  return (
    text
      .toLocaleLowerCase()
      .normalize('NFKC')
      .match(/[\p{L}\p{N}]+/gu) ?? []
  );
}

/**
 * Word error rate: substitutions, insertions and deletions of a minimal edit (Levenshtein 1966, over words) per reference
 * word. Undefined without reference words.
 */
export function wordErrorShare(reference: string, heard: string): number | undefined {
  const [a, b] = [wordsOf(reference), wordsOf(heard)];
  if (a.length === 0) return undefined;
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (const [i, word] of a.entries()) {
    const next = [i + 1];
    for (const [j, other] of b.entries()) {
      const same = (row[j] ?? 0) + (word === other ? 0 : 1);
      next.push(Math.min(same, (row[j + 1] ?? 0) + 1, (next[j] ?? 0) + 1));
    }
    row = next;
  }
  return (row[b.length] ?? 0) / a.length;
}

/** Figures of the turn's words beside the captured ones; what the capture does not hold is absent. */
export function workOf(
  session: CapturedSession,
  { turnIndex }: Pick<PlannedRun, 'turnIndex'>,
  { transcript, replyText }: Pick<ArmTurn, 'transcript' | 'replyText'>,
): Pick<TurnSummary, 'transcriptErrorShare' | 'refused'> {
  const log = session.turns.find(({ identity }) => identity.turnIndex === turnIndex);
  const captured = log?.events.find(({ kind }) => kind === 'stt.done')?.content?.text;
  const share = captured === undefined ? undefined : wordErrorShare(captured, transcript);
  return {
    ...(share === undefined ? {} : { transcriptErrorShare: Math.round(share * 1e4) / 1e4 }),
    ...(REFUSALS.some((pattern) => pattern.test(replyText)) ? { refused: true } : {}),
  };
}

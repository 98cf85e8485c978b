/** How far a replayed turn did the work of the captured one, in figures that hold no text. Pure. */
import { editsBetween } from '../../service/base/edits.ts';
import { definedOnly } from '../../service/base/json.ts';
import type { TurnSummary } from '../../service/turn-log/metrics.ts';
import type { ArmTurn } from './arm.ts';
import type { CapturedSession } from '../sessions/captured-session.ts';
import type { PlannedRun } from './planned.ts';

/** In place of an interviewer's question. The list is short on purpose: only plain refusals count. */
const REFUSALS: readonly RegExp[] = [
  /\b(i('m| am) (sorry|unable)|i can('t|not)) (but )?(to )?(help|assist|answer|continue|do that)/i,
  /\bas an ai\b/i,
  /(üzgünüm|maalesef),? (bu|size|bunu)\b.*(yardımcı olamam|yapamam|cevaplayamam)/i,
];

/** Words without case, punctuation and white space. All forms of i are one, whatever the language. */
function foldedWords(text: string): string[] {
  const folded = text
    .normalize('NFKC')
    .toLowerCase()
    .replace(/i\u0307|ı/g, 'i');
  return folded.match(/[\p{L}\p{N}]+/gu) ?? [];
}

/** Edits that turn the captured words into the heard ones, per captured word. Undefined without captured words. */
function transcriptErrorShare(captured: string, heard: string): number | undefined {
  const [a, b] = [foldedWords(captured), foldedWords(heard)];
  return a.length === 0 ? undefined : fourDecimals(editsBetween(a, b) / a.length);
}

/**
 * The share (0–1) of words that differ between two lanes' transcripts of one turn: edits per word of the longer one. Neither lane
 * is the reference, since nobody knows what was really said. Undefined without words.
 */
export function transcriptChange(one: string, other: string): number | undefined {
  const [a, b] = [foldedWords(one), foldedWords(other)];
  const words = Math.max(a.length, b.length);
  return words === 0 ? undefined : fourDecimals(editsBetween(a, b) / words);
}

function fourDecimals(share: number): number {
  return Math.round(share * 1e4) / 1e4;
}

/** Figures of the turn's words against the captured ones. They are absent where the capture holds no text. */
export function workOf(
  session: CapturedSession,
  { turnIndex }: Pick<PlannedRun, 'turnIndex'>,
  { transcript, replyText }: Pick<ArmTurn, 'transcript' | 'replyText'>,
): Pick<TurnSummary, 'transcriptErrorShare' | 'refused'> {
  const log = session.turns.find(({ identity }) => identity.turnIndex === turnIndex);
  const captured = log?.events.find(({ kind }) => kind === 'stt.done')?.content?.text;
  const share = captured === undefined ? undefined : transcriptErrorShare(captured, transcript);
  const refused = replyText === '' ? undefined : REFUSALS.some((pattern) => pattern.test(replyText));
  return definedOnly({ transcriptErrorShare: share, refused });
}

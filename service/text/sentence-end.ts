/** Finds the certain end of a sentence in a streamed Turkish or English text. `chunker.ts` lists the rules. */

export const TERMINATORS = '.!?…';
const CLOSERS = '"\'”’»)]';
/** Titles before a name. Capitals count, so that the unit of "450 ms." is no title. */
const TITLES: ReadonlySet<string> = new Set('Dr Prof Doç Yrd Av Sn Hz Mr Mrs Ms St Op Uzm Müh Arş'.split(' '));
/** No sentence ends with these. */
const NEVER_LAST: ReadonlySet<string> = new Set('dr prof sn örn bkz approx'.split(' '));
/** A sentence may end with these: a capital behind them decides. */
const MAYBE_LAST: ReadonlySet<string> = new Set('vb vs vd etc inc ltd co şti jr sr e.g i.e a.m p.m t.c'.split(' '));
/** Abbreviations only before a number: `No. 5`, but "No. I did not." */
const BEFORE_NUMBER: ReadonlySet<string> = new Set(['no', 'nr', 's', 'p', 'pp', 'vol']);
const NEVER = -1;

/** The unbroken characters before `at`, without opening quotes and brackets. */
function wordBefore(text: string, at: number): string {
  const word = /\S*$/u.exec(text.slice(0, at))?.[0] ?? '';
  return word.replace(/^["'“‘«([]+/u, '');
}

const looksLikeAddress = (word: string): boolean => /:\/\/|^www\.|@/iu.test(word);

/** Whether a quote or bracket is open. Apostrophes do not count: they tell nothing. */
function hasOpen(text: string): boolean {
  const count = (chars: string): number => [...text].filter((char) => chars.includes(char)).length;
  return count('"') % 2 === 1 || count('“«([') > count('”»)]');
}

/** Whether the sentence ends at the stop between `word` and, behind whitespace, `next`. */
function stopEnds(word: string, next: string, language: string, alone: boolean): boolean {
  const lower = word.toLocaleLowerCase(language.startsWith('tr') ? 'tr' : 'en');
  const capital = /^[\p{Lu}\p{Lt}"“«(]/u.test(next);
  if (TITLES.has(word) || NEVER_LAST.has(lower)) return false;
  if (BEFORE_NUMBER.has(lower)) return !/^\p{N}/u.test(next);
  if (/^\p{Lu}$/u.test(word)) return false;
  if (/^\p{N}{1,2}$/u.test(word)) return capital && !alone && !language.startsWith('tr');
  if (/\p{N}$/u.test(word)) return capital;
  if (MAYBE_LAST.has(lower) || word.endsWith('.') || word.endsWith('…')) return capital;
  return true;
}

/** Whether only the next visible character can tell if the stop after `word` ends the sentence. */
function needsNext(word: string, language: string): boolean {
  const verdicts = ['A', 'a', '1'].map((next) => stopEnds(word, next, language, false));
  return verdicts.includes(true) && verdicts.includes(false);
}

/**
 * End of the sentence with the last terminator at `at`, behind closing quotes and brackets. -1 when no sentence ends
 * there, or when only further text can tell. `complete` says that no text will follow.
 */
export function endsSentence(text: string, at: number, language: string, complete: boolean): number {
  const mark = text.charAt(at);
  if (!TERMINATORS.includes(mark)) return NEVER;
  const following = text.charAt(at + 1);
  if (following !== '' && TERMINATORS.includes(following)) return NEVER;
  const word = wordBefore(text, at);
  let end = at + 1;
  while (end < text.length && CLOSERS.includes(text.charAt(end))) end += 1;
  if (end < text.length && !/\s/u.test(text.charAt(end))) return NEVER;

  if (end === text.length) {
    if (complete) return end;
    if (looksLikeAddress(word) || hasOpen(text.slice(0, end))) return NEVER;
    if (mark === '!' || mark === '?') return end;
    return mark === '.' && end > at + 1 && !needsNext(word, language) && stopEnds(word, 'A', language, false)
      ? end
      : NEVER;
  }
  if (mark === '!' || mark === '?') return end;
  const dotted = mark === '…' ? `${word}…` : word;
  const alone = text.slice(0, at).trim() === word;
  if (!needsNext(dotted, language)) return stopEnds(dotted, 'A', language, alone) ? end : NEVER;
  const next = text.slice(end).trimStart();
  return next !== '' && stopEnds(dotted, next, language, alone) ? end : NEVER;
}

/** Characters that no report, log or terminal may take from outside as they are. */

/**
 * What a reader does not see, or what steers how others are shown: controls, formats (bidirectional marks, tags), separators of lines,
 * characters that fonts may leave out (fillers, variation selectors), the empty Braille pattern, halves of a pair.
 */
export const UNSEEN = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}\u2800]/gu;

/** Characters that no report, log or terminal may take from outside as they are. */

/**
 * Characters that a reader does not see, or that change how others are shown. These are controls, formats (bidirectional marks, tags)
 * and separators of lines. Fonts may leave out fillers, variation selectors and the empty Braille pattern. Last, halves of a pair.
 */
export const UNSEEN = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}\u2800]/gu;

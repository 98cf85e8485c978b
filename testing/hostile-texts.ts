/** Texts that would do harm if a report let them through. */

/** What could come from a capture or another pipeline's trace, and what each would do in a comment if it got through. */
const HOSTILE_TEXTS: readonly [text: string, complaint: string][] = [
  ['<img src=x onerror=alert(1)>', 'HTML'],
  ['</details><script>alert(1)</script>', 'HTML'],
  ['<!-- retake-report -->', 'HTML'],
  ['@octocat', 'mention'],
  ['&#64;octocat', 'mention'],
  ['&commat;octocat', 'mention'],
  ['mail a@example.com', 'mention'],
  ['fixes #1', 'reference'],
  ['GH-1', 'reference'],
  ['[x](javascript:alert(1))', 'link'],
  ['![x](//evil.example/x.png)', 'link'],
  ['https://evil.example', 'link'],
  ['www.evil.example', 'link'],
  ['WWW.evil.example', 'link'],
  ['\u001b[31mred\u001b[0m', 'control character'],
  ['\u001b]8;;evil.example\u0007click\u001b]8;;\u0007', 'control character'],
  ['\u009b31m', 'control character'],
  ['\u202egpj.exe', 'control character'],
  ['\u2066a\u2069\u200f\u200b\ufeff', 'control character'],
  ['a\r\n✓ FASTER', 'control character'],
  ['a | b', 'columns'],
  ['`', 'backticks'],
];
/** One by one: fillers, variation selectors, a blank, an annotation, half a pair. */
const UNSEEN_ALONE = [
  '\u3164',
  '\u115f',
  '\uffa0',
  '\u180e',
  '\u034f',
  '\ufe0f',
  '\u2800',
  '\ufff9',
  '\u{e0100}',
  '\ud800',
];
export const EVERYTHING = `${HOSTILE_TEXTS.map(([text]) => text).join(' ')} \n\n# title\n\`\`\`\n✓ FASTER javascript:alert(1) \\ **x** _y_ ~~z~~ $w$`;

export const HOSTILE: typeof HOSTILE_TEXTS = [
  ...HOSTILE_TEXTS,
  ['\u{e0001}\u{e0041}\u{e007f}', 'control character'],
  ['0123456789abcdef0123456789abcdef01234567', 'commit'],
  ['see a1b2c3d', 'commit'],
  ...UNSEEN_ALONE.map((unseen): [string, string] => [`a${unseen}b`, 'control character']),
];

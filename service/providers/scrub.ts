/** Takes keys and content out of a provider's text, which may repeat the request. */

/** Parts of a request that no error may repeat: keys as a whole, content in any piece. */
export interface Sent {
  keys: readonly string[];
  /** Prompts, transcripts, texts to speak. `unknown` for speech, whose words the provider alone knows. */
  contents: readonly string[] | 'unknown';
}

/** A shorter echo reveals nothing. */
const ECHO_CHARS = 12;
/** Of one content: no error text repeats more of a prompt. */
const CONTENT_LIMIT_CHARS = 200_000;
const KEY_LIKE = /\b(?:Bearer|Key) +[\w.:+/=-]{7,}|\bsk-[\w-]{8,}|\b[0-9a-f-]{36}:[0-9a-f]{16,}/g;

/**
 * The text without keys, and without any 12 characters in a row that were sent. Nothing of it where these are unknown.
 */
export function scrub(text: string, { keys, contents }: Sent): string {
  if (contents === 'unknown') return 'its message is withheld, since it may repeat what was said';
  let clean = text;
  for (const key of keys) if (key.length >= 4) clean = clean.replaceAll(key, '[key]');
  clean = clean.replace(KEY_LIKE, '[key]');
  const sent = contents.map((each) => each.slice(0, CONTENT_LIMIT_CHARS).toLowerCase()).filter((each) => each !== '');
  if (sent.length === 0) return clean;
  const lower = clean.toLowerCase();
  let kept = '';
  for (let at = 0; at < clean.length;) {
    const whole = sent.some((each) => lower.startsWith(each, at) && each.length >= 4);
    const window = lower.slice(at, at + ECHO_CHARS);
    const echoed = whole || (window.length === ECHO_CHARS && sent.some((each) => each.includes(window)));
    if (!echoed) {
      kept += clean[at++] ?? '';
      continue;
    }
    let end = at + ECHO_CHARS;
    for (const each of sent) if (lower.startsWith(each, at)) end = Math.max(at + each.length, whole ? 0 : end);
    while (end < clean.length && sent.some((each) => each.includes(lower.slice(end - ECHO_CHARS + 1, end + 1)))) end++;
    kept += '[text]';
    at = end;
  }
  return kept;
}

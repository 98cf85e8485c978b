/** The content that a bundle of each level may hold: at `timing` no words and no audio. Keys are in no event at all. */
import { createHash } from 'node:crypto';
import { isObject } from '../base/json.ts';
import type { AttrValue, Attrs, TurnEvent } from '../base/events.ts';
import type { BundleLevel, SessionHeader } from './format.ts';

/** Attributes that may quote what was said: providers and errors write free text there. */
const TEXT_ATTRS: ReadonlySet<string> = new Set(['message', 'reason']);

/** Where a text may be cut, as offsets of the character after sentence or clause punctuation. `Yes. I do.` gives 4 and 10. */
export function breakOffsets(text: string): number[] {
  return [...text.matchAll(/[.!?…,;:–]+(?=\s|$)/g)].map((match) => match.index + match[0].length);
}

/** The event as a bundle of this level keeps it. At `timing` a text becomes its length and where it may be cut. */
export function redactEvent(event: TurnEvent, level: BundleLevel): TurnEvent {
  if (level === 'full') return event;
  const { content, attrs, ...rest } = event;
  const kept: Record<string, AttrValue> = {};
  for (const [key, value] of Object.entries(attrs ?? ({} satisfies Attrs))) {
    if (!TEXT_ATTRS.has(key)) kept[key] = value;
  }
  // not of the prompt: a replay cuts only what is spoken
  if (content?.text !== undefined && event.kind !== 'llm.start') {
    kept['textChars'] = content.text.length;
    kept['breaks'] = breakOffsets(content.text);
  }
  return Object.keys(kept).length === 0 ? rest : { ...rest, attrs: kept };
}

/** The header as a bundle of its level keeps it. At `timing`, words in the strategy are named by their digest, and a prompt's length. */
export function redactHeader(header: SessionHeader): SessionHeader {
  if (header.level === 'full') return header;
  const strategy = { ...header.strategy };
  const { stt, llm } = strategy;
  if (isObject(stt) && 'prompt' in stt) {
    const prompt = `sha256:${createHash('sha256').update(String(stt['prompt'])).digest('hex')}`;
    strategy['stt'] = { ...stt, prompt };
  }
  if (isObject(llm) && isObject(llm['systemPrompt'])) {
    const { text: _text, ...systemPrompt } = llm['systemPrompt'];
    strategy['llm'] = { ...llm, systemPrompt };
  }
  return { ...header, strategy };
}

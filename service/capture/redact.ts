/** What of an event may go into a bundle at each level. Keys are in no event to begin with; content goes here. */
import { createHash } from 'node:crypto';
import { isObject } from '../base/json.ts';
import type { AttrValue, Attrs, TurnEvent } from '../base/events.ts';
import type { BundleLevel, SessionHeader } from './format.ts';

/** Free text that providers or errors put into attributes: dropped at level `timing`, where no words are kept. */
const TEXT_ATTRS: ReadonlySet<string> = new Set(['message', 'reason']);

/** Where a text may be cut: after sentence and clause punctuation, as offsets of the following character. */
export function breakOffsets(text: string): number[] {
  return [...text.matchAll(/[.!?…,;:–]+(?=\s|$)/g)].map((match) => match.index + match[0].length);
}

/** The event as a bundle of this level keeps it. At `timing`: lengths and break offsets instead of text, no audio. */
export function redactEvent(event: TurnEvent, level: BundleLevel): TurnEvent {
  if (level === 'full') return event;
  const { content, attrs, ...rest } = event;
  const kept: Record<string, AttrValue> = {};
  for (const [key, value] of Object.entries(attrs ?? ({} satisfies Attrs))) {
    if (!TEXT_ATTRS.has(key)) kept[key] = value;
  }
  // the prompt's breaks would say more than anyone needs: only what is spoken is ever cut again
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

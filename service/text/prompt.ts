/** The LLM's prompt, from the unpruned conversation and the strategy. Pure. */
import type { Message } from '../base/ports.ts';
import { sentText } from '../strategy/prompt-text.ts';
import type { Strategy } from '../strategy/strategy.ts';

export interface Conversation {
  systemPrompt: string;
  /** Unpruned, oldest first. An interrupted reply stands there as far as it was heard. */
  history: readonly Message[];
}

/** System prompt, the last `historyTurns` turns or all, then the user's new words. A user message begins a turn. */
export function promptFor(conversation: Conversation, transcript: string, historyTurns: 'all' | number): Message[] {
  return [...promptHead(conversation, historyTurns), { role: 'user', content: transcript }];
}

/** The same without the user's new words: the part that is known before they are. */
export function promptHead({ systemPrompt, history }: Conversation, historyTurns: 'all' | number): Message[] {
  return [
    ...(systemPrompt === '' ? [] : [{ role: 'system' as const, content: systemPrompt }]),
    ...(historyTurns === 'all' ? history : lastTurns(history, historyTurns)),
  ];
}

function lastTurns(history: readonly Message[], turns: number): readonly Message[] {
  if (turns === 0) return [];
  let seen = 0;
  for (let index = history.length - 1; index >= 0; index--) {
    if (history[index]?.role === 'user' && ++seen === turns) return history.slice(index);
  }
  return history;
}

/**
 * A short interviewer in place of a captured system prompt: the same job in about 70 tokens. A language without a text
 * gets the English one, with the request to speak that language.
 */
export function compressedPrompt(language: string): string {
  if (language.startsWith('tr')) return COMPRESSED.tr;
  if (language.startsWith('en')) return COMPRESSED.en;
  return `${COMPRESSED.en} Speak ${language}.`;
}

const COMPRESSED = {
  tr: 'Sesli bir iş görüşmesi yapan, nazik ve profesyonel bir görüşmecisin. Adayın yanıtını bir cümleyle karşıla, sonra tek bir soru sor. En çok üç kısa cümle; liste, başlık ve simge yok. Sayıları okunduğu gibi yaz. Konu dışına çıkılırsa görüşmeye dön. Yanıt verme, değerlendirme yapma, yalnızca sor.',
  en: 'You are a polite, professional interviewer in a spoken job interview. Acknowledge the answer in one sentence, then ask one question. At most three short sentences; no lists, headings or symbols. Write numbers as they are said. If the talk drifts, return to the interview. Do not answer or judge; ask.',
} as const;

/** The system prompt that the strategy asks for; where only its length is known (`lacksPrompt`), as much of nothing. */
export function systemPromptFor({ llm: { systemPrompt } }: Strategy, language: string, captured: string): string {
  if (systemPrompt === 'captured') return captured;
  if (systemPrompt === 'compressed') return compressedPrompt(language);
  const { text, chars = 0 } = systemPrompt;
  return text === undefined ? 'x'.repeat(chars) : sentText(text);
}

/** Short beginnings of a reply that fit anything the user says. Each is synthesized ahead. */
export function openersFor(language: string): readonly string[] {
  return language.startsWith('tr') ? OPENERS.tr : OPENERS.en;
}

const OPENERS = {
  tr: ['Anladım.', 'Teşekkür ederim.', 'Çok güzel.'],
  en: ['I see.', 'Thank you.', 'Very good.'],
} as const;

/** Adds the request to begin with one of the openers, word for word. */
export function withOpeners(messages: readonly Message[], openers: readonly string[]): Message[] {
  const [first, ...rest] = messages;
  const ask = `${OPENERS_ASK} ${openers.map((opener) => `"${opener}"`).join(' | ')}`;
  if (first?.role !== 'system') return [{ role: 'system', content: ask }, ...messages];
  return [{ role: 'system', content: `${first.content}\n\n${ask}` }, ...rest];
}

/** Stands before the openers in a prompt. The stand-in looks for it. */
export const OPENERS_ASK = 'Begin your reply with exactly one of these openers, word for word:';

/** What the LLM is asked, from the captured (unpruned) conversation and the strategy. Pure. */
import type { Message } from './ports.ts';

export interface Conversation {
  systemPrompt: string;
  /** Unpruned, oldest first: user and assistant messages; replies as far as they were heard. */
  history: readonly Message[];
}

/** System prompt, the last `historyTurns` turns (a user message begins one) or all, then what the user just said. */
export function promptFor(conversation: Conversation, transcript: string, historyTurns: 'all' | number): Message[] {
  const { systemPrompt, history } = conversation;
  return [
    ...(systemPrompt === '' ? [] : [{ role: 'system' as const, content: systemPrompt }]),
    ...(historyTurns === 'all' ? history : lastTurns(history, historyTurns)),
    { role: 'user', content: transcript },
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

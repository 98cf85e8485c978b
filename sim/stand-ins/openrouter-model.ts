/** How the stand-in's models treat openers, prefills and prompt caches. All of this is assumed. */
import { CHARS_PER_TOKEN, modelFacts } from '../../service/strategy/models.ts';
import type { ExchangeContext, Message } from '../../service/base/ports.ts';
import { OPENERS_ASK } from '../../service/text/prompt.ts';
import { keyedRandom } from '../../service/base/random.ts';

/** How often a model begins with one of the openers of its prompt. */
export const OPENER_OBEDIENCE = 0.8;
/** How often a model repeats an opener that it should continue. */
export const PREFILL_REPETITION = 0.1;

/** The scripted reply of a model that a prompt asks for an opener, or that continues one. */
export function obeying(
  context: ExchangeContext,
  model: string,
  messages: readonly Message[],
  scripted: string,
): string {
  const draw = keyedRandom('opener', context.sessionId, context.turnIndex);
  const last = messages.at(-1);
  if (last?.role === 'assistant') {
    const repeats = modelFacts(model)?.prefill === 'repeats' || draw() < PREFILL_REPETITION;
    return repeats ? `${last.content} ${scripted}` : scripted;
  }
  const asked = messages.find(({ role, content }) => role === 'system' && content.includes(OPENERS_ASK));
  if (asked === undefined) return scripted;
  const list = asked.content.slice(asked.content.indexOf(OPENERS_ASK) + OPENERS_ASK.length);
  const openers = [...list.matchAll(/"([^"]+)"/g)].map(([, opener = '']) => opener);
  if (draw() >= OPENER_OBEDIENCE || openers.some((opener) => scripted.startsWith(opener))) return scripted;
  return `${openers[Math.floor(draw() * openers.length)] ?? ''} ${scripted}`;
}

const KEPT_PROMPTS = 1000;

/** Tokens of a prompt's prefix that was sent with the same key to the same model before. `minTokens` stands in place of each model's own least. */
export function createPromptCache(
  minTokens?: number,
): (cacheKey: string, model: string, messages: readonly Message[]) => number {
  const prompts = new Map<string, string>();
  return (cacheKey, model, messages) => {
    const key = `${cacheKey} ${model}`;
    const prompt = messages.map(({ role, content }) => `${role} ${content}`).join('\n');
    const before = prompts.get(key) ?? '';
    let same = 0;
    while (same < before.length && before[same] === prompt[same]) same += 1;
    prompts.set(key, prompt);
    const oldest = prompts.keys().next().value;
    if (prompts.size > KEPT_PROMPTS && oldest !== undefined) prompts.delete(oldest);
    const tokens = Math.floor(same / CHARS_PER_TOKEN);
    return tokens >= (minTokens ?? modelFacts(model)?.cacheMinTokens ?? Infinity) ? tokens : 0;
  };
}

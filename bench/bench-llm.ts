/** LLM: the seven models of the list, routing, limits, prompt. Each arm has its own words: no verdict over other models' replies. */
import type { Bench } from './bench.ts';

export const bench: Bench = {
  name: 'llm',
  title: 'Language model: model, route, limits, prompt',
  limits:
    "A delta is not a token: gaps are between deltas, whose size is the model's own. Stand-ins answer every model with the same reply, so lengths say nothing of a model's style.",
  metrics: [
    'ttftMs',
    'deltaGapMs',
    'tokensPerS',
    'firstClauseMs',
    'firstSentenceMs',
    'llmTotalMs',
    'llmCost',
    'replyChars',
    'e2eMs',
  ],
  stage: 'llm',
  arms: [
    { name: 'model-gemini-2.5-flash-nitro', patches: ['model-gemini-2.5-flash-nitro'] },
    { name: 'model-gemini-2.0-flash', patches: ['model-gemini-2.0-flash'] },
    { name: 'model-claude-3-haiku', patches: ['model-claude-3-haiku'] },
    { name: 'model-llama-3.1-8b-nitro', patches: ['model-llama-3.1-8b-nitro'] },
    { name: 'model-gpt-4o-mini', patches: ['model-gpt-4o-mini'] },
    { name: 'model-mistral-small', patches: ['model-mistral-small'] },
    { name: 'route-latency', patches: ['route-latency'] },
    { name: 'route-throughput', patches: ['route-throughput'] },
    { name: 'llm-sse-parser', patches: ['llm-sse-parser'], note: 'a gain in CPU: npm run bench:parsers, not in sim' },
    { name: 'max-tokens-200', patches: ['max-tokens-200'] },
    { name: 'history-4-turns', patches: ['history-4-turns'] },
    { name: 'history-none', patches: [{ llm: { historyTurns: 0 } }] },
    { name: 'system-prompt-compressed', patches: ['system-prompt-compressed'] },
  ],
};

/** LLM: the seven models of the list, routing, limits, prompt. Each arm has its own words: no verdict over other models' replies. */
import { variants, type Bench } from './turns/bench.ts';

export const bench: Bench = {
  name: 'llm',
  title: 'Language model: model, route, limits, prompt',
  limits:
    "A delta is not a token: gaps are between deltas, whose size is the model's own. Stand-ins answer every model with the same reply, so lengths say nothing of a model's style. The interviews' own system prompts are as short as the compressed one: what a longer prompt costs, the arms without history tell.",
  metrics: [
    'ttftMs',
    'deltaGapMs',
    'longestGapMs',
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
    ...variants(
      'model-gemini-2.5-flash-nitro',
      'model-gemini-2.0-flash',
      'model-claude-3-haiku',
      'model-llama-3.1-8b-nitro',
      'model-gpt-4o-mini',
      'model-mistral-small',
      'route-latency',
      'route-throughput',
      'keep-alive-drain',
    ),
    {
      name: 'llm-sse-parser',
      patches: ['llm-sse-parser'],
      note: 'a gain in CPU: npm run bench -- parsers, not in sim',
    },
    {
      name: 'max-tokens-200',
      patches: ['max-tokens-200'],
      note: "the stand-ins' replies are shorter than either limit",
    },
    ...variants('history-4-turns'),
    { name: 'history-none', patches: [{ llm: { historyTurns: 0 } }] },
    ...variants('system-prompt-compressed'),
  ],
};

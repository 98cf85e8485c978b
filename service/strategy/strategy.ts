/** A strategy: every optimization knob of one run, as data. Defaults are today's production. A variant is a patch of a strategy. */
import type { Static } from 'typebox';
import type { World } from '../base/events.ts';
import { isObject } from '../base/json.ts';
import { keyedHex } from '../base/random.ts';
import type { Prefetch, StrategySchema } from './schema.ts';

export type Strategy = Static<typeof StrategySchema>;

/** Today's production. */
export const DEFAULT_STRATEGY: Strategy = {
  client: { frameMs: 'received', bargeIn: 'off' },
  stt: {
    method: 'transcriptions',
    language: 'session',
    upload: 'whole',
    vad: { engine: 'energy', silenceMs: 500, trim: false },
    format: 'wav',
    sampleRateHz: 'received',
  },
  llm: {
    model: 'google/gemini-2.5-flash',
    maxTokens: 500,
    temperature: 0.7,
    historyTurns: 'all',
    route: 'default',
    systemPrompt: 'captured',
    reasoning: 'default',
    hedge: 'none',
    seed: 'none',
    sse: 'sdk',
    fallback: [],
  },
  tts: {
    method: 'stream',
    sse: 'sdk',
    queue: { status: 'poll', pollMs: 500 },
    format: 'default',
    voice: 'alloy',
    speed: 1,
    trimSilence: false,
    concurrency: 2,
  },
  pipeline: { chunking: 'sentence', speculation: 'none', prefetch: 'off' },
  cache: { greeting: false, responses: false },
  network: { keepAlive: { idleMs: 4000, drain: false }, http2: false, preResolve: false, preconnect: false },
};

/** Whether the strategy does this ahead. */
export function prefetches({ pipeline: { prefetch } }: Strategy, what: Prefetch): boolean {
  return prefetch === what || (Array.isArray(prefetch) && prefetch.includes(what));
}

/** 12 hex digits that name a resolved strategy: equal strategies have equal hashes, in any order of their keys. */
export function strategyHash(strategy: Strategy): string {
  return keyedHex(12, JSON.stringify(sortKeys(withoutPromptText(strategy))));
}

/** The strategy with its own prompt, if it has one, named by its digest alone: what reports and hashes hold. */
export function withoutPromptText(strategy: Strategy): Strategy {
  const { systemPrompt } = strategy.llm;
  if (typeof systemPrompt === 'string') return strategy;
  return { ...strategy, llm: { ...strategy.llm, systemPrompt: { sha256: systemPrompt.sha256 } } };
}

/**
 * Why turns under the strategy cannot be run in the world; undefined where they can. Of a prompt whose text was not captured, virtual time
 * needs only the length.
 */
export function lacksPrompt({ llm: { systemPrompt } }: Strategy, world: World): string | undefined {
  if (typeof systemPrompt === 'string' || systemPrompt.text !== undefined) return undefined;
  if (world === 'sim' && systemPrompt.chars !== undefined) return undefined;
  const { sha256 } = systemPrompt;
  return `knob "llm.systemPrompt" names a text by its sha256 ${sha256.slice(0, 12)}…, and the text is not here`;
}

/** The knobs in which two strategies differ: `[path, a, b]`. */
export function strategyDiff(a: unknown, b: unknown, path = ''): [knob: string, a: unknown, b: unknown][] {
  if (isObject(a) && isObject(b)) {
    const keys = [...new Set([...Object.keys(a), ...Object.keys(b)])];
    return keys.flatMap((key) => strategyDiff(a[key], b[key], path === '' ? key : `${path}.${key}`));
  }
  return JSON.stringify(a) === JSON.stringify(b) ? [] : [[path, a, b]];
}

function sortKeys(value: unknown): unknown {
  if (!isObject(value)) return value;
  return Object.fromEntries(
    Object.keys(value)
      .sort()
      .map((key) => [key, sortKeys(value[key])]),
  );
}

/** Every knob with the values that a random strategy may have, and covers of their combinations. */
import { InputError } from '../../service/base/errors.ts';
import type { Random } from '../../service/base/ports.ts';
import { resolveStrategy } from '../../service/strategy/patch.ts';
import { patchFromSet } from '../../service/strategy/set.ts';
import type { Strategy } from '../../service/strategy/strategy.ts';

export interface KnobValues {
  path: readonly string[];
  /** Today's value first; undefined leaves the knob out. */
  values: readonly unknown[];
}

const EARLY = { atPause: { pauseMs: 200 } };

/** Values that differ in mechanism, not in degree. */
export const KNOB_VALUES: readonly KnobValues[] = [
  { path: ['client', 'frameMs'], values: ['received', 250] },
  { path: ['client', 'bargeIn'], values: ['off', { minSpeechMs: 500 }] },
  { path: ['stt', 'method'], values: ['transcriptions', 'generate'] },
  { path: ['stt', 'language'], values: ['session', 'en'] },
  { path: ['stt', 'prompt'], values: [undefined, 'Retake'] },
  { path: ['stt', 'upload'], values: ['whole', EARLY, { growing: { chunkMs: 300 } }] },
  { path: ['stt', 'format'], values: ['wav', 'webm-opus'] },
  { path: ['stt', 'sampleRateHz'], values: ['received', 16_000] },
  { path: ['stt', 'vad', 'engine'], values: ['energy', 'webrtc', 'client'] },
  { path: ['stt', 'vad', 'silenceMs'], values: [500, 300] },
  { path: ['stt', 'vad', 'trim'], values: [false, true] },
  {
    path: ['llm', 'model'],
    values: [
      'google/gemini-2.5-flash',
      'meta-llama/llama-3.1-8b-instruct',
      'openai/gpt-4o-mini',
      'mistralai/mistral-small-3.1-24b-instruct',
    ],
  },
  { path: ['llm', 'maxTokens'], values: [500, 6] },
  { path: ['llm', 'temperature'], values: [0.7, 0] },
  { path: ['llm', 'historyTurns'], values: ['all', 0] },
  { path: ['llm', 'route'], values: ['default', { sort: 'latency' }, { sort: 'throughput', dataCollection: 'deny' }] },
  { path: ['llm', 'systemPrompt'], values: ['captured', 'compressed'] },
  { path: ['llm', 'reasoning'], values: ['default', 'none'] },
  { path: ['llm', 'seed'], values: ['none', 7] },
  { path: ['llm', 'sse'], values: ['sdk', 'parser'] },
  { path: ['llm', 'fallback'], values: [[], ['openai/gpt-4o-mini']] },
  {
    path: ['llm', 'hedge'],
    values: [
      'none',
      { afterMs: 30, model: 'meta-llama/llama-3.1-8b-instruct:nitro' },
      { afterMs: 0, ignore: ['Google'] },
    ],
  },
  { path: ['tts', 'method'], values: ['stream', 'speech', 'generate'] },
  { path: ['tts', 'sse'], values: ['sdk', 'parser'] },
  { path: ['tts', 'queue', 'status'], values: ['poll', 'stream'] },
  { path: ['tts', 'queue', 'pollMs'], values: [500, 60] },
  { path: ['tts', 'format'], values: ['default', 'wav', 'pcm'] },
  { path: ['tts', 'voice'], values: ['alloy', 'zeynep'] },
  { path: ['tts', 'speed'], values: [1, 1.15] },
  { path: ['tts', 'trimSilence'], values: [false, true] },
  { path: ['tts', 'concurrency'], values: [2, 1, 4] },
  { path: ['pipeline', 'chunking'], values: ['sentence', 'clause', 'reply'] },
  { path: ['pipeline', 'speculation'], values: ['none', 'predict', 'prefill'] },
  { path: ['pipeline', 'prefetch'], values: ['off', 'connect', 'prompt', 'partial', ['prompt', 'partial']] },
  { path: ['cache', 'greeting'], values: [false, true] },
  { path: ['cache', 'responses'], values: [false, true] },
  {
    path: ['network', 'keepAlive'],
    values: [{ idleMs: 4000, drain: false }, { idleMs: 60_000, drain: true }, false],
  },
  { path: ['network', 'http2'], values: [false, true] },
  { path: ['network', 'preResolve'], values: [false, true] },
  { path: ['network', 'preconnect'], values: [false, true] },
  { path: ['network', 'region'], values: [undefined, 'near', 'nearest'] },
];

export type KnobChoice = readonly number[];

/** A strategy with one value a knob; undefined where the schema refuses the combination. */
export function admittedStrategy(choice: KnobChoice): Strategy | undefined {
  const patches = KNOB_VALUES.flatMap(({ path, values }, index) => {
    const value = values[choice[index] ?? 0];
    return value === undefined ? [] : [patchFromSet(`${path.join('.')}=${JSON.stringify(value)}`)];
  });
  try {
    return resolveStrategy(patches, 'combination');
  } catch (error) {
    if (error instanceof InputError) return undefined;
    throw error;
  }
}

export function randomChoice(random: Random): KnobChoice {
  return KNOB_VALUES.map(({ values }) => Math.floor(random() * values.length));
}

/** A random combination that the schema admits. */
export function randomStrategy(random: Random): Strategy {
  for (let attempt = 0; attempt < 10_000; attempt++) {
    const strategy = admittedStrategy(randomChoice(random));
    if (strategy !== undefined) return strategy;
  }
  throw new InputError('no admitted combination in 10,000 draws');
}

/**
 * Few strategies that hold every admitted pair of values of two knobs. Each takes the best of some draws that hold a missing pair.
 * `refused` lists the pairs for which no admitted strategy was found.
 */
export function pairwise(random: Random): { strategies: Strategy[]; refused: string[] } {
  const missing = new Map<string, readonly [number, number, number, number]>();
  KNOB_VALUES.forEach(({ values: left }, a) => {
    KNOB_VALUES.slice(a + 1).forEach(({ values: right }, offset) => {
      const b = a + 1 + offset;
      left.forEach((_, x) => right.forEach((__, y) => missing.set(`${a}.${x} ${b}.${y}`, [a, x, b, y])));
    });
  });
  const strategies: Strategy[] = [];
  const take = (choice: KnobChoice, strategy: Strategy): void => {
    strategies.push(strategy);
    choice.forEach((x, a) => choice.forEach((y, b) => missing.delete(`${a}.${x} ${b}.${y}`)));
  };
  const gain = (choice: KnobChoice): number => {
    let count = 0;
    choice.forEach((x, a) => choice.forEach((y, b) => (count += missing.has(`${a}.${x} ${b}.${y}`) ? 1 : 0)));
    return count;
  };
  const base: KnobChoice = KNOB_VALUES.map(() => 0);
  const refused: string[] = [];
  for (const [key, [a, x, b, y]] of missing) {
    if (!missing.has(key)) continue;
    let best: { choice: KnobChoice; strategy: Strategy; gain: number } | undefined;
    for (let draw = 0; draw < 12; draw++) {
      const drawn = draw === 11 ? base : randomChoice(random);
      const choice = drawn.map((value, index) => (index === a ? x : index === b ? y : value));
      const strategy = admittedStrategy(choice);
      const won = strategy === undefined ? 0 : gain(choice);
      if (strategy !== undefined && won > (best?.gain ?? 0)) best = { choice, strategy, gain: won };
    }
    if (best === undefined)
      refused.push(
        `${KNOB_VALUES[a]?.path.join('.')} ${JSON.stringify(KNOB_VALUES[a]?.values[x])} with ${KNOB_VALUES[b]?.path.join('.')} ${JSON.stringify(KNOB_VALUES[b]?.values[y])}`,
      );
    else take(best.choice, best.strategy);
  }
  return { strategies, refused };
}

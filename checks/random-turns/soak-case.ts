/** Random sessions for the soak: strategy, faults, timings and users from one seed, as data that a shrinker can take apart. */
import { InputError } from '../../service/base/errors.ts';
import { keyedRandom } from '../../service/base/random.ts';
import { resolveStrategy, type StrategyPatch } from '../../service/strategy/patch.ts';
import { KNOB_VALUES } from './combinations.ts';
import { knobsWith } from '../../service/strategy/knobs.ts';
import type { SoakCase, SoakFault, SoakTurn } from './soak-schema.ts';
import { FAULT_KINDS, WIRE_ONLY, type FaultSpec } from '../../sim/faults/kinds.ts';
import type { RouteName } from '../../sim/faults/routes.ts';

type Pick = <T>(values: readonly T[]) => T;

/** Values that the soak tries beside those of the combinations. */
const MORE: Readonly<Record<string, readonly unknown[]>> = {
  'stt.upload': [{ atPause: { pauseMs: 150 } }],
  'stt.vad.silenceMs': [250],
  'llm.model': ['meta-llama/llama-3.1-8b-instruct:nitro'],
  'llm.maxTokens': [12],
  'llm.historyTurns': [1],
  'network.keepAlive': [{ idleMs: 300, drain: false }],
};
/**
 * The soak leaves the uncounted knobs to the combinations: its rules count every request and byte of a turn.
 */
const LEFT_OUT: ReadonlySet<string> = new Set(knobsWith('uncounted'));
const SOAKED = KNOB_VALUES.filter(({ path }) => !LEFT_OUT.has(path.join('.')));
/** Share of the knobs that a case sets. */
const SET = 0.2;

/** The `index`th case of a seed. */
export function soakCase(seed: string, index: number): SoakCase {
  const random = keyedRandom('soak', seed, index);
  const pick: Pick = (values) => {
    const value = values[Math.floor(random() * values.length)];
    if (value === undefined) throw new InputError('nothing to pick from');
    return value;
  };
  const chance = (share: number): boolean => random() < share;
  let strategy: StrategyPatch = {};
  for (const { path, values } of SOAKED) {
    if (!chance(SET)) continue;
    const { value } = pick([...values, ...(MORE[path.join('.')] ?? [])].map((each) => ({ value: each })));
    const candidate = value === undefined ? strategy : withKnob(strategy, path.join('.'), value);
    if (isPossible(candidate)) strategy = candidate;
  }
  const atOnce = chance(0.15); // events of one instant are the likeliest to change their order
  const factor = (): number => (atOnce ? 0 : pick([0, 0.02, 0.3, 1, 1, 4]));
  return {
    seed: `${seed}/${index}`,
    strategy,
    pace: { network: factor(), stt: factor(), llm: factor(), tts: factor() },
    charsPerDelta: pick([3, 8, 20, 60]),
    turns: Array.from({ length: pick([1, 2, 2, 3]) }, () => turnOf(pick, chance, random)),
  };
}

function turnOf(pick: Pick, chance: (share: number) => boolean, random: () => number): SoakTurn {
  const some = (most: number): number => Math.floor(random() * most);
  return {
    zero: chance(0.5) ? 'upload' : 'audio',
    frameMs: pick([20, 50, 100]),
    voiceMs: Array.from({ length: pick([2, 2, 4]) }, (_, index) => (index % 2 === 0 ? some(300) : 200 + some(600))),
    sentences: Array.from({ length: pick([1, 2, 3, 4]) }, () => 2 + some(8)),
    hangUpMs: chance(0.15) ? some(4000) : undefined,
    clientMs: chance(0.1) ? pick([0, 5, 120]) : undefined,
    faults: Array.from({ length: chance(0.45) ? 1 + some(3) : 0 }, () => faultOf(pick, chance, some)),
  };
}

const FAULTY_ROUTES: readonly RouteName[] = [
  'stt.transcriptions',
  'llm',
  'llm',
  'tts.stream',
  'tts.stream',
  'tts.speech',
  'queue.submit',
  'queue.poll',
  'cdn.get',
];

const SIM_KINDS = FAULT_KINDS.filter((kind) => !WIRE_ONLY.has(kind));

function faultOf(pick: Pick, chance: (share: number) => boolean, some: (most: number) => number): SoakFault {
  const route = pick(FAULTY_ROUTES);
  const kind = pick(SIM_KINDS);
  const fault: FaultSpec = {
    kind,
    afterChunks: some(4),
    status: kind === 'status' ? pick([400, 401, 429, 500, 503]) : undefined,
    retryAfterS: kind === 'status' && chance(0.3) ? some(3) : undefined,
  };
  return { route, ordinal: route === 'llm' ? 0 : some(3), attempt: chance(0.7) ? 0 : 1, fault };
}

function withKnob(patch: StrategyPatch, knob: string, value: unknown): StrategyPatch {
  const [head = '', ...rest] = knob.split('.');
  if (rest.length === 0) return { ...patch, [head]: value };
  const inner = patch[head];
  const section = typeof inner === 'object' && inner !== null ? { ...inner } : {};
  return { ...patch, [head]: withKnob(section, rest.join('.'), value) };
}

function isPossible(patch: StrategyPatch): boolean {
  try {
    resolveStrategy([patch], 'soak');
    return true;
  } catch {
    return false;
  }
}

/**
 * Simpler cases that may fail in the same way, simplest first: fewer turns, then turns without one of their parts, then one knob
 * fewer.
 */
export function simpler(failing: SoakCase): SoakCase[] {
  const { turns, strategy, pace } = failing;
  const cases: SoakCase[] = [];
  turns.forEach((_turn, index) => {
    if (turns.length > 1) cases.push({ ...failing, turns: turns.filter((_each, at) => at !== index) });
  });
  turns.forEach((turn, index) => {
    const change = (simple: SoakTurn): number =>
      cases.push({ ...failing, turns: turns.map((each, at) => (at === index ? simple : each)) });
    turn.faults.forEach((_fault, at) =>
      change({ ...turn, faults: turn.faults.filter((_each, other) => other !== at) }),
    );
    if (turn.hangUpMs !== undefined) change({ ...turn, hangUpMs: undefined });
    if (turn.clientMs !== undefined) change({ ...turn, clientMs: undefined });
    if (turn.zero !== 'upload') change({ ...turn, zero: 'upload' });
    if (turn.sentences.length > 1) change({ ...turn, sentences: turn.sentences.slice(1) });
    if (turn.voiceMs.length > 2) change({ ...turn, voiceMs: turn.voiceMs.slice(0, 2) });
  });
  for (const [section, knobs] of Object.entries(strategy)) {
    for (const knob of Object.keys(Object(knobs))) {
      const left = Object.fromEntries(Object.entries(Object(knobs)).filter(([name]) => name !== knob));
      const without = { ...strategy, [section]: left };
      if (isPossible(without)) cases.push({ ...failing, strategy: without });
    }
  }
  if (Object.values(pace).some((each) => each !== 1))
    cases.push({ ...failing, pace: { network: 1, stt: 1, llm: 1, tts: 1 } });
  return cases;
}

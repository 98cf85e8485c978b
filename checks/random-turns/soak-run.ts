/** One soak case in virtual time: its world, its users' voices, and every turn checked. */
import { describeError, StageError } from '../../service/base/errors.ts';
import type { AudioFrame, Clock, UserAudio } from '../../service/base/ports.ts';
import { PROBE_LIMIT_MS } from '../../service/net/regions.ts';
import { resolveStrategy } from '../../service/strategy/patch.ts';
import type { Handed } from './order.ts';
import { violationsOf, type Served, type Violation } from './rules.ts';
import { loadProfile, type Figure, type Profile } from '../../sim/times/profile.ts';
import { createSimSession } from '../../sim/world/session.ts';
import { scenarioOf, type SoakCase, type SoakTurn } from './soak-schema.ts';
import { speechPcm } from '../../sim/times/speech-audio.ts';
import { createSimWorld } from '../../sim/world/world.ts';

const RATE_HZ = 16_000;
const PROFILE = loadProfile('seed');
const SPEECH = speechPcm('soak', 64_000, 0);
const WORDS = 'bu projede hangi seçenekleri karşılaştırdınız ve sonunda neden birini, ötekini değil'.split(' ');

export interface CaseResult {
  turns: number;
  failed: number;
  /** Those of the first turn that breaks a rule; the rest of its session is not run. */
  violations: readonly Violation[];
}

/** Runs one case. An error that escapes a turn is a violation too. */
export async function runCase(soak: SoakCase): Promise<CaseResult> {
  const served: Served[] = [];
  let current: SoakTurn | undefined;
  const world = createSimWorld({
    profile: paced(soak),
    seed: soak.seed,
    script: {
      transcript: (_context, { speech }) => (speech === 'none' ? '' : 'Ben daha çok arka uçta çalıştım.'),
      reply: () => (current?.sentences ?? [2]).map(sentence).join(' '),
    },
    // regions are probed beside the turns, and no log holds the probes
    served: (context, facts) => context.stage === 'endpointing' || served.push({ context, facts }),
    scenario: scenarioOf(soak),
  });
  const sessionId = 'soak';
  const strategy = resolveStrategy([soak.strategy], 'soak');
  const session = createSimSession({
    world,
    sessionId,
    strategy,
    language: 'tr',
    systemPrompt: 'Sen bir mülakatçısın.',
    profile: 'seed',
  });
  let [turns, failed, traceChars] = [0, 0, 0];
  for (const each of soak.turns) {
    current = each;
    served.length = 0;
    const handed: Handed[] = [];
    const { clock } = world;
    const hangUp = new AbortController();
    const over = new AbortController();
    let cancelledUs: number | undefined;
    try {
      if (each.hangUpMs !== undefined) {
        const left = (): void => {
          cancelledUs = clock.nowUs();
          hangUp.abort(new StageError('deliver', 'cancelled', 'the user hung up'));
        };
        clock.sleep(each.hangUpMs, over.signal).then(left, () => undefined);
      }
      const turn = await session.turn({
        audio: (spoken) => voice(each, spoken),
        signal: hangUp.signal,
        reply: {
          audio: async (pcm, pieceIndex) => {
            handed.push({ atUs: clock.nowUs(), pieceIndex, bytes: pcm.byteLength });
            if (each.clientMs !== undefined) await clock.sleep(each.clientMs);
          },
        },
      });
      over.abort();
      // the probes of regions may outlast the turn
      if (strategy.network.region === 'nearest') await clock.run(() => clock.sleep(PROBE_LIMIT_MS));
      turns++;
      if (turn.summary.failure !== undefined) failed++;
      const trace = String(session.store.files(sessionId).get('trace.otlp.jsonl'));
      const violations = violationsOf({
        turn,
        otlpLine: trace.slice(traceChars),
        handed,
        billLost: each.faults.some(({ route }) => route === 'llm'),
        served: [...served],
        cancelledUs,
        sleeping: clock.sleeping(),
        held: world.exchangesInUse(),
      });
      traceChars = trace.length;
      if (violations.length > 0) return { turns, failed, violations };
    } catch (error) {
      return { turns, failed, violations: [{ rule: 'no error escapes', detail: describeError(error, 300) }] };
    }
  }
  return { turns, failed, violations: [] };
}

function sentence(words: number, index: number): string {
  const chosen = Array.from({ length: words }, (_, at) => WORDS[(index * 3 + at) % WORDS.length]).join(' ');
  return `${chosen.slice(0, 1).toUpperCase()}${chosen.slice(1)}${index % 2 === 0 ? '.' : '?'}`;
}

/** Tones and silence; after a streamed voice comes silence, as from a microphone. */
function voice({ zero, frameMs, voiceMs }: SoakTurn, clock: Clock): UserAudio {
  const totalMs = voiceMs.reduce((sum, ms) => sum + ms, 0);
  const samples = new Int16Array((totalMs * RATE_HZ) / 1000);
  const speech = new Int16Array(SPEECH.buffer, SPEECH.byteOffset, SPEECH.byteLength / 2);
  let at = 0;
  for (const [index, ms] of voiceMs.entries()) {
    const length = (ms * RATE_HZ) / 1000;
    if (index % 2 === 1) samples.set(speech.subarray(0, length), at);
    at += length;
  }
  const length = (frameMs * RATE_HZ) / 1000;
  return {
    zero,
    sampleRateHz: RATE_HZ,
    startedUs: zero === 'upload' ? clock.nowUs() : undefined,
    async *frames(signal): AsyncGenerator<AudioFrame> {
      if (zero === 'upload') {
        yield { atUs: clock.nowUs(), samples };
        return;
      }
      for (let offset = 0; offset < samples.length + 8 * RATE_HZ; offset += length) {
        const slept = await clock.sleep(frameMs, signal).then(
          () => true,
          () => false,
        );
        if (!slept) return;
        const frame = new Int16Array(length);
        frame.set(samples.subarray(offset, offset + length));
        yield { atUs: clock.nowUs(), samples: frame };
      }
    },
  };
}

const SECTIONS = ['network', 'stt', 'llm', 'tts'] as const;

/** The profile with the times of each section multiplied, and its sizes unchanged. */
function paced({ pace, charsPerDelta }: SoakCase): Profile {
  const scaled = (value: unknown, factor: number): unknown => {
    if (typeof value !== 'object' || value === null) return value;
    return Object.fromEntries(
      Object.entries(value).map(([name, inner]) => {
        const isTime = /Ms(PerKb)?$/.test(name) && !/^(leadingSilence|dnsTtl)/.test(name);
        return [name, isFigure(inner) ? (isTime ? times(inner, factor) : inner) : scaled(inner, factor)];
      }),
    );
  };
  const parts = Object.fromEntries(SECTIONS.map((section) => [section, scaled(PROFILE[section], pace[section])]));
  const profile: Profile = { ...PROFILE, ...parts };
  const constant: Figure = { source: 'drawn by the soak', quantiles: [[0, charsPerDelta]] };
  const models = Object.fromEntries(
    Object.entries(profile.llm.models).map(([model, figures]) => [model, { ...figures, charsPerDelta: constant }]),
  );
  return { ...profile, llm: { ...profile.llm, models } };
}

function isFigure(value: unknown): value is Figure {
  return typeof value === 'object' && value !== null && 'quantiles' in value;
}

function times(figure: Figure, factor: number): Figure {
  return { ...figure, quantiles: figure.quantiles.map(([p, value]) => [p, value * factor]) };
}

/** The fixture interviews as sessions to replay. They hold audio and conversation but no exchange: every latency is drawn. */
import { readFileSync } from 'node:fs';
import { joinSamples, parseWav, samplesToPcmBytes, type Wav } from '../../service/audio/pcm.ts';
import { InvariantError } from '../../service/base/errors.ts';
import type { Message } from '../../service/base/ports.ts';
import type { TurnEvent, TurnLog } from '../../service/base/events.ts';
import { keyedHex } from '../../service/base/random.ts';
import { createResampler } from '../../service/audio/resample.ts';
import { DEFAULT_STRATEGY, strategyHash } from '../../service/strategy/strategy.ts';
import { loadInterviews, type Interview } from '../../sim/world/fixtures.ts';
import type { CapturedSession } from '../../replay/sessions/captured-session.ts';

const FRAME_MS = 20;
/** From the end of one recording to the start of the next: a reply takes some seconds. */
const GAP_MS = 8000;
/** A fixed instant. No figure depends on it. */
const STARTED_EPOCH_US = 1_767_225_600_000_000;
/** Messages before the first turn: the knobs of history have something to cut. */
const HISTORY_MESSAGES = 20;

/** Most turns of a session: those of the shortest interview. */
export const MOST_TURNS = Math.min(...loadInterviews().map(({ turns }) => turns.length));

export interface BenchSpeech {
  /** Recordings in each turn, repeated: [1, 2] makes every second turn twice as long. By default [1]. */
  recordings?: readonly number[];
  /** Rate of the client's microphone; by default that of the recordings. */
  rateHz?: number;
}

/**
 * `count` sessions of `turns` turns each, the interviews one after another. Sessions of one interview differ in their id
 * only, which keys their draws: they repeat the words and draw the latencies anew.
 */
export function benchSessions(count: number, turns: number, speech: BenchSpeech = {}): CapturedSession[] {
  const interviews = loadInterviews();
  return Array.from({ length: count }, (_, index) => {
    const interview = interviews[index % interviews.length];
    if (interview === undefined) return [];
    return [sessionOf(interview, `${interview.name}~${Math.floor(index / interviews.length)}`, turns, speech)];
  }).flat();
}

function sessionOf(interview: Interview, sessionId: string, turns: number, speech: BenchSpeech): CapturedSession {
  const said = interview.turns.flatMap(({ transcript, reply }): Message[] => [
    { role: 'user', content: transcript },
    { role: 'assistant', content: reply },
  ]);
  let startMs = 0;
  return {
    sessionId,
    language: interview.language,
    level: 'full',
    commit: 'fixtures',
    systemPrompt: interview.systemPrompt,
    history: Array.from({ length: HISTORY_MESSAGES }, (_, index) => said[index % said.length]).filter(
      (message) => message !== undefined,
    ),
    interview: interview.name,
    strategy: DEFAULT_STRATEGY,
    turns: interview.turns.slice(0, turns).map((_, turnIndex) => {
      const { sampleRateHz, samples } = spoken(interview, turnIndex, speech);
      const log = turnLogOf(sessionId, turnIndex, startMs, sampleRateHz, samples);
      startMs += (samples.length / sampleRateHz) * 1000 + GAP_MS;
      return log;
    }),
  };
}

/** The recordings of one turn, said without a pause that would end it. */
function spoken(interview: Interview, turnIndex: number, { recordings = [1], rateHz }: BenchSpeech): Wav {
  const count = recordings[turnIndex % recordings.length] ?? 1;
  const parts = Array.from({ length: count }, (_, index) => {
    const turn = interview.turns[(turnIndex + index) % interview.turns.length];
    if (turn === undefined) throw new InvariantError(`interview ${interview.name} has no turns`);
    const wav = parseWav(readFileSync(new URL(`../../fixtures/audio/${turn.audio}`, import.meta.url)));
    const isLast = index === count - 1;
    const end = isLast ? wav.samples.length : Math.round((turn.speechEndMs / 1000) * wav.sampleRateHz);
    return { ...wav, samples: wav.samples.subarray(0, end) };
  });
  const recordedHz = parts[0]?.sampleRateHz ?? 0;
  const samples = joinSamples(parts.map((part) => part.samples));
  if (rateHz === undefined || rateHz === recordedHz) return { sampleRateHz: recordedHz, samples };
  const resampler = createResampler(recordedHz, rateHz);
  return { sampleRateHz: rateHz, samples: joinSamples([...resampler.push(samples), resampler.rest()]) };
}

function turnLogOf(
  sessionId: string,
  turnIndex: number,
  startMs: number,
  sampleRateHz: number,
  samples: Int16Array,
): TurnLog {
  const frame = (sampleRateHz * FRAME_MS) / 1000;
  const frames = Math.floor(samples.length / frame);
  const events: TurnEvent[] = [
    { id: 0, kind: 'speech.start', stage: 'endpointing', atUs: FRAME_MS * 1000 },
    {
      id: 1,
      kind: 'speech.audio',
      stage: 'endpointing',
      cause: 0,
      atUs: frames * FRAME_MS * 1000,
      attrs: {
        sampleRateHz,
        frameAtUs: Array.from({ length: frames }, (_, index) => (index + 1) * FRAME_MS * 1000),
        frameSamples: Array.from({ length: frames }, () => frame),
      },
      content: { audio: samplesToPcmBytes(samples.subarray(0, frames * frame)), sampleRateHz },
    },
  ];
  return {
    identity: {
      sessionId,
      turnIndex,
      traceId: keyedHex(32, 'bench', sessionId, turnIndex),
      runId: 'fixtures',
      world: 'sim',
      lane: 'captured',
      variant: 'captured',
      arm: 'fixtures',
      strategyHash: strategyHash(DEFAULT_STRATEGY),
    },
    zero: 'audio',
    anchorUs: STARTED_EPOCH_US + Math.round(startMs * 1000),
    events,
  };
}

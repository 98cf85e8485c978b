/** The interviews of `fixtures/`, and turns that speak them. */
import { readFileSync } from 'node:fs';
import { parseWav } from '../../service/audio/pcm.ts';
import type { AudioFrame, Clock, Message, ReplySink, UserAudio } from '../../service/base/ports.ts';
import { observeTurn, type FinishedTurn, type Projection } from '../../service/turn/observe.ts';
import { strategyHash, type Strategy } from '../../service/strategy/strategy.ts';
import type { RunWorld } from '../../service/world.ts';
import { keyedHex } from '../../service/base/random.ts';
import { parseInterviews, type Interviews } from '../stand-ins/script.ts';

export type Interview = Interviews[number];

const FIXTURES = new URL('../../fixtures/', import.meta.url);
const FRAME_MS = 20;

/** So many interviews have both languages, for whoever needs different words and few turns. */
export const FEW_INTERVIEWS = 3;

/** The first `most` interviews of `fixtures/interviews.json`, validated; all by default. */
export function loadInterviews(most = Infinity): Interviews {
  return parseInterviews(JSON.parse(readFileSync(new URL('interviews.json', FIXTURES), 'utf8'))).slice(0, most);
}

/** A fixture's recording in frames of `frameMs`, at the speaker's pace. */
export function fixtureAudio(file: string, frameMs = FRAME_MS): (clock: Clock) => UserAudio {
  const { sampleRateHz, samples } = parseWav(readFileSync(new URL(`audio/${file}`, FIXTURES)));
  const frame = (sampleRateHz * frameMs) / 1000;
  return (clock) => ({
    zero: 'audio',
    sampleRateHz,
    async *frames(signal): AsyncGenerator<AudioFrame> {
      for (let offset = 0; offset + frame <= samples.length; offset += frame) {
        try {
          await clock.sleep(frameMs, signal);
        } catch {
          return;
        }
        yield { atUs: clock.nowUs(), samples: samples.subarray(offset, offset + frame) };
      }
    },
  });
}

/** Runs one turn of an interview. The script's earlier turns are the history. */
export function runFixtureTurn(
  world: RunWorld,
  interview: Interview,
  turnIndex: number,
  options: {
    strategy: Strategy;
    audio: (clock: Clock) => UserAudio;
    profile: string;
    projections?: readonly Projection[];
    sessionId?: string;
    signal?: AbortSignal;
    /** Gets the reply's audio. */
    reply?: ReplySink;
  },
): Promise<FinishedTurn> {
  const { strategy, sessionId = interview.name } = options;
  const history = interview.turns.slice(0, turnIndex).flatMap(({ transcript, reply }): Message[] => [
    { role: 'user', content: transcript },
    { role: 'assistant', content: reply },
  ]);
  const runId = keyedHex(16, 'fixture', sessionId, strategyHash(strategy));
  return observeTurn(
    world.ports(strategy, sessionId, turnIndex),
    {
      identity: {
        sessionId,
        turnIndex,
        traceId: keyedHex(32, runId, sessionId, turnIndex),
        runId,
        world: 'sim',
        lane: 'baseline',
        variant: 'baseline',
        arm: 'baseline',
        strategyHash: strategyHash(strategy),
        interview: interview.name,
        profile: options.profile,
      },
      strategy,
      conversation: { systemPrompt: interview.systemPrompt, history },
      language: interview.language,
      audio: options.audio(world.clock),
      reply: options.reply ?? { audio: () => Promise.resolve() },
      signal: options.signal,
      sinks: [],
      onSinkError: (error) => {
        throw error;
      },
    },
    options.projections ?? [],
  );
}

/** Runs sessions under lanes, many at once in one process: captures and measures in `wire`, predicts in `sim`. */
import { createRealClock } from '../service/base/clock.ts';
import { measureTurn } from '../service/turn-log/metrics.ts';
import type { TurnLog } from '../service/base/events.ts';
import { keyedRandom } from '../service/base/random.ts';
import { DEFAULT_STRATEGY } from '../service/strategy/strategy.ts';
import { resolveStrategy } from '../service/strategy/patch.ts';
import { otlpLineOf } from '../service/telemetry/otel.ts';
import { createArm, type ArmWorld } from '../replay/arms/arm.ts';
import type { CapturedSession } from '../replay/sessions/captured-session.ts';
import type { ReplayedTurn } from '../replay/arms/replayed-turn.ts';
import type { Variant } from '../replay/variants/variants.ts';
import { loadInterviews } from '../sim/world/fixtures.ts';

/** From the end of one recording to the start of the next: alternately within and beyond the idle limit of today's connections. */
const GAPS_MS = [5000, 12_000] as const;
/** Turns at once: each works for some milliseconds of the seconds that it waits. */
const AT_ONCE = 64;
/** First turns begin this far apart: at once they would wait for each other's TLS. */
const STAGGER_MS = 200;
export interface Lane {
  name: string;
  variant?: Variant;
}

/** The session with this check's pauses and the captured words, so that every lane has the same history. */
export function withHistory(session: CapturedSession): CapturedSession {
  const said = loadInterviews().find(({ name }) => name === session.interview)?.turns ?? [];
  let startUs = session.turns[0]?.anchorUs ?? 0;
  const turns = session.turns.map((log, index): TurnLog => {
    const lastUs = Math.max(...log.events.map(({ atUs }) => atUs));
    const { transcript = '', reply = '' } = said[log.identity.turnIndex] ?? {};
    const texts = [
      { kind: 'stt.done', stage: 'stt', text: transcript },
      { kind: 'llm.done', stage: 'llm', text: reply },
    ] as const;
    const events = texts.map(({ text, ...event }, at) => ({
      ...event,
      id: log.events.length + at,
      atUs: lastUs,
      attrs: { chars: text.length },
      content: { text },
    }));
    const spaced = { ...log, anchorUs: startUs, events: [...log.events, ...events] };
    startUs += lastUs + 1000 * (GAPS_MS[index % GAPS_MS.length] ?? 0);
    return spaced;
  });
  return { ...session, turns };
}

export interface LaneTurn {
  lane: string;
  log: TurnLog;
  turn: ReplayedTurn;
}

/** Every session under every lane, each in a world of its own. */
export async function runLanes(
  against: ArmWorld,
  sessions: readonly CapturedSession[],
  lanes: readonly Lane[],
  told: (done: number, all: number) => void,
  run = 0,
): Promise<LaneTurn[]> {
  const workers = against.world === 'sim' ? 1 : AT_ONCE;
  const tasks = sessions
    .flatMap((session) => lanes.map((lane) => ({ session, lane })))
    .map((task) => ({ ...task, rank: keyedRandom('order', task.session.sessionId, task.lane.name)() }))
    .sort((one, other) => one.rank - other.rank);
  const results: LaneTurn[][] = [];
  let next = 0;
  let done = 0;
  const clock = createRealClock();
  const work = async (_: unknown, worker: number): Promise<void> => {
    if (workers > 1) await clock.sleep(worker * STAGGER_MS);
    for (let index = next++; index < tasks.length; index = next++) {
      const task = tasks[index];
      if (task === undefined) return;
      results[index] = await runSession(against, task.session, task.lane, run);
      told(++done, tasks.length);
    }
  };
  await Promise.all(Array.from({ length: Math.min(workers, tasks.length) }).map(work));
  return results.flat();
}

async function runSession(
  against: ArmWorld,
  session: CapturedSession,
  { name, variant }: Lane,
  run: number,
): Promise<LaneTurn[]> {
  const arm = createArm(against);
  const lane = variant === undefined ? ('baseline' as const) : ('candidate' as const);
  const strategy = variant === undefined ? DEFAULT_STRATEGY : resolveStrategy([variant.patch], name);
  const turns: LaneTurn[] = [];
  try {
    for (const [index, { identity }] of session.turns.entries()) {
      const planned = { lane, variant: name, sessionId: session.sessionId, turnIndex: identity.turnIndex, run };
      const last = index === session.turns.length - 1;
      const settings = { runId: 'trust', pace: 'captured', words: 'own', arm: name } as const;
      const { log } = await arm.turn(session, { planned, strategy, last, ...settings });
      const measured = measureTurn(log);
      turns.push({ lane: name, log, turn: { planned, summary: measured.summary, otlp: otlpLineOf(log, measured) } });
    }
  } finally {
    await arm.close();
  }
  return turns;
}

/** Makes a capture of the turns that ran, with as much of the user's audio as was heard. */
export function capturedFrom(session: CapturedSession, ran: readonly LaneTurn[]): CapturedSession {
  const turns = ran
    .filter(({ log }) => log.identity.sessionId === session.sessionId)
    .map(({ log }): TurnLog => {
      const spoken = session.turns.find(({ identity }) => identity.turnIndex === log.identity.turnIndex)?.events;
      const audio = spoken?.find(({ kind }) => kind === 'speech.audio')?.content?.audio;
      const events = log.events.map((event) => {
        if (event.kind !== 'speech.audio' || audio === undefined) return event;
        const samples = event.attrs?.['frameSamples'];
        const heard = Array.isArray(samples) ? samples.reduce<number>((sum, each) => sum + Number(each), 0) : 0;
        return { ...event, content: { audio: audio.subarray(0, 2 * heard) } };
      });
      return { ...log, events };
    });
  return { ...session, turns };
}

/**
 * The causality check delays each provider event, and each timer, of a simulated turn alone by 1,000 µs and runs the turn again.
 * Where the ledger's walk passed the event, end to end must grow by 1,000 µs; elsewhere by at most 1,000 µs less the slack.
 */
import { InvariantError } from '../../service/base/errors.ts';
import { ledgerOf, slackOf } from '../../service/turn-log/ledger.ts';
import { zeroUsOf } from '../../service/turn-log/metrics.ts';
import type { Clock } from '../../service/base/ports.ts';
import type { TurnLog } from '../../service/base/events.ts';
import { keyedRandom } from '../../service/base/random.ts';
import { resolveStrategy } from '../../service/strategy/patch.ts';
import type { Strategy } from '../../service/strategy/strategy.ts';
import type { RunWorld } from '../../service/world.ts';
import { delayables } from './causality.ts';
import { fixtureAudio, FEW_INTERVIEWS, loadInterviews, runFixtureTurn } from '../../sim/world/fixtures.ts';
import type { DelayKey } from '../../sim/times/plan.ts';
import { loadProfile } from '../../sim/times/profile.ts';
import { createSimWorld } from '../../sim/world/world.ts';

const DELAY_US = 1000;
/** Pause between two polls of the queue. No other wait of a turn is this long, so the length tells these timers apart. */
const POLL_MS = 170;

const interviews = loadInterviews(FEW_INTERVIEWS);
const profile = loadProfile('seed');
const audios = new Map<string, ReturnType<typeof fixtureAudio>>();

/** One delayed thing: a provider's event, or the n-th timer of the turn. */
export type Delay = { event: DelayKey } | { timer: number };

export interface CausalityCase {
  seed: string;
  /** Ordinal of the fixture turn. */
  pick: number;
  strategy: Strategy;
  settleImmediates?: number;
  delay?: Delay;
  /** Frames of this length; fewer frames, fewer wakes. */
  frameMs?: number;
  /** Changes the simulated world. */
  altered?: (world: RunWorld) => RunWorld;
}

/** One fixture turn in virtual time. Throws when it fails. */
export async function runSimTurn({
  seed,
  pick,
  strategy,
  settleImmediates,
  delay,
  frameMs = 20,
  altered = (world) => world,
}: CausalityCase): Promise<TurnLog> {
  const interview = interviews[pick % interviews.length];
  const turnIndex = Math.floor(pick / interviews.length) % (interview?.turns.length ?? 1);
  const file = interview?.turns[turnIndex]?.audio;
  if (interview === undefined || file === undefined) throw new InvariantError(`there is no fixture turn ${pick}`);
  const known = `${file} ${frameMs}`;
  const audio = audios.get(known) ?? fixtureAudio(file, frameMs);
  audios.set(known, audio);
  const event = delay !== undefined && 'event' in delay ? order(delay.event) : undefined;
  const world = createSimWorld({
    profile,
    seed,
    interviews,
    settleImmediates,
    delay: event === undefined ? undefined : (key) => (order(key) === event ? DELAY_US : 0),
  });
  const timed = delay !== undefined && 'timer' in delay ? withLateTimer(world, delay.timer) : world;
  const { log, summary } = await world.clock.run(() =>
    runFixtureTurn(altered(timed), interview, turnIndex, { strategy, audio, profile: 'seed' }),
  );
  if (summary.failure !== undefined) throw new InvariantError(`${seed}/${pick}: ${summary.failure.message}`);
  return log;
}

const order = ({ stage, ordinal, attempt, fetchIndex, item }: DelayKey): string =>
  [stage, ordinal, attempt, fetchIndex, item].join('.');

/** The same world with a longer n-th pause between polls. */
function withLateTimer(world: RunWorld, index: number): RunWorld {
  let seen = 0;
  const late = (clock: Clock): Clock => ({
    nowUs: () => clock.nowUs(),
    epochUs: () => clock.epochUs(),
    giveWay: (piecesDone, signal) => clock.giveWay(piecesDone, signal),
    sleep: (ms, signal) => clock.sleep(ms === POLL_MS && seen++ === index ? ms + DELAY_US / 1000 : ms, signal),
  });
  return {
    ...world,
    ports: (...which) => {
      const ports = world.ports(...which);
      return { ...ports, clock: late(ports.clock) };
    },
  };
}

export interface CausalityResult {
  complaints: string[];
  /** Delays whose effect was compared with the ledger. */
  checked: number;
  timers: number;
  /** Delays that changed the order of events. Such a delay cannot judge the ledger. */
  reordered: number;
}

/** Checks one turn. `share` of its events and timers are delayed, chosen by the seed; `tamper` breaks the log first. */
export async function checkCausality(
  turn: Omit<CausalityCase, 'delay'>,
  share: number,
  tamper: (log: TurnLog) => TurnLog = (log) => log,
): Promise<CausalityResult> {
  const genuine = await runSimTurn(turn);
  const claimed = tamper(genuine);
  const random = keyedRandom('causality', turn.seed, turn.pick);
  const result: CausalityResult = { complaints: [], checked: 0, timers: 0, reordered: 0 };
  const candidates = [
    ...delayables(claimed).map(({ key, ...about }) => ({ delay: { event: key }, ...about })),
    ...timersOf(claimed),
  ];
  for (const { delay, critical, slackUs } of candidates.filter(() => random() < share)) {
    const again = await runSimTurn({ ...turn, delay });
    if (orderOf(again) !== orderOf(genuine)) {
      result.reordered++;
      continue;
    }
    if ('timer' in delay) result.timers++;
    else result.checked++;
    const grownUs = e2eUsOf(again) - e2eUsOf(genuine);
    const right = critical ? grownUs === DELAY_US : grownUs <= Math.max(0, DELAY_US - slackUs);
    if (right) continue;
    const what = JSON.stringify({ ...delay, critical, slackUs });
    result.complaints.push(`seed ${turn.seed}, turn ${turn.pick}: ${what} grew ${grownUs} µs`);
  }
  return result;
}

/** The turn's pauses between polls, in the order in which their timers were armed: one piece is polled at a time. */
function timersOf(log: TurnLog): { delay: { timer: number }; critical: boolean; slackUs: number }[] {
  const ledger = ledgerOf(log.events, zeroUsOf(log));
  const path = new Set(ledger?.path);
  const slack = slackOf(log.events);
  return log.events
    .filter(({ kind }) => kind === 'poll.wait')
    .map(({ id }, index) => ({ delay: { timer: index }, critical: path.has(id), slackUs: slack[id] ?? Infinity }));
}

const orderOf = (log: TurnLog): string => log.events.map(({ kind, exchange }) => `${kind}/${exchange ?? ''}`).join();

function e2eUsOf(log: TurnLog): number {
  const ledger = ledgerOf(log.events, zeroUsOf(log));
  if (ledger === undefined) throw new InvariantError('a turn of the causality check has no first audible');
  return ledger.e2eUs;
}

/** A random strategy of the knobs that move causes. Polling strategies speak one piece at a time, so that timers have an order. */
export function causalStrategy(seed: number): Strategy {
  const random = keyedRandom('strategy', seed);
  const of = <T>(values: readonly [T, ...T[]]): T => values[Math.floor(random() * values.length)] ?? values[0];
  const method = of(['stream', 'speech', 'stream', 'speech', 'generate']);
  return resolveStrategy(
    [
      {
        pipeline: { chunking: of(['sentence', 'clause', 'reply']) },
        tts: {
          method,
          concurrency: method === 'generate' ? 1 : of([1, 2, 3]),
          speed: of([1, 1.15]),
          queue: { status: 'poll', pollMs: POLL_MS },
        },
        network: { keepAlive: of<unknown>([false, { idleMs: 4000, drain: false }, { idleMs: 60_000, drain: true }]) },
        stt: {
          vad: { engine: 'energy', silenceMs: of([500, 700]) },
          upload: of<unknown>(['whole', { atPause: { pauseMs: 200 } }, { growing: { chunkMs: 400 } }]),
        },
      },
    ],
    'random strategy',
  );
}

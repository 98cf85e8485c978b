/**
 * The fault matrix: every provider × every fault, each in two turns of one session in virtual time. Providers and faults are
 * rows in fault-rows.ts. docs/operating.md shows the resulting table.
 */
import { InvariantError } from '../service/base/errors.ts';
import { measureTurn } from '../service/turn-log/metrics.ts';
import type { TurnEvent, TurnLog, CallStage } from '../service/base/events.ts';
import { phaseOf } from '../service/turn-log/ledger.ts';
import { resolveStrategy } from '../service/strategy/patch.ts';
import { bareSession, toneUpload } from '../testing/bare-session.ts';
import { spansOf } from '../service/telemetry/spans.ts';
import { flatProfile } from '../testing/flat-profile.ts';
import type { FaultRow, ProviderRow } from './fault-rows.ts';
import { createSimWorld } from '../sim/world/world.ts';

export interface Cell {
  provider: ProviderRow;
  fault: FaultRow;
  /** When the fault stays: what the client gets, such as `the reply`. */
  client: string;
  /** From the start of the call that met the fault to the turn's failure, or to the reply's first audio. */
  afterMs: number;
  /** `stage kind`, or `none`. */
  error: string;
  /** Status of the call's span. */
  span: string;
  /** The ledger part that takes most of the call's time. */
  part: string;
  attempts: number;
  /** When only the first attempt meets the fault: `recovers` or `fails`. */
  once: string;
  /** No timer and no connection is left after the turn. */
  released: boolean;
  nextTurnWorks: boolean;
}

const PROFILE = flatProfile({
  stt: 100,
  llm: 100,
  tts: 100,
  other: { queueSubmitMs: 10, queueStatusMs: 10, cdnMs: 10, sideMs: 50 },
});
const figure = (ms: number): typeof PROFILE.network.dnsMs => ({ source: 'set by the matrix', quantiles: [[0, ms]] });
const NETWORK = { ...PROFILE.network, dnsMs: figure(10), connectMs: figure(20), tlsMs: figure(30) };
const INTERVIEW = {
  name: 'faults-en',
  language: 'en',
  systemPrompt: 'Ask.',
  greeting: 'Hello.',
  turns: [0, 1].map(() => ({
    audio: '',
    transcript: 'This is what the user said.',
    reply: 'The first sentence of the reply. And the second one follows it at once.',
    speechEndMs: 900,
  })),
};

/** Runs one cell twice: the fault on every attempt, then on the first only. A second turn meets no fault. */
export async function runCell(provider: ProviderRow, fault: FaultRow): Promise<Cell> {
  const always = await twoTurns(provider, fault, undefined);
  const once = await twoTurns(provider, fault, [0]);
  const { log, heardMs } = always.first;
  const failed = log.events.find(({ kind }) => kind === 'turn.failed');
  const start = log.events.find(({ kind }) => kind === `${provider.stage}.start`);
  const firstByte = log.events.find(({ kind }) => kind === 'deliver.first_byte');
  const end = failed ?? firstByte;
  if (start === undefined || end === undefined) throw new InvariantError(`${provider.name}: the turn has no end`);
  const call = spansOf(log, measureTurn(log)).find(({ name }) => name === provider.stage);
  return {
    provider,
    fault,
    client: failed === undefined ? 'the reply' : heardMs === 0 ? 'error' : `${heardMs} ms of the reply, error`,
    afterMs: (end.atUs - start.atUs) / 1000,
    error: failed === undefined ? 'none' : `${attr(failed, 'errorStage')} ${attr(failed, 'errorKind')}`,
    span: call?.status.code === 'error' ? 'error' : 'ok',
    part: longestPart(log, provider.stage),
    attempts: 1 + Math.max(...log.events.flatMap((event) => attemptOf(event, provider.stage))),
    once: once.first.failure === undefined ? 'recovers' : 'fails',
    released: always.released && once.released,
    nextTurnWorks: always.second.failure === undefined && once.second.failure === undefined,
  };
}

interface Turn {
  log: TurnLog;
  heardMs: number;
  failure: string | undefined;
}

async function twoTurns(
  { patch, route }: ProviderRow,
  { fault, strikes }: FaultRow,
  attempts: number[] | undefined,
): Promise<{ first: Turn; second: Turn; released: boolean }> {
  const rule = { route: route[strikes], turns: [0], fault, attempts };
  const world = createSimWorld({
    profile: { ...PROFILE, network: NETWORK },
    seed: 'faults',
    interviews: [INTERVIEW],
    scenario: { title: 'one cell of the matrix', rules: [rule] },
  });
  const strategy = resolveStrategy([patch], 'fault matrix');
  const session = bareSession({
    id: 'faults',
    world: 'sim',
    strategy,
    interview: INTERVIEW,
    // the strategy's hash would seed the jitter, and a new knob would then move the table
    ports: (turnIndex) => ({ ...world.ports(strategy, 'faults', turnIndex), random: () => 0.5 }),
  });
  const speak = async (): Promise<Turn> => {
    let bytes = 0;
    const reply = {
      audio: async (pcm: Uint8Array) => {
        bytes += pcm.byteLength;
      },
    };
    const { log, summary } = await session.turn({ audio: toneUpload(world.clock), reply });
    return { log, heardMs: Math.round(bytes / 32), failure: summary.failure?.kind };
  };
  const first = await world.clock.run(speak);
  const quiet = world.clock.sleeping() === 0 && world.exchangesInUse() === 0;
  const second = await world.clock.run(speak);
  const released = quiet && world.clock.sleeping() === 0 && world.exchangesInUse() === 0;
  await world.close();
  return { first, second, released };
}

function attr(event: TurnEvent, name: string): string {
  return String(event.attrs?.[name]);
}

function attemptOf({ kind, exchange }: TurnEvent, stage: CallStage): number[] {
  const [own, , attempt] = exchange?.split('.') ?? [];
  return kind === 'http.start' && own === stage ? [Number(attempt)] : [];
}

/** The phase that took longest in the stage's first call. */
function longestPart({ events }: TurnLog, stage: CallStage): string {
  const totals = new Map<string, number>();
  for (const event of events) {
    const cause = event.cause === undefined ? undefined : events[event.cause];
    if (cause === undefined || !event.exchange?.startsWith(`${stage}.0`)) continue;
    const phase = phaseOf(cause.kind, event.kind);
    totals.set(phase, (totals.get(phase) ?? 0) + event.atUs - cause.atUs);
  }
  const [longest] = [...totals].sort((a, b) => b[1] - a[1]);
  return longest === undefined || longest[1] === 0 ? '–' : `${stage} ${longest[0]}`;
}

/** The table of one provider, as Markdown. */
export function matrixTable(cells: readonly Cell[]): string {
  const seconds = (ms: number): string => `${(ms / 1000).toFixed(2)} s`;
  const head = ['fault', 'the client gets', 'after', 'error', 'span', 'longest part', 'attempts', 'struck once'];
  const rows = cells.map((cell) => [
    cell.fault.name,
    cell.client,
    seconds(cell.afterMs),
    cell.error,
    cell.span,
    cell.part,
    String(cell.attempts),
    cell.once,
  ]);
  return [head, head.map(() => '---'), ...rows].map((row) => `| ${row.join(' | ')} |`).join('\n');
}

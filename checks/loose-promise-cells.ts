/**
 * Runs the cells of `loose-promises` in this process, over real sockets: a cell is one turn whose provider answers oddly while the
 * turn may be cancelled. Nothing of it may reach the process: no unheld rejection, no uncaught error, no warning.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import type { EventEmitter } from 'node:events';
import { setImmediate, setTimeout } from 'node:timers/promises';
import { describeError } from '../service/base/errors.ts';
import type { BodyReader, Transport } from '../service/base/ports.ts';
import type { TurnPorts } from '../service/calls/stage.ts';
import { apart, createGenerations } from '../service/generations.ts';
import { resolveStrategy } from '../service/strategy/patch.ts';
import { routeOf } from '../sim/faults/routes.ts';
import { loadProfile } from '../sim/times/profile.ts';
import { createWireWorld, type WireWorld } from '../sim/wire/wire.ts';
import { bareSession, toneUpload } from '../testing/bare-session.ts';
import type { LooseCell } from './loose-promise-rows.ts';

export interface CellsResult {
  /** Cells whose request was made, so that the cell shows something. */
  reached: number;
  unreached: readonly string[];
  /** What reached the process, and sockets, timers and requests that were left. */
  complaints: readonly string[];
}

const LOOSE_EVENTS = ['unhandledRejection', 'uncaughtException', 'warning'] as const;
/** Late rejections of the last cells come within this time. */
const AFTERMATH_MS = 100;
/** The longest deadline of a provider call is 30 s (`RETRY_POLICIES`), and two calls of a turn may meet it. */
const CELL_LIMIT_MS = 40_000;
const running = new AsyncLocalStorage<string>();

/** Notes what reaches the process from now on. A process with these listeners lives on. */
export function watchLoose(process: EventEmitter): { seen: readonly string[]; stop(): void } {
  const seen: string[] = [];
  const listeners = LOOSE_EVENTS.map((name) => {
    const note = (error: unknown): void => {
      const cell = running.getStore();
      seen.push(`${name}${cell === undefined ? '' : ` of “${cell}”`}: ${describeError(error)}`);
    };
    process.on(name, note);
    return { name, note };
  });
  return { seen, stop: () => listeners.forEach(({ name, note }) => process.off(name, note)) };
}

/** Runs the cells, `atOnce` of them side by side. */
export async function runLooseCells(cells: readonly LooseCell[], atOnce: number): Promise<CellsResult> {
  const watch = watchLoose(process);
  try {
    return await runWatched(cells, atOnce, watch.seen);
  } finally {
    watch.stop();
  }
}

async function runWatched(cells: readonly LooseCell[], atOnce: number, seen: readonly string[]): Promise<CellsResult> {
  const before = process.getActiveResourcesInfo();
  const profile = loadProfile('zero');
  const { regions } = loadProfile('seed');
  const world = await createWireWorld({
    profile: { ...profile, regions },
    seed: 'loose promises',
    scenario: {
      title: 'one session a cell',
      rules: [...new Map(cells.map((cell) => [cell.session, cell])).values()].flatMap(
        ({ session, way: { route }, answer: { fault } }) => (fault === undefined ? [] : [{ route, session, fault }]),
      ),
    },
  });
  const unreached: string[] = [];
  const complaints: string[] = [];
  const waiting = [...cells];
  const worker = async (): Promise<void> => {
    for (let cell = waiting.shift(); cell !== undefined; cell = waiting.shift()) {
      const { name } = cell;
      const over = new AbortController();
      try {
        const late = setTimeout(CELL_LIMIT_MS, 'late', { signal: over.signal });
        late.catch(() => undefined);
        const outcome = await Promise.race([running.run(name, runCell, cell, world), late]);
        if (outcome === 'late') complaints.push(`“${name}” was not over after ${CELL_LIMIT_MS} ms`);
        else if (!outcome) unreached.push(name);
      } catch (error) {
        complaints.push(`“${name}” threw: ${describeError(error)}`);
      } finally {
        over.abort();
      }
    }
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
  await setTimeout(AFTERMATH_MS);
  for (const { origin, running: busy, queued } of world.pools?.() ?? [])
    if (busy + queued > 0) complaints.push(`${busy + queued} requests to ${origin} were left running`);
  await world.close();
  await setTimeout(AFTERMATH_MS);
  complaints.push(...seen, ...left(before, process.getActiveResourcesInfo()));
  return { reached: cells.length - unreached.length, unreached, complaints };
}

function left(before: readonly string[], after: readonly string[]): string[] {
  const counted = (list: readonly string[], name: string): number => list.filter((each) => each === name).length;
  return [...new Set(after)].flatMap((name) => {
    const more = counted(after, name) - counted(before, name);
    return more > 0 ? [`${more} × ${name} left open`] : [];
  });
}

/** True when the cell's request was made. */
async function runCell({ session: id, way, abort }: LooseCell, world: WireWorld): Promise<boolean> {
  const strategy = resolveStrategy([way.patch], 'loose promises');
  const cancelled = new AbortController();
  const generations = createGenerations((error) => {
    throw error;
  });
  let reached = false;
  const cancel = (): void => {
    cancelled.abort(new Error('the check cancels the turn'));
    void generations.stop(id);
  };
  const watched = (transport: Transport): Transport =>
    cancelling(transport, { route: way.route, abort, cancel, reach: () => (reached = true) });
  const ports = (own: typeof strategy) => (turnIndex: number) => {
    const made: TurnPorts = world.ports(own, id, turnIndex);
    return { ...made, transport: watched(made.transport) };
  };
  const asking = generations.before({ opened: () => undefined, closed: () => undefined }, id, ports(apart(strategy)));
  const session = bareSession({
    id,
    world: 'wire',
    strategy,
    ports: ports(strategy),
    projections: way.route === 'llm.generation' ? [asking] : [],
  });
  await session.turn({
    audio: toneUpload(world.clock),
    reply: { audio: () => Promise.resolve() },
    signal: cancelled.signal,
  });
  await generations.settled();
  return reached;
}

interface Cancelling {
  route: LooseCell['way']['route'];
  abort: LooseCell['abort'];
  cancel(): void;
  reach(): void;
}

/** The transport, which cancels at one moment of a route's exchanges. */
function cancelling(transport: Transport, { route, abort, cancel, reach }: Cancelling): Transport {
  return {
    ...transport,
    prepare(context, signal) {
      transport.prepare?.(context, signal);
      // probes go past this transport: they begin here
      if (route !== 'region.probe') return;
      reach();
      if (abort === 'before') cancel();
      else if (abort !== 'never') void setTimeout(PROBE_PHASES_MS[abort]).then(cancel);
    },
    async send(request, marks) {
      if (routeOf(request.method, request.url)?.name !== route) return transport.send(request, marks);
      reach();
      if (abort === 'before') cancel();
      const onSending = (): void => {
        request.onSending?.();
        if (abort === 'headers') void setImmediate().then(cancel);
      };
      const response = await transport.send({ ...request, onSending }, marks);
      if (abort !== 'body' && abort !== 'after') return response;
      if (response.body === null) {
        cancel();
        return response;
      }
      const reader = response.body.getReader();
      if (abort === 'body') void setTimeout(BODY_MS).then(cancel);
      const read: BodyReader['read'] = async () => {
        try {
          const chunk = await reader.read();
          if (abort === 'body' || chunk.done) cancel();
          return chunk;
        } catch (error) {
          cancel();
          throw error;
        }
      };
      const { status, statusText, headers } = response;
      return {
        status,
        statusText,
        headers,
        body: { getReader: () => ({ read, cancel: (why) => reader.cancel(why) }) },
      };
    },
  };
}

/** An answer that has said nothing by then says nothing more. */
const BODY_MS = 20;
/** When a probe over loopback is about to be sent, answered, and over. */
const PROBE_PHASES_MS = { headers: 1, body: 4, after: 50 } as const;

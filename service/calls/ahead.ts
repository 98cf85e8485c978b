/** While the user speaks, names are resolved and connections opened for the calls to come. */
import type { AheadTarget, ExchangeContext, Origins } from '../base/ports.ts';
import type { Stage } from '../base/events.ts';
import type { TurnScope } from './stage.ts';
import { prefetches, type Strategy } from '../strategy/strategy.ts';

type Expected = Omit<ExchangeContext, 'stage' | 'ordinal'>;

/**
 * The work at speech start, one target an origin. `preResolve` asks for the name. `preconnect` and `prefetch: connect`
 * ask for the connections that the turn will use at once: one for STT and for the LLM, `tts.concurrency` for TTS.
 */
export function aheadTargets(strategy: Strategy, origins: Origins, expected: Expected): AheadTarget[] {
  const { preResolve } = strategy.network;
  const preconnect = strategy.network.preconnect || prefetches(strategy, 'connect');
  if (!preResolve && !preconnect) return [];
  const context = (stage: Stage, ordinal: number): ExchangeContext => ({ ...expected, stage, ordinal });
  const pieces = Array.from({ length: strategy.tts.concurrency }, (_, ordinal) => context('tts', ordinal));
  const targets = new Map<string, AheadTarget>();
  const want = (origin: string, contexts: readonly ExchangeContext[]): void => {
    const known = targets.get(origin);
    // stages follow each other: a stage finds the connections of the stage before free again
    if (known !== undefined && known.contexts.length >= contexts.length) return;
    const all = [...(known?.contexts ?? []), ...contexts].slice(0, contexts.length);
    targets.set(origin, { origin, contexts: all, sockets: preconnect ? all.length : 0 });
  };
  want(origins.stt, [context('stt', 0)]);
  want(origins.llm, [context('llm', 0)]);
  want(origins.tts, pieces);
  return [...targets.values()];
}

/** Begins at speech start (event `startId`). A target that is ready before `signal` aborts is an event of the turn. */
export function openAhead(
  { ports, input, owner, recorder, signal: turn }: TurnScope,
  startId: number,
  signal: AbortSignal,
): void {
  const expected = { ...owner, attempt: 0, fetchIndex: 0 };
  ports.transport.prepare?.({ ...expected, stage: 'endpointing', ordinal: 0 }, turn);
  for (const target of aheadTargets(input.strategy, ports.origins, expected)) {
    const { origin, sockets } = target;
    ports.transport
      .openAhead(target, signal)
      .then(() => {
        if (signal.aborted) return;
        recorder.record({ kind: 'ahead.ready', stage: 'endpointing', cause: startId, attrs: { origin, sockets } });
      })
      .catch((error: unknown) => void input.onSinkError?.(error));
  }
}

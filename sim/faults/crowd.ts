/**
 * Providers that feel calls at once, as a profile's `atOnce` says: one call more than the limit is answered with 429, the others
 * wait longer for each other call. An account is one conversation in one lane, so that runs beside each other do not meet.
 */
import type { ExchangeInfo, Handler } from '../stand-ins/exchange.ts';
import type { DrawContext, Planner, PlannerOptions } from '../times/plan.ts';
import { CALLED_STAGES, type Profile } from '../times/profile.ts';
import { faulty } from './faults.ts';
import { arrived } from './scenario.ts';
import { routeOf, type RouteName } from './routes.ts';

type Tune = NonNullable<PlannerOptions['tune']>;
type Stage = (typeof CALLED_STAGES)[number];

/** The requests that are work; a queue holds its own. */
const STAGE_OF: Partial<Record<RouteName, Stage>> = {
  'stt.transcriptions': 'stt',
  'stt.generate': 'stt',
  llm: 'llm',
  'tts.stream': 'tts',
  'tts.speech': 'tts',
};

export interface CrowdedProvider {
  /** Counts the handler's calls, and refuses those beyond the limit. */
  under(handler: Handler, planner: Planner): Handler;
  /** The wait of a call beside those that are under way. */
  tune?: Tune;
}

/** Of a profile whose providers feel nothing, handlers stay as they are. */
export function createCrowdedProvider({ atOnce }: Profile): CrowdedProvider {
  if (atOnce === undefined) return { under: (handler) => handler };
  const underWay = new Map<string, number>();
  const keyOf = (stage: string, { arm, sessionId }: DrawContext): string => `${stage} ${arm} ${sessionId}`;
  const count = (key: string, change: number): void => {
    const left = (underWay.get(key) ?? 0) + change;
    if (left > 0) underWay.set(key, left);
    else underWay.delete(key);
  };
  return {
    under: (handler, planner) => async (request, info) => {
      const route = routeOf(request.method, request.url);
      const stage = route && STAGE_OF[route.name];
      if (route === undefined || stage === undefined) return handler(request, info);
      const { limit = Infinity, retryAfterS } = atOnce[stage] ?? {};
      const key = keyOf(stage, info.context);
      const isOver = (underWay.get(key) ?? 0) >= limit;
      if (isOver)
        return faulty({
          fault: { kind: 'status', status: 429, message: `more than ${limit} calls at once`, retryAfterS },
          route,
          url: request.url,
          info,
          arrived: () => arrived(info, planner, request),
          answer: () => handler(request, info),
        });
      count(key, 1);
      const { signal, ended } = info;
      let isLeft = false;
      const leave = (): void => {
        if (isLeft) return;
        isLeft = true;
        signal?.removeEventListener('abort', leave);
        count(key, -1);
      };
      signal?.addEventListener('abort', leave, { once: true });
      const counted: ExchangeInfo = {
        ...info,
        ended: (complete) => {
          leave();
          ended?.(complete);
        },
      };
      try {
        return await handler(request, counted);
      } catch (error) {
        leave();
        throw error;
      }
    },
    tune: (plan, context) => {
      const stage = CALLED_STAGES.find((each) => each === context.stage);
      const share = stage === undefined ? 0 : (atOnce[stage]?.slowerShare ?? 0);
      const others = Math.max(0, (underWay.get(keyOf(context.stage, context)) ?? 0) - 1);
      if (share === 0 || others === 0) return plan;
      return { ...plan, waitUs: Math.round(plan.waitUs * (1 + share * others)) };
    },
  };
}

/** Two switches, one after the other. */
export function bothTunes(first: Tune | undefined, second: Tune | undefined): Tune | undefined {
  if (first === undefined || second === undefined) return first ?? second;
  return (plan, ...about) => second(first(plan, ...about), ...about);
}

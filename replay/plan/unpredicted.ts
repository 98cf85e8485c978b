/**
 * Predictions that would compare two worlds: a profile's figure that was fitted to captures, against one that came with the profile. Their ratio
 * is that of two worlds, not of two methods or models. Pure.
 */
import { loadProfile, modelFigures, type Figure, type Profile } from '../../sim/times/profile.ts';
import { FIT_EXCHANGES } from '../../sim/times/fit.ts';
import { exchangeKind, observationsOf, type Observation } from '../../sim/times/observed.ts';
import type { Strategy } from '../../service/strategy/strategy.ts';
import { DEFAULT_BOUNDS } from '../diff/verdict.ts';
import { capturedTurnsOf, type CapturedSession } from '../sessions/captured-session.ts';

/** Turns that show how long a kind takes. */
const TURNS_TO_SHOW = 10;

type Kind = Pick<Observation, 'operation' | 'what'>;

/** Stages that a candidate may ask in another way, each with the kinds that its strategy asks. */
const STAGES: readonly ((strategy: Strategy) => Kind[])[] = [
  ({ llm: { model, hedge } }) =>
    [model, ...(hedge === 'none' || hedge.model === undefined ? [] : [hedge.model])].map((what) => ({
      operation: 'llm',
      what,
    })),
  ({ tts: { method } }) => [{ operation: 'tts', what: method }],
];

/**
 * Why a candidate is not predicted, and what to type next. A kind with exchanges enough in the capture is fitted to them, whatever the profile
 * holds. Undefined where its times are of one world.
 */
export function unpredicted(
  sessions: readonly CapturedSession[],
  { variant, strategyOf }: { variant: string; strategyOf(captured: Strategy): Strategy },
  profile: Profile,
): string | undefined {
  const [first] = sessions;
  if (first === undefined) return undefined;
  const candidate = strategyOf(first.strategy);
  for (const kindsOf of STAGES) {
    const [then] = kindsOf(first.strategy);
    const other = kindsOf(candidate).find(
      (kind) => then !== undefined && isFitted(profile, kind) !== isFitted(profile, then),
    );
    if (other === undefined || capturedOf(sessions, other) >= FIT_EXCHANGES) continue;
    const command = `npx retake replay --variant ${variant} --world ${settlingWorld(sessions)} --sample ${sessionsFor(sessions)}`;
    return `not predicted: no capture of ${other.operation}.${other.what}, and profile ${profile.name} has it from another world than the captured one; replay ${TURNS_TO_SHOW} turns: ${command}`;
  }
  return undefined;
}

/** `unpredicted` by the profile's name. */
export function unpredictedBy(
  sessions: readonly CapturedSession[],
  candidate: Parameters<typeof unpredicted>[1],
  profile: string,
): string | undefined {
  return unpredicted(sessions, candidate, loadProfile(profile));
}

/** Captures of stand-ins are settled by stand-ins, all others by the providers. */
export function settlingWorld(sessions: readonly CapturedSession[]): 'live' | 'wire' {
  const worlds = sessions.flatMap(({ turns }) => turns.map(({ identity }) => identity.world));
  return worlds.every((world) => world === 'wire') ? 'wire' : 'live';
}

function sessionsFor(sessions: readonly CapturedSession[]): number {
  const turns = sessions.reduce((sum, session) => sum + session.turns.length, 0);
  return Math.max(DEFAULT_BOUNDS.minSessions, Math.ceil((TURNS_TO_SHOW * sessions.length) / turns));
}

function capturedOf(sessions: readonly CapturedSession[], kind: Kind): number {
  const wanted = exchangeKind(kind);
  return sessions
    .flatMap(capturedTurnsOf)
    .flatMap(observationsOf)
    .filter((each) => exchangeKind(each) === wanted || (each.operation === kind.operation && each.what === kind.what))
    .length;
}

/** `retake profile` begins the source of each figure that it fits with this word. */
const isFitted = (profile: Profile, kind: Kind): boolean => figureOf(profile, kind).source.startsWith('fitted:');

function figureOf(profile: Profile, { operation, what }: Kind): Figure {
  if (operation === 'llm') return modelFigures(profile, what).headersMs ?? profile.llm.headersMs;
  if (operation === 'stt') return profile.stt.waitMs;
  return profile.tts[what === 'speech' || what === 'generate' ? what : 'stream'].waitMs;
}

/** What a session's captures and spans say about it. Pure. */
import { REFERENCE_DETECTOR } from './audio/speech-end.ts';
import { InputError } from './base/errors.ts';
import type { TurnIdentity } from './base/events.ts';
import { EXPORTER, FORMAT, type BundleLevel, type SessionHeader } from './capture/format.ts';
import type { Config } from './config.ts';
import type { NewSession } from './http/registry.ts';
import { checkRegion, type Endpoints } from './net/regions.ts';
import { differingKnobs } from './strategy/knobs.ts';
import { resolveStrategy } from './strategy/patch.ts';
import { lacksPrompt, strategyHash, type Strategy } from './strategy/strategy.ts';
import type { ProviderAccess, RunWorld } from './world.ts';

/** Of the service: the same for all of its sessions. */
export interface ServiceFacts {
  world: Config['world'];
  commit: string;
  /** The stand-ins' profile, absent in `live`. */
  profile?: string;
  endpoints: Endpoints;
}

/** A session as it was asked for, with what the service adds. */
export interface SessionFacts {
  sessionId: string;
  startedEpochUs: number;
  request: NewSession;
  strategy: Strategy;
}

/** Where a client names no language. */
const DEFAULT_LANGUAGE = 'tr';

export function sessionLanguageOf({ language }: NewSession): string {
  return language ?? DEFAULT_LANGUAGE;
}

/** The service's strategy under the client's patch. Throws `InputError` that names a knob which is none, or the operator's alone. */
export function strategyOf({ strategy, voice }: NewSession, ofService: Strategy): Strategy {
  const patches = [strategy ?? {}, ...(voice === undefined ? [] : [{ tts: { voice } }])];
  const resolved = resolveStrategy(patches, 'strategy', ofService);
  const [operators] = differingKnobs(resolved, ofService, 'operator');
  if (operators !== undefined)
    throw new InputError(`strategy: knob "${operators}" is for the operator's RETAKE_STRATEGY only; leave it out`);
  return resolved;
}

/** Throws `InputError` for a strategy that names a region that the operator did not configure, or a prompt without its text. */
export function checkRunnable(
  strategy: Strategy,
  { world, regions = {} }: Pick<ProviderAccess, 'regions'> & Pick<ServiceFacts, 'world'>,
): void {
  checkRegion(strategy.network.region, regions);
  const lacking = lacksPrompt(strategy, world);
  if (lacking !== undefined) throw new InputError(`${lacking}; give it as "llm.systemPrompt.text"`);
}

/** Throws `InputError` for an interview that the stand-ins do not know: they would answer as in no interview, in Turkish. */
export function checkInterview({ interview }: NewSession, known: RunWorld['interviews']): void {
  if (interview === undefined || known === undefined || known.includes(interview)) return;
  throw new InputError(`field "interview" is ${interview}, which is none of ${known.join(', ')}`);
}

/** `session.json` of the session's bundle. */
export function sessionHeaderOf(
  { sessionId, startedEpochUs, request, strategy }: SessionFacts,
  { world, commit, profile, endpoints }: ServiceFacts,
  level: BundleLevel,
): SessionHeader {
  const { systemPrompt = '', history = [], interview } = request;
  const { name, version, thresholdDbfs } = REFERENCE_DETECTOR;
  return {
    format: FORMAT,
    exporter: EXPORTER,
    level,
    sessionId,
    startedEpochUs,
    world,
    commit,
    language: sessionLanguageOf(request),
    systemPromptChars: systemPrompt.length,
    historyChars: history.map(({ content }) => content.length),
    ...(level === 'full' ? { systemPrompt, history } : {}),
    strategy,
    endpoints: { ...endpoints },
    referenceDetector: { name, version, thresholdDbfs },
    profile,
    interview,
  };
}

/** What all turns of the session have in common on their spans. */
export function turnIdentityOf(
  { request, strategy }: SessionFacts,
  { world, commit, profile }: ServiceFacts,
  runId: string,
): Omit<TurnIdentity, 'sessionId' | 'turnIndex' | 'traceId'> {
  return {
    runId,
    world,
    lane: 'captured',
    variant: 'captured',
    arm: commit.slice(0, 12),
    strategyHash: strategyHash(strategy),
    profile,
    interview: request.interview,
  };
}

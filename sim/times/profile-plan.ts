/** Plans drawn from a profile, one draw a field. */
import type { CallStage } from '../../service/base/events.ts';
import type { Draw, ExchangePlan, Facts, NetworkPlan, PlannedItem, TtsMethod } from './plan.ts';
import { modelFigures, medianOf, type Profile } from './profile.ts';
import { BYTES_PER_MS } from './speech-audio.ts';

export const toUs = (ms: number): number => Math.round(ms * 1000);

/** The figures of new connections: to OpenRouter where `llm`, else to fal. */
export function setUpFigures(
  { network }: Profile,
  llm: boolean,
): Pick<Profile['network'], 'dnsMs' | 'connectMs' | 'tlsMs'> {
  return network.setUps?.[llm ? 'openrouter' : 'fal'] ?? network;
}

export function setUpPlan(profile: Profile, draw: Draw, llm: boolean): NetworkPlan {
  const { dnsMs, connectMs, tlsMs } = setUpFigures(profile, llm);
  return {
    basis: 'profile',
    queue: 0,
    dns: toUs(draw('dns', dnsMs)),
    connect: toUs(draw('connect', connectMs)),
    tls: toUs(draw('tls', tlsMs)),
    send: 0,
  };
}

/** More µs of answer for each ms of audio, prompt character or character to speak. The upload's own time is not in it. */
export function growthUs(
  { stt, llm, tts }: Profile,
  { operation, what }: { operation: CallStage; what: string },
): number {
  if (operation === 'stt') return medianOf(stt.perAudioSecondMs);
  if (operation === 'llm') return 1000 * medianOf(llm.perPromptCharMs);
  return 1000 * medianOf(tts[what === 'speech' ? 'speech' : 'stream'].perCharMs);
}

/** All times of an exchange on an open connection. */
export function profilePlan(profile: Profile, draw: Draw, facts: Facts): ExchangePlan {
  const roundTripMs = draw('roundTrip', profile.network.roundTripMs);
  const shared = {
    basis: 'profile' as const,
    networkUs: { queue: 0, send: toUs((draw('send', profile.network.sendMsPerKb) * facts.uploadBytes) / 1000) },
    terminatorUs: 0,
    leadingSilenceMs: 0,
  };
  switch (facts.operation) {
    case 'stt': {
      const perSecondMs = draw('perAudioSecond', profile.stt.perAudioSecondMs);
      const waitMs = roundTripMs + draw('wait', profile.stt.waitMs) + (perSecondMs * facts.audioMs) / 1000;
      return { ...shared, waitUs: toUs(waitMs), items: [tail(draw('body', profile.stt.bodyMs))] };
    }
    case 'llm':
      return {
        ...shared,
        waitUs: toUs(roundTripMs + ofModel(profile, draw, facts.model, 'wait', 'headersMs')),
        items: llmItems(profile, draw, facts),
        terminatorUs: toUs(draw('terminator', profile.network.terminatorMs)),
      };
    case 'tts': {
      const method = profile.tts[facts.method];
      const perCharMs = draw('perChar', method.perCharMs);
      const leadingSilenceMs = Math.round(draw('silence', profile.tts.leadingSilenceMs));
      const spokenMs = (1000 * facts.text.length) / draw('rate', profile.tts.charsPerSecond) / facts.speed;
      return {
        ...shared,
        waitUs: toUs(roundTripMs + draw('wait', method.waitMs) + perCharMs * facts.text.length),
        items: audioItems(method, draw, leadingSilenceMs + Math.max(200, Math.round(spokenMs)), facts.method),
        leadingSilenceMs,
      };
    }
    case 'other':
      return { ...shared, waitUs: toUs(roundTripMs + draw('wait', profile.other[facts.figure])), items: [tail(0)] };
    default:
      return facts satisfies never;
  }
}

/** A model's own figure, or the shared one times the model's scale. */
function ofModel(
  profile: Profile,
  draw: Draw,
  model: string,
  field: string,
  name: 'headersMs' | 'firstContentMs',
): number {
  const { scale, [name]: own } = modelFigures(profile, model);
  return own === undefined ? draw(field, profile.llm[name]) * draw('scale', scale) : draw(field, own);
}

function llmItems(profile: Profile, draw: Draw, facts: Facts & { operation: 'llm' }): PlannedItem[] {
  const { perPromptCharMs, comments } = profile.llm;
  const model = modelFigures(profile, facts.model);
  const promptMs = draw('perPromptChar', perPromptCharMs) * (facts.promptChars - (facts.cachedChars ?? 0));
  const untilContentUs = toUs(ofModel(profile, draw, facts.model, 'firstContent', 'firstContentMs') + promptMs);
  const items: PlannedItem[] = [];
  const count = Math.round(draw('comments', comments));
  const spacingUs = count === 0 ? 0 : Math.floor(untilContentUs / count);
  for (let index = 0; index < count; index++) {
    items.push({ gapUs: index === 0 ? 0 : spacingUs, kind: 'comment', parts: [] });
  }
  let leftChars = facts.text.length;
  for (let index = 0; leftChars > 0; index++) {
    const chars = Math.min(leftChars, Math.max(1, Math.round(draw(`chars.${index}`, model.charsPerDelta))));
    const firstGapUs = untilContentUs - spacingUs * Math.max(0, count - 1);
    items.push({
      gapUs: index === 0 ? firstGapUs : toUs(draw(`gap.${index}`, model.gapMs)),
      kind: 'data',
      parts: [chars],
    });
    leftChars -= chars;
  }
  items.push(tail(draw('gap.tail', model.gapMs)));
  return items;
}

function audioItems(figures: Profile['tts']['stream'], draw: Draw, audioMs: number, method: TtsMethod): PlannedItem[] {
  const items: PlannedItem[] = [];
  for (let leftMs = audioMs; leftMs > 0;) {
    const index = items.length;
    const partMs = Math.min(leftMs, Math.max(10, Math.round(draw(`audio.${index}`, figures.audioMsPerItem))));
    const gapMs = index === 0 ? draw('firstByte', figures.firstByteMs) : draw(`gap.${index}`, figures.gapMs);
    items.push({ gapUs: toUs(gapMs), kind: 'data', parts: [partMs * BYTES_PER_MS] });
    leftMs -= partMs;
  }
  return method === 'stream' ? [...items, tail(0)] : items;
}

function tail(gapMs: number): PlannedItem {
  return { gapUs: toUs(gapMs), kind: 'tail', parts: [] };
}

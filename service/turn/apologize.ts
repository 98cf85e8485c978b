/** After a failed turn the user hears an apology, where its audio is at hand, else nothing. The log says which. */
import type { StageError } from '../base/errors.ts';
import type { CachedSpeech } from '../calls/speech-cache.ts';
import { speechKeyOf } from './look-up.ts';
import { createRecorder } from '../turn-log/recorder.ts';
import { callProvider, drains, speechRequest, type CallScope, type TurnPorts, type TurnScope } from '../calls/stage.ts';
import type { Strategy } from '../strategy/strategy.ts';

/** By language. The speech cache may hold their audio. */
const TEXTS: Readonly<Record<string, string>> = {
  tr: 'Kusura bakmayın, bağlantıda bir sorun oldu. Son söylediğinizi tekrar eder misiniz?',
  en: 'Sorry, there was a problem with the connection. Could you say that again, please?',
};

export const APOLOGY_LANGUAGES = Object.keys(TEXTS);

/** The apology in a language; in English where the language has none. */
export function apologyText(language: string): string {
  return TEXTS[language.toLowerCase().split('-')[0] ?? ''] ?? TEXTS['en'] ?? '';
}

/** After these nobody is there to hear an apology, or nothing was said. */
const SILENT: ReadonlySet<StageError['kind']> = new Set(['cancelled', 'no-speech']);

/**
 * Plays the apology behind the heard part of the reply. `failedId` is the event of the turn's failure. An event says
 * whether the user hears `apology` or `nothing`. Never throws.
 */
export async function apologize(scope: TurnScope, failure: StageError, failedId: number): Promise<void> {
  const { input, owner, ports, recorder } = scope;
  if (SILENT.has(failure.kind) || input.signal?.aborted === true) return;
  let audio: CachedSpeech | undefined;
  try {
    const found = await ports.speechCache?.get(speechKeyOf(ports, input, apologyText(input.language)), owner.sessionId);
    audio = found === 'broken' ? undefined : found;
    if (audio !== undefined)
      await input.reply.audio(audio.pcm, recorder.events.filter(isPiece).length, audio.sampleRateHz);
  } catch {
    audio = undefined;
  }
  recorder.record({
    kind: 'deliver.apology',
    stage: 'deliver',
    cause: failedId,
    attrs:
      audio === undefined
        ? { heard: 'nothing' }
        : { heard: 'apology', audioMs: Math.round((audio.pcm.byteLength / 2 / audio.sampleRateHz) * 1000) },
    content: audio && { audio: audio.pcm, sampleRateHz: audio.sampleRateHz },
  });
}

function isPiece({ kind }: { kind: string }): boolean {
  return kind === 'piece.ready';
}

/** Owns the apologies in the cache, so that no erased session takes one along. */
const NOBODY = 'apologies';

/**
 * Has a language's apology spoken into the cache, unless it is there. The call belongs to no turn and is on no trace.
 * Throws `StageError`.
 */
export async function rehearseApology(
  ports: TurnPorts,
  strategy: Strategy,
  language: string,
  signal: AbortSignal,
): Promise<void> {
  const recorder = createRecorder(ports.clock, [], () => undefined);
  const owner = { sessionId: NOBODY, turnIndex: 0, arm: NOBODY };
  const scope: CallScope = { ports, owner, recorder, signal, drain: drains(strategy), calls: [] };
  const text = apologyText(language);
  const key = speechKeyOf(ports, { strategy, language }, text);
  const cache = ports.speechCache;
  const found = await cache?.get(key, NOBODY);
  if (cache === undefined || (found !== undefined && found !== 'broken')) return;
  const startId = recorder.record({ kind: 'speech.start', stage: 'tts' });
  await callProvider(scope, { stage: 'tts', ordinal: 0, cause: startId }, async (call) => {
    const parts: Uint8Array[] = [];
    let firstUs: number | undefined;
    const { sampleRateHz } = ports.tts;
    await ports.tts.synthesize(speechRequest({ strategy, language }, text), call, (pcm) => {
      firstUs ??= ports.clock.nowUs();
      parts.push(pcm);
    });
    const ttfbUs = (firstUs ?? ports.clock.nowUs()) - recorder.atUs(startId);
    await cache.put(key, { pcm: new Uint8Array(Buffer.concat(parts)), sampleRateHz, ttfbUs }, NOBODY);
  });
}

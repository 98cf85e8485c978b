/** Knobs that cannot go together, each pair with its reason: what the schema alone cannot say. */
import { canPrefill, modelFacts, MODELS_AS_OF } from './models.ts';
import { prefetches, type Strategy } from './strategy.ts';

const RULES: readonly ((strategy: Strategy) => string | undefined)[] = [
  ({ network: { keepAlive, http2 } }) =>
    keepAlive === false && http2
      ? 'knob "network.http2" cannot go with "network.keepAlive" false: over HTTP/2 requests share a connection, which is what that forbids; drop one of them'
      : undefined,
  ({ tts: { method, format } }) =>
    method === 'stream' && format === 'wav'
      ? 'knob "tts.format" cannot be wav with "tts.method" stream: the events of /stream carry bare PCM; take method speech or generate'
      : undefined,
  ({ stt: { method, prompt } }) =>
    method === 'generate' && prompt !== undefined
      ? 'knob "stt.prompt" cannot go with "stt.method" generate, which has no field for it; take method transcriptions'
      : undefined,
  ({ stt: { upload, vad } }) =>
    typeof upload === 'object' &&
    'atPause' in upload &&
    vad.engine !== 'client' &&
    upload.atPause.pauseMs >= vad.silenceMs
      ? 'knob "stt.upload.atPause.pauseMs" must be shorter than "stt.vad.silenceMs": a pause as long as that ends the turn, nothing would be sent early'
      : undefined,
  ({ llm: { model, route } }) =>
    /:(nitro|floor)$/.test(model) && route !== 'default' && route.sort !== undefined
      ? `knob "llm.route.sort" cannot go with the model suffix ${model.slice(model.lastIndexOf(':'))}, which is itself a sort (:nitro = throughput, :floor = price); drop one of them`
      : undefined,
  ({ llm: { route } }) => {
    if (route === 'default') return undefined;
    const both = (route.only ?? []).find((name) => (route.ignore ?? []).includes(name));
    return both === undefined ? undefined : `knob "llm.route" both allows only and ignores "${both}"`;
  },
  ({ llm: { hedge, model } }) =>
    hedge !== 'none' && hedge.ignore === undefined && (hedge.model ?? model) === model
      ? 'knob "llm.hedge" would ask the same model again with nothing else changed; name another "model", or providers to "ignore"'
      : undefined,
  ({ llm: { model }, pipeline: { speculation } }) =>
    speculation === 'prefill' && !canPrefill(model)
      ? `knob "pipeline.speculation" cannot be prefill with ${model}: no source says that it continues a message that is begun for it (service/strategy/models.ts, ${MODELS_AS_OF})`
      : undefined,
  ({ llm: { hedge }, pipeline: { speculation } }) =>
    speculation === 'prefill' && hedge !== 'none' && hedge.model !== undefined && !canPrefill(hedge.model)
      ? `knob "llm.hedge.model" must continue the opener of pipeline.speculation prefill, and no source says that ${hedge.model} does`
      : undefined,
  (strategy) =>
    prefetches(strategy, 'prompt') && modelFacts(strategy.llm.model)?.cacheMinTokens === undefined
      ? `knob "pipeline.prefetch" cannot be prompt with ${strategy.llm.model}: no source says that its provider caches prompts unasked (service/strategy/models.ts, ${MODELS_AS_OF})`
      : undefined,
  (strategy) =>
    prefetches(strategy, 'partial') && strategy.stt.upload === 'whole'
      ? 'knob "pipeline.prefetch" cannot be partial with "stt.upload" whole: there is no transcript before the end of turn; set stt.upload to {"atPause":{"pauseMs":…}}'
      : undefined,
];

/** The first reason why this strategy cannot work; undefined when it can. */
export function impossible(strategy: Strategy): string | undefined {
  for (const rule of RULES) {
    const reason = rule(strategy);
    if (reason !== undefined) return reason;
  }
  return undefined;
}

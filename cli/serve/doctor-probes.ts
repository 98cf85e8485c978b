/** The doctor's calls: short, cheap, and through the clients that turns use. */
import { readFileSync } from 'node:fs';
import { encodeWav, parseWav } from '../../service/audio/pcm.ts';
import { InputError } from '../../service/base/errors.ts';
import type { Call, LlmResult } from '../../service/base/ports.ts';
import type { Stage } from '../../service/base/events.ts';
import type { TurnPorts } from '../../service/calls/stage.ts';
import type { Strategy } from '../../service/strategy/strategy.ts';

export const SAMPLE = new URL('../../fixtures/audio/en-frontend-1.wav', import.meta.url);
const SPOKEN_S = 2;
const SENTENCE = 'Hello, this is a test.';

const NEXT_AT_FAL = 'check FAL_KEY, RETAKE_FAL_RUN_URL and the credit of the account, then ask again';

export interface Told {
  detail: string;
  served?: string;
  requestId?: string;
  cost: string;
}

export interface Probe {
  name: string;
  stage: Stage;
  origin(ports: TurnPorts): string;
  /** What to do when the call fails. */
  next: string;
  /** Calls `onFirst` when the answer begins to arrive. Throws where the answer is empty: turns would say nothing. */
  run(ports: TurnPorts, call: Call, strategy: Strategy, onFirst: () => void): Promise<Told>;
}

export const PROBES: readonly Probe[] = [
  {
    name: 'stt',
    stage: 'stt',
    origin: ({ origins }) => origins.stt,
    next: NEXT_AT_FAL,
    async run({ stt }, call) {
      const { samples, sampleRateHz } = parseWav(readFileSync(SAMPLE));
      const audio = encodeWav(samples.subarray(0, SPOKEN_S * sampleRateHz), sampleRateHz);
      const request = { method: 'transcriptions', audio, mimeType: 'audio/wav', language: 'en' } as const;
      const { text, requestId } = await stt.transcribe(request, call);
      if (text.trim() === '') throw new InputError(`the answer has no text for ${SPOKEN_S} s of speech`);
      return {
        detail: `${text.length} characters`,
        cost: billed(call, `${SPOKEN_S} s of audio`),
        requestId,
      };
    },
  },
  {
    name: 'llm',
    stage: 'llm',
    origin: ({ origins }) => origins.llm,
    next: 'check OPENROUTER_API_KEY, RETAKE_OPENROUTER_URL and the credit of the account, then ask again',
    async run({ llm }, call, { llm: { model } }, onFirst) {
      let said = '';
      const result = await llm.stream(
        {
          model,
          messages: [{ role: 'user', content: 'Say hello.' }],
          maxTokens: 16,
          sessionId: 'doctor',
          fallback: [],
          sse: 'sdk',
        },
        call,
        (delta) => {
          said += delta;
          onFirst();
        },
      );
      if (said.trim() === '') throw new InputError(`the answer of ${model} has no text`);
      const { servedModel, servedProvider, generationId, costUsd } = result;
      const tokens = tokensOf(result);
      return {
        detail: `${said.length} characters, ${tokens}; asked for ${model}`,
        cost: costUsd === undefined ? `unpriced: ${tokens}` : `$${costUsd.toFixed(6)}`,
        served: servedModel && `${servedModel}${servedProvider === undefined ? '' : ` by ${servedProvider}`}`,
        requestId: generationId,
      };
    },
  },
  {
    name: 'tts',
    stage: 'tts',
    origin: ({ origins }) => origins.tts,
    next: NEXT_AT_FAL,
    async run({ tts }, call, { tts: { voice, speed } }, onFirst) {
      const { audioBytes, requestId } = await tts.synthesize(
        {
          text: SENTENCE,
          method: 'stream',
          sse: 'sdk',
          queue: { status: 'poll', pollMs: 500 },
          format: 'default',
          voice,
          speed,
          language: 'en',
        },
        call,
        onFirst,
      );
      return {
        detail: `${Math.round((audioBytes / 2 / tts.sampleRateHz) * 1000)} ms of audio`,
        cost: billed(call, `${SENTENCE.length} characters`),
        requestId,
      };
    },
  },
];

/** Usage that the answer leaves out is unknown, not 0. */
function tokensOf({ promptTokens, completionTokens }: LlmResult): string {
  if (promptTokens === undefined && completionTokens === undefined) return 'tokens not told';
  const [prompt, completion] = [promptTokens, completionTokens].map((tokens) => tokens ?? 'unknown');
  return `${prompt} + ${completion} tokens`;
}

function billed(call: Call, work: string): string {
  const units = call.responseHeaders()?.get('x-fal-billable-units')?.slice(0, 20);
  return `unpriced: ${work}${units === undefined ? '' : `, ${units} billable units`}`;
}

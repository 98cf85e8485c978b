/** The doctor's calls: short, cheap, and through the clients that turns use. */
import { readFileSync } from 'node:fs';
import { encodeWav, parseWav } from '../../service/audio/pcm.ts';
import type { Call } from '../../service/base/ports.ts';
import type { Stage } from '../../service/base/events.ts';
import type { TurnPorts } from '../../service/calls/stage.ts';
import type { Strategy } from '../../service/strategy/strategy.ts';

export const SAMPLE = new URL('../../fixtures/audio/en-frontend-1.wav', import.meta.url);
const SPOKEN_S = 2;
const SENTENCE = 'Hello, this is a test.';

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
  /** Calls `onFirst` when the answer begins to arrive. */
  run(ports: TurnPorts, call: Call, strategy: Strategy, onFirst: () => void): Promise<Told>;
}

export const PROBES: readonly Probe[] = [
  {
    name: 'stt',
    stage: 'stt',
    origin: ({ origins }) => origins.stt,
    async run({ stt }, call) {
      const { samples, sampleRateHz } = parseWav(readFileSync(SAMPLE));
      const audio = encodeWav(samples.subarray(0, SPOKEN_S * sampleRateHz), sampleRateHz);
      const request = { method: 'transcriptions', audio, mimeType: 'audio/wav', language: 'en' } as const;
      const { text, requestId } = await stt.transcribe(request, call);
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
    async run({ llm }, call, { llm: { model } }, onFirst) {
      let chars = 0;
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
          chars += delta.length;
          onFirst();
        },
      );
      const { servedModel, servedProvider, generationId, costUsd, promptTokens = 0, completionTokens = 0 } = result;
      const tokens = `${promptTokens} + ${completionTokens} tokens`;
      return {
        detail: `${chars} characters, ${tokens}; asked for ${model}`,
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

function billed(call: Call, work: string): string {
  const units = call.responseHeaders()?.get('x-fal-billable-units')?.slice(0, 20);
  return `unpriced: ${work}${units === undefined ? '' : `, ${units} billable units`}`;
}

/**
 * Whose words an arm works with. Own words: its transcript and its reply. Same words: STT and LLM are called, but the captured
 * transcript and reply take the place of theirs, so that two models are compared on one text. Each delta of the model releases as
 * many characters of the captured reply; after the model's end the rest follows at its mean rate.
 */
import type { Llm, Message, Stt } from '../../service/base/ports.ts';
import type { TurnLog } from '../../service/base/events.ts';

export const WORDS = ['same', 'own'] as const;
export type Words = (typeof WORDS)[number];

interface Speakers {
  stt: Stt;
  llm: Llm;
}

/**
 * What a replayed turn calls in place of the providers' clients. `key` names the (session, arm, run), which is one conversation to a provider: by
 * what no model reads, so that only this arm warms its caches. With `promptNonce` the key also ends the system prompt, but only beside captured
 * words: a model may say the key.
 */
export function speakersOf(
  { words, promptNonce = false }: { words: Words; promptNonce?: boolean },
  { stt, llm }: Speakers,
  log: TurnLog,
  key: string,
): Speakers {
  const speakers = words === 'same' ? capturedWords({ stt, llm }, log) : { stt, llm };
  const isMarked = promptNonce && words === 'same';
  return {
    stt: speakers.stt,
    llm: {
      stream(request, ...rest) {
        const messages = isMarked ? withNonce(request.messages, key) : request.messages;
        return speakers.llm.stream({ ...request, messages, sessionId: key, cacheKey: key }, ...rest);
      },
    },
  };
}

function withNonce(messages: readonly Message[], nonce: string): Message[] {
  const [first, ...rest] = messages;
  if (first?.role !== 'system') return [{ role: 'system', content: `[${nonce}]` }, ...messages];
  return [{ role: 'system', content: `${first.content}\n[${nonce}]` }, ...rest];
}

/** A turn whose capture holds no text keeps its own words. */
export function capturedWords({ stt, llm }: Speakers, log: TurnLog): Speakers {
  const textOf = (kind: 'stt.done' | 'llm.done'): string | undefined =>
    log.events.find((event) => event.kind === kind)?.content?.text;
  const [transcript, reply] = [textOf('stt.done'), textOf('llm.done')];
  return {
    stt:
      transcript === undefined
        ? stt
        : {
            ...stt,
            transcribe: async (request, call) => ({ ...(await stt.transcribe(request, call)), text: transcript }),
          },
    llm: reply === undefined ? llm : releasing(llm, reply),
  };
}

function releasing(llm: Llm, reply: string): Llm {
  return {
    async stream(request, call, onDelta) {
      let delivered = 0;
      let firstUs: number | undefined;
      let lastUs = 0;
      let deltas = 0;
      const release = (fromChars: number, atUs?: number): void => {
        const text = reply.slice(fromChars, delivered);
        if (text !== '') onDelta(text, atUs);
      };
      const result = await llm.stream(request, call, (text) => {
        const fromChars = delivered;
        delivered += text.length;
        lastUs = call.arrival().atUs;
        firstUs ??= lastUs;
        deltas++;
        release(fromChars);
      });
      if (firstUs === undefined || deltas === 0) return result;
      const gapUs = deltas < 2 ? 0 : (lastUs - firstUs) / (deltas - 1);
      const [endChars, charsEach] = [delivered, delivered / deltas];
      for (let more = 1; delivered < reply.length; more++) {
        const leftUs = lastUs + more * gapUs - call.clock.nowUs();
        if (leftUs > 0) await call.clock.sleep(leftUs / 1000, call.signal);
        const fromChars = delivered;
        delivered = endChars + Math.round(more * charsEach);
        release(fromChars, call.clock.nowUs());
      }
      return result;
    },
  };
}

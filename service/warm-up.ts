/** Turns before the first one, so that no user waits while code is loaded and compiled. No network; nothing is kept. */
import { samplesToPcmBytes } from './audio/pcm.ts';
import { postedAudio } from './audio/posted.ts';
import { eventText } from './providers/sse.ts';
import type { ReplySink, Transport } from './base/ports.ts';
import type { Strategy } from './strategy/strategy.ts';
import { runTurn } from './turn/turn.ts';
import type { RunWorld } from './world.ts';

/** The session under which the world is asked for ports. */
export const WARM_UP_SESSION = 'warm-up';
const TURNS = 24;
const RATE_HZ = 16_000;
const TONE = Int16Array.from({ length: RATE_HZ / 2 }, (_, index) => 8000 * Math.sin(index / 5));

/** Runs whole turns through the real clients against answers in memory. A turn that fails warms the code up all the same. */
export async function warmUp(world: RunWorld, strategy: Strategy): Promise<void> {
  for (let turnIndex = 0; turnIndex < TURNS; turnIndex++) {
    const ports = { ...world.ports(strategy, WARM_UP_SESSION, turnIndex), transport: cannedTransport };
    const audio = postedAudio(ports.clock, TONE, RATE_HZ);
    await runTurn(ports, {
      owner: { sessionId: WARM_UP_SESSION, turnIndex, arm: WARM_UP_SESSION },
      strategy,
      conversation: { systemPrompt: 'warm up', history: [] },
      language: 'en',
      audio,
      reply: nobody,
      sinks: [],
    });
  }
}

const nobody: ReplySink = { audio: async () => undefined };

const PIECE = Buffer.from(samplesToPcmBytes(TONE.subarray(0, RATE_HZ / 4)));
const delta = (content: string, finish: string | null): string =>
  eventText({ id: 'g', model: 'm', choices: [{ index: 0, delta: { content }, finish_reason: finish }] });

/** The answer of each endpoint, by the end of its path. */
const ANSWERS: readonly [path: string, type: string, chunks: readonly (string | Uint8Array)[]][] = [
  ['/audio/transcriptions', 'application/json', ['{"text":"warm up"}']],
  ['/chat/completions', 'text/event-stream', [...'Yes. I do, and so on.'].map((text) => delta(text, null))],
  ['/chat/completions', 'text/event-stream', [delta('', 'stop'), 'data: [DONE]\n\n']],
  ['/stream', 'text/event-stream', [1, 2, 3].map(() => eventText({ audio: PIECE.toString('base64') }))],
  ['/stream', 'text/event-stream', [eventText({ done: true })]],
  ['/audio/speech', 'audio/pcm', [PIECE, PIECE]],
];

const cannedTransport: Transport = {
  async send(request, marks) {
    const rows = ANSWERS.filter(([path]) => request.url.endsWith(path));
    const chunks = rows.flatMap(([, , each]) => each);
    marks.queuedUs = marks.startUs;
    marks.sentUs = marks.startUs;
    const body = new ReadableStream<Uint8Array>({
      pull(controller) {
        const chunk = chunks.shift();
        if (chunk === undefined) controller.close();
        else controller.enqueue(typeof chunk === 'string' ? new TextEncoder().encode(chunk) : chunk);
      },
    });
    return new Response(body, { headers: { 'content-type': rows[0]?.[1] ?? 'application/json' } });
  },
  openAhead: async () => undefined,
  close: async () => undefined,
};

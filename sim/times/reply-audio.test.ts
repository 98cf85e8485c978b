/** The audio of a captured reply: however its text is cut, as much sound as was captured. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { TurnEvent } from '../../service/base/events.ts';
import { replyTextOf, type CapturedTurn } from './captured-turn.ts';
import { fitTo } from './fit.ts';
import { fittedPlans } from './fitted.ts';
import { observationsOf } from './observed.ts';
import { sizeOfAll, type DrawContext, type Facts } from './plan.ts';
import { loadProfile } from './profile.ts';
import { replyAudio } from './reply-audio.ts';
import { BYTES_PER_MS } from './speech-audio.ts';

const profile = loadProfile('seed');
const SILENCE_MS = 40;
interface Piece {
  text: string;
  /** Short pieces take longer a character. */
  audioMs: number;
}

/** A turn whose reply is these pieces, each answered in two items. */
function turnOf(pieces: readonly Piece[], { turnIndex = 0, withText = true, speed = 1 } = {}): CapturedTurn {
  const text = pieces.map((piece) => piece.text).join('');
  const events: Omit<TurnEvent, 'id'>[] = [
    {
      ...{ kind: 'llm.done', stage: 'llm', exchange: 'llm.0', atUs: 0 },
      ...{ attrs: { chars: text.length }, content: withText ? { text } : undefined },
    },
    ...pieces.flatMap((piece, index): Omit<TurnEvent, 'id'>[] => {
      const [call, exchange, chars] = [`tts.${index}`, `tts.${index}.0.0`, piece.text.length];
      const half = piece.audioMs * BYTES_PER_MS;
      const http = (kind: TurnEvent['kind'], atUs: number, attrs: TurnEvent['attrs'] = {}) =>
        ({ kind, stage: 'tts', exchange, atUs, attrs }) as const;
      const content = withText ? { text: piece.text } : undefined;
      return [
        { kind: 'piece.ready', stage: 'chunk', atUs: 0, attrs: { index, chars }, content },
        { kind: 'tts.start', stage: 'tts', exchange: call, atUs: 0, attrs: { index, method: 'stream', speed, chars } },
        ...[http('http.start', 0), http('http.queued', 0, { reused: true }), http('http.sent', 10)],
        ...[http('http.headers', 2000 * chars, { status: 200 }), http('http.done', 2000 * chars + 20)],
        {
          ...{ kind: 'tts.done', stage: 'tts', exchange: call, atUs: 2000 * chars + 20 },
          attrs: {
            ...{ index, bytes: 2 * half, sampleRateHz: 16_000, leadingSilenceMs: SILENCE_MS },
            ...{ itemUs: [2000 * chars + 10, 2000 * chars + 20], itemBytes: [half, half] },
          },
        },
      ];
    }),
  ];
  return { sessionId: 's', turnIndex, events: events.map((event, id) => ({ id, ...event })) };
}

/** 2·audioMs of each. */
const totalMs = (pieces: readonly Piece[]): number => pieces.reduce((sum, { audioMs }) => sum + 2 * audioMs, 0);

/** The ms of audio that a simulation of these captured turns gives each text, asked for in this order. */
function spokenMs(turns: readonly CapturedTurn[], texts: readonly string[], speed = 1): number[] {
  const speech = replyAudio(turns);
  const plans = fittedPlans(fitTo(turns.flatMap(observationsOf), profile), { profile, seed: 1, speech });
  return texts.map((text, ordinal) => {
    const context: DrawContext = { sessionId: 's', turnIndex: 0, stage: 'tts', ordinal, attempt: 0, fetchIndex: 0, arm: 'b', traceId: '' }; // prettier-ignore
    const facts: Facts = { operation: 'tts', method: 'stream', speed, text, uploadBytes: 0 };
    const plan = plans.planOf(context, facts);
    assert.ok(plan !== undefined);
    return sizeOfAll(plan.items) / BYTES_PER_MS;
  });
}

/** A text in pieces of 8 to 60 characters. */
function cut(text: string, lengths: readonly number[]): string[] {
  const pieces: string[] = [];
  for (let from = 0, index = 0; from < text.length; index++) {
    const chars = lengths[index % lengths.length] ?? 8;
    const to = text.length - from - chars < 8 ? text.length : from + chars;
    pieces.push(text.slice(from, to));
    from = to;
  }
  return pieces;
}
const LENGTHS = fc.array(fc.integer({ min: 8, max: 60 }), { minLength: 1, maxLength: 6 });
const WORDS = fc
  .array(fc.constantFrom('evet', 'peki', 'deneyim', 'anlatır', 'mısınız', 'xx'), { minLength: 40, maxLength: 60 })
  .map((words) => words.join(' '));
/** Other turns of the session, to fit to. */
const OTHERS = Array.from({ length: 12 }, (_, index) =>
  turnOf([{ text: 'a'.repeat(10 + 5 * index), audioMs: 400 + 150 * index }], { turnIndex: index + 1 }),
);

test('a reply that is cut anew has the audio that was captured, within 1 %: any words, any cuts, with text and without', () => {
  fc.assert(
    fc.property(
      WORDS,
      LENGTHS,
      LENGTHS,
      fc.array(fc.integer({ min: 30, max: 90 }), { minLength: 8, maxLength: 8 }),
      fc.boolean(),
      (text, then, now, paces, withText) => {
        const captured = cut(text, then).map((piece, index) => ({
          text: piece,
          audioMs: Math.round(100 + (piece.length * (paces[index % paces.length] ?? 60)) / 2),
        }));
        const turn = turnOf(captured, { withText });
        const all = spokenMs([turn, ...OTHERS], cut(replyTextOf(turn.events) ?? '', now));
        const sum = all.reduce((total, each) => total + each, 0);
        assert.ok(Math.abs(sum / totalMs(captured) - 1) < 0.01, `${sum} of ${totalMs(captured)} ms`);
      },
    ),
    { seed: 17, numRuns: 200 },
  );
});

test('a piece takes the audio of its own words, wherever else they stand; what the reply does not say takes its pace', () => {
  const turn = turnOf([
    { text: 'Peki, tamam. ', audioMs: 650 },
    { text: 'Peki, nerede çalıştınız? ', audioMs: 1000 },
  ]);
  const turns = [turn, ...OTHERS];
  assert.deepEqual(spokenMs(turns, ['Peki, ', 'tamam. ', 'Peki, ', 'nerede çalıştınız? ']), [600, 700, 480, 1520]);
  assert.deepEqual(spokenMs(turns, ['Peki, tamam. Peki, nerede çalıştınız? ', 'Peki, tamam. ']), [3300, 1300], 'begun again'); // prettier-ignore
  const [opener = 0] = spokenMs(turns, ['Anlıyorum.']);
  assert.ok(Math.abs(opener - (10 * 3300) / 38) < 1, `${opener}`);
});

test('another speed changes the words and not the silence before them; control: the captured speed changes nothing', () => {
  const piece = { text: 'Nerede çalıştınız? ', audioMs: 500 };
  const [faster] = spokenMs([turnOf([piece]), ...OTHERS], [piece.text], 1.25);
  assert.equal(faster, SILENCE_MS + (1000 - SILENCE_MS) / 1.25);
  assert.deepEqual(spokenMs([turnOf([piece], { speed: 1.25 }), ...OTHERS], [piece.text], 1.25), [1000]);
});

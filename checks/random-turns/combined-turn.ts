/** One turn under any strategy and its rules: the ledger adds up, words and audio are in order, no resource is left. */
import { ledgerOf } from '../../service/turn-log/ledger.ts';
import { zeroUsOf } from '../../service/turn-log/metrics.ts';
import type { TurnLog } from '../../service/base/events.ts';
import { keyedRandom } from '../../service/base/random.ts';
import type { FinishedTurn } from '../../service/turn/observe.ts';
import type { Strategy } from '../../service/strategy/strategy.ts';
import { tones } from '../../testing/turn-by-hand.ts';
import { runFixtureTurn, type Interview } from '../../sim/world/fixtures.ts';
import { loadProfile } from '../../sim/times/profile.ts';
import { createSimWorld } from '../../sim/world/world.ts';

const profile = loadProfile('seed');
// frames of 100 ms wake the simulation seldom; 32 kHz leaves room for a lower rate
const { speech, audio } = tones(1500, [[100, 700]], { frameMs: 100, rateHz: 32_000 });
const LONG = 'Dr. Ay 3.5 verdi, olur mu! "Peki?" dedi... Bitti.';
const interview: Interview = {
  name: 'combined',
  language: 'tr',
  systemPrompt: 'Sor. '.repeat(1700),
  greeting: 'Merhaba.',
  turns: [
    { audio: '', transcript: 'aaaa bbbb', reply: LONG, speechStartMs: speech.fromMs, speechEndMs: speech.toMs },
    {
      audio: '',
      transcript: 'cccc',
      reply: 'Anladım. Peki, sonra?',
      speechStartMs: speech.fromMs,
      speechEndMs: speech.toMs,
    },
  ],
};

export interface Played {
  turn: FinishedTurn;
  strategy: Strategy;
  /** Reply audio handed over, in order. */
  audio: { piece: number; pcm: Uint8Array }[];
  sleeping: number;
  inUse: number;
}

/** Plays one of two short turns in a world of its own. */
export async function play(strategy: Strategy, seed: string, cancelAfterMs?: number): Promise<Played> {
  const world = createSimWorld({ profile, seed, interviews: [interview] });
  const handed: Played['audio'] = [];
  const abort = new AbortController();
  const turnIndex = keyedRandom(seed, 'turn')() < 0.5 ? 0 : 1;
  const turn = await world.clock.run(async () => {
    const over = new AbortController();
    const cancelled =
      cancelAfterMs === undefined
        ? undefined
        : world.clock.sleep(cancelAfterMs, over.signal).then(
            () => abort.abort(new Error('cancelled by the test')),
            () => undefined,
          );
    const finished = await runFixtureTurn(world, interview, turnIndex, {
      strategy,
      audio,
      profile: 'seed',
      signal: abort.signal,
      reply: { audio: async (pcm, piece) => void handed.push({ pcm, piece }) },
    });
    over.abort();
    await cancelled;
    return finished;
  });
  return { turn, strategy, audio: handed, sleeping: world.clock.sleeping(), inUse: world.exchangesInUse() };
}

/** Complaints about a finished turn: its ledger, the order of text and audio, what it left behind. Empty when all is well. */
export function complaints(played: Played): string[] {
  const { turn, strategy, audio: handed } = played;
  const { log, summary, replyText } = turn;
  const wrong: string[] = [];
  const must = (holds: boolean, what: string): void => void (holds || wrong.push(what));
  if (summary.failure !== undefined) return [`failed: ${summary.failure.message}`];
  const zeroUs = zeroUsOf(log);
  const ledger = ledgerOf(log.events, zeroUs);
  if (ledger === undefined || zeroUs === undefined) return ['no ledger'];
  let atUs = ledger.zeroUs;
  for (const part of ledger.parts) {
    must(part.fromUs === atUs && part.toUs > part.fromUs, `part ${part.stage}/${part.phase} is not contiguous`);
    must(part.stage !== 'our code', 'our code takes time');
    atUs = part.toUs;
  }
  must(atUs === ledger.stopUs, 'the parts do not reach the stop');
  must((log.events[ledger.path.at(-1) ?? 0]?.atUs ?? Infinity) <= zeroUs, 'the root is later than the zero');
  const pieces = log.events.filter(({ kind }) => kind === 'piece.ready');
  must(
    pieces.every(({ attrs }, index) => attrs?.['index'] === index),
    'pieces are not numbered in order',
  );
  const text = pieces.map(({ content }) => content?.text ?? '').join('');
  must(
    replyText.startsWith(text) && !/[\p{L}\p{N}]/u.test(replyText.slice(text.length)),
    `pieces "${text}" are not "${replyText}"`,
  );
  must(
    handed.every(({ piece }, index) => index === 0 || piece >= (handed[index - 1]?.piece ?? 0)),
    'audio is not in the order of the text',
  );
  must(new Set(handed.map(({ piece }) => piece)).size === pieces.length, 'a piece was not spoken');
  must(heard(log, handed, strategy.tts.trimSilence), 'what was handed over is not what was synthesized');
  must(firstEnd(log, 'deliver.first_byte') >= firstEnd(log, 'turn.ended'), 'audible before the end of turn');
  return [...wrong, ...leftovers(played)];
}

/** Complaints about timers and exchanges that the turn left, and about a failure other than its cancellation. */
export function leftovers({ turn, sleeping, inUse }: Played): string[] {
  const { failure } = turn.summary;
  return [
    ...(failure === undefined || failure.kind === 'cancelled' ? [] : [`failed: ${failure.message}`]),
    ...(sleeping === 0 ? [] : [`${sleeping} timers left`]),
    ...(inUse === 0 ? [] : [`${inUse} exchanges left`]),
  ];
}

const firstEnd = (log: TurnLog, kind: string): number => log.events.find((event) => event.kind === kind)?.atUs ?? -1;

/**
 * All audio that was handed over was synthesized or cached in this turn, byte for byte and piece for piece. Trimming may only
 * remove zeros at the beginning.
 */
function heard(log: TurnLog, handed: Played['audio'], trimmed: boolean): boolean {
  const same = (all: string, played: string): boolean =>
    trimmed ? played !== '' && all.endsWith(played) && /^\0*$/.test(all.slice(0, -played.length)) : all === played;
  const made = log.events
    .filter(({ kind }) => kind === 'tts.done' || kind === 'cache.looked')
    .flatMap(({ content }) => (content?.audio === undefined ? [] : [Buffer.from(content.audio).toString('latin1')]));
  const pieces = Map.groupBy(handed, ({ piece }) => piece);
  return [...pieces.values()].every((chunks) =>
    made.some((each) => same(each, Buffer.concat(chunks.map(({ pcm }) => pcm)).toString('latin1'))),
  );
}

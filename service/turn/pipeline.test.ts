/** What each pipeline strategy gains, in virtual time, computed by hand; each with its control. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { tones, turnByHand } from '../../testing/turn-by-hand.ts';
import { flatProfile } from '../../testing/flat-profile.ts';
import { createMemoryCache } from '../calls/speech-cache.ts';
import { ledgerOf } from '../turn-log/ledger.ts';
import { zeroUsOf } from '../turn-log/metrics.ts';
import type { EventKind, TurnEvent, TurnLog } from '../base/events.ts';
import type { FinishedTurn } from './observe.ts';
import type { StrategyPatch } from '../strategy/patch.ts';

/** Speech of a second from 0.2 s on; the turn ends 500 ms after it. */
const SPEECH = tones(2500, [[200, 1200]]);

const all = ({ events }: Pick<TurnLog, 'events'>, kind: EventKind): TurnEvent[] =>
  events.filter((event) => event.kind === kind);
function at(turn: FinishedTurn, kind: EventKind, index?: number): number {
  const found = all(turn.log, kind).find((event) => index === undefined || event.attrs?.['index'] === index);
  return found?.atUs ?? assert.fail(`no ${kind} ${index ?? ''}`);
}

function sound(turn: FinishedTurn): void {
  const { log, summary } = turn;
  assert.equal(summary.failure, undefined);
  const ledger = ledgerOf(log.events, zeroUsOf(log)) ?? assert.fail('no ledger');
  assert.equal(
    ledger.parts.reduce((sum, part) => sum + part.toUs - part.fromUs, 0),
    ledger.e2eUs,
  );
  assert.deepEqual(
    ledger.parts.filter(({ stage }) => stage === 'our code'),
    [],
  );
}

async function run(
  ms: Parameters<typeof flatProfile>[0],
  patch: StrategyPatch,
  rest: Partial<Parameters<typeof turnByHand>[0]> = {},
): Promise<FinishedTurn> {
  const turn = await turnByHand({ profile: flatProfile(ms), tones: SPEECH, patch, ...rest });
  sound(turn);
  assert.equal(turn.world.clock.sleeping(), 0, 'no timer is left');
  return turn;
}

// ten deltas of ten characters; the first comma ends delta 6 (index 5), the first full stop delta 10
const TEN = 'Bu konuda neler yaptığınızı uzun uzun anlatır mısınız, sonra da devam edip bize örnek verelim hepsi.';
assert.equal(TEN.indexOf(','), 53);

test('clause chunking: TTS starts when the delta with the comma arrives, not when the sentence ends', async () => {
  const ms = { llm: 300, deltaGap: 20, deltaChars: 9, tts: 100 };
  const clause = await run(ms, { pipeline: { chunking: 'clause' } }, { reply: TEN });
  // 53 / 9: the comma is the last character of delta 6
  assert.equal(at(clause, 'tts.start', 0), at(clause, 'llm.content', 0) + 5 * 20_000);
  const sentence = await run(ms, { pipeline: { chunking: 'sentence' } }, { reply: TEN });
  const deltas = Math.ceil(TEN.length / 9);
  // the full stop is certain only at the stream's end, one gap behind the last delta
  assert.equal(at(sentence, 'tts.start', 0), at(sentence, 'llm.content', 0) + deltas * 20_000);
  assert.equal((sentence.summary.e2eUs ?? 0) - (clause.summary.e2eUs ?? 0), (deltas - 5) * 20_000);
  const whole = await run(ms, { pipeline: { chunking: 'reply' } }, { reply: TEN });
  assert.equal(whole.summary.e2eUs, sentence.summary.e2eUs);
});

test('a hedge answers when the first model does not: TTFT = threshold + the second one’s own', async () => {
  const models = { 'google/gemini-2.5-flash': 2000, 'openai/gpt-4o-mini': 300 };
  const patch = (afterMs: number): StrategyPatch => ({ llm: { hedge: { afterMs, model: 'openai/gpt-4o-mini' } } });
  const hedged = await run({ models }, patch(400));
  assert.equal(hedged.summary.serviceUs.llm, 700_000);
  assert.equal(hedged.summary.ledger.find(({ phase }) => phase === 'hedge')?.us, 400_000);
  const [bet] = hedged.summary.bets ?? [];
  assert.equal(bet?.kind, 'hedge');
  assert.equal(bet?.outcome, 'hit');
  assert.ok((bet?.wastedTokens ?? 0) > 0 && bet?.estimated === true, 'the loser is charged at full length, marked');
  assert.equal(bet?.savedUs, undefined, 'the loser never answered: what it would have taken is not known');
  assert.equal(hedged.summary.model?.served, 'openai/gpt-4o-mini');

  const alone = await run({ models }, {});
  assert.equal(alone.summary.serviceUs.llm, 2_000_000);
  assert.equal((alone.summary.e2eUs ?? 0) - (hedged.summary.e2eUs ?? 0), 1_300_000);

  const late = await run({ models }, patch(1800));
  assert.equal(late.summary.serviceUs.llm, 2_000_000, 'the first one answers before the second: nothing gained');
  assert.equal(late.summary.bets?.[0]?.outcome, 'miss');
  const never = await run({ models }, patch(2500));
  assert.equal(never.summary.bets, undefined, 'answered within the threshold: no bet was placed');
});

const EARLY = { stt: { upload: { atPause: { pauseMs: 200 } } } };

test('partial prefetch: the LLM begins on the transcript of the pause, its lead is cut from the wait', async () => {
  const ms = { stt: 50, llm: 1000, tts: 100 };
  const patch = { ...EARLY, pipeline: { prefetch: 'partial' } };
  const ahead = await run(ms, patch);
  const base = await run(ms, EARLY);
  // silence since 1200: 200 ms of it send what was said, STT takes 50, 500 ms of it end the turn
  const leadUs = (500 - 200 - 50) * 1000;
  assert.equal(at(base, 'stt.done') - at(base, 'stt.early'), leadUs);
  assert.equal((base.summary.e2eUs ?? 0) - (ahead.summary.e2eUs ?? 0), leadUs);
  const [bet] = ahead.summary.bets ?? [];
  assert.deepEqual([bet?.kind, bet?.outcome, bet?.savedUs, bet?.wastedTokens], ['partial', 'hit', leadUs, 0]);
  assert.equal(ahead.summary.serviceUs.llm, 1_000_000);
  assert.equal(base.summary.bets, undefined);
});

test('a quick reply to an early transcript waits for the end of turn, and nothing is heard before it', async () => {
  const ms = { stt: 10, llm: 50, tts: 100 };
  const ahead = await run(ms, { ...EARLY, pipeline: { prefetch: 'partial' } });
  const endedUs = at(ahead, 'turn.ended');
  assert.ok(at(ahead, 'llm.content') < endedUs, 'it had answered before');
  assert.equal(at(ahead, 'piece.ready', 0), endedUs);
  assert.equal(at(ahead, 'deliver.first_byte'), endedUs + 100_000);
});

test('the user goes on after the pause: the reply begun on half the words is thrown away and paid for', async () => {
  const ms = { stt: 50, llm: 1000, tts: 100 };
  const halting = tones(3500, [
    [200, 1000],
    [1300, 2200],
  ]);
  const ahead = await run(ms, { ...EARLY, pipeline: { prefetch: 'partial' } }, { tones: halting });
  const [bet] = ahead.summary.bets ?? [];
  // one at the first pause, thrown away; one at the last, which holds
  assert.deepEqual([bet?.kind, bet?.outcome, bet?.attempts], ['partial', 'hit', 2]);
  assert.ok((bet?.wastedTokens ?? 0) > 0 && (bet?.wastedUsd ?? 0) > 0);
  assert.equal(all(ahead.log, 'llm.done').length, 1);
  assert.deepEqual(
    all(ahead.log, 'llm.start').map(({ exchange }) => exchange),
    ['llm.10', 'llm.11'],
  );
});

const LLAMA = { model: 'meta-llama/llama-3.1-8b-instruct' };

test('prefill: the opener is audible at the end of turn; it never counts as content', async () => {
  const ms = { stt: 400, llm: 600, tts: 200 };
  const filled = await run(ms, { llm: LLAMA, pipeline: { speculation: 'prefill' } });
  const base = await run(ms, { llm: LLAMA });
  const endedUs = at(filled, 'turn.ended');
  assert.equal(at(filled, 'deliver.first_byte'), endedUs, 'synthesized while the user spoke');
  assert.equal((base.summary.e2eUs ?? 0) - (filled.summary.e2eUs ?? 0), 400_000 + 600_000 + 200_000);
  assert.ok((filled.summary.firstContentAudibleUs ?? 0) > (filled.summary.e2eUs ?? Infinity));
  // content waits for nothing of the opener but its end
  assert.ok((filled.summary.firstContentAudibleUs ?? 0) >= (base.summary.firstContentAudibleUs ?? Infinity));
  assert.match(filled.replyText, /^Anladım\. \S/);
  assert.doesNotMatch(filled.replyText, /Anladım\..*Anladım\./);
  assert.equal(filled.summary.bets?.[0]?.kind, 'prefill');
  assert.equal(filled.summary.bets?.[0]?.savedUs, undefined);
  assert.equal(base.summary.firstContentAudibleUs, base.summary.e2eUs);
});

test('prefill with a model that says the opener again: the repetition is taken out', async () => {
  const llm = { model: 'mistralai/mistral-small-3.1-24b-instruct' };
  const turn = await run({ deltaChars: 3, deltaGap: 5 }, { llm, pipeline: { speculation: 'prefill' } }, { reply: TEN });
  assert.equal(turn.replyText, `Anladım. ${TEN}`);
});

test('predict: an opener that comes true saves its TTFB; the others are wasted characters', async () => {
  const ms = { llm: 600, tts: 200, deltaChars: 4, deltaGap: 10 };
  const reply = 'Anladım. Peki sonra ne yaptınız, anlatır mısınız?';
  const hit = await run(ms, { pipeline: { speculation: 'predict' } }, { reply });
  const base = await run(ms, {}, { reply });
  // "Anladım." is there with delta 2; without the guess it is a piece at the whitespace in delta 3, and then takes 200 ms
  assert.equal((base.summary.e2eUs ?? 0) - (hit.summary.e2eUs ?? 0), 10_000 + 200_000);
  const [bet] = hit.summary.bets ?? [];
  assert.deepEqual([bet?.kind, bet?.outcome, bet?.savedUs], ['predict', 'hit', 200_000]);
  assert.equal(bet?.wastedChars, 'Teşekkür ederim.'.length + 'Çok güzel.'.length);
  assert.equal(hit.replyText, reply);
  assert.ok(
    (hit.summary.firstContentAudibleUs ?? 0) > (hit.summary.e2eUs ?? Infinity),
    'predicted words are not content',
  );
});

test('predict from the cache: openers spoken in an earlier session are not paid for again; control: another voice is', async () => {
  const ms = { llm: 600, tts: 200, deltaChars: 4, deltaGap: 10 };
  const reply = 'Anladım. Peki sonra ne yaptınız, anlatır mısınız?';
  const speechCache = createMemoryCache(() => 0);
  const spoken = async (sessionId: string, cache: boolean, voice = 'alloy') => {
    const patch = { pipeline: { speculation: 'predict' }, cache: { responses: cache }, tts: { voice } };
    const turn = await run(ms, patch, { reply, sessionId, speechCache });
    const predict = turn.summary.bets?.find(({ kind }) => kind === 'predict') ?? assert.fail('no bet');
    const [opener] = all(turn.log, 'piece.ready');
    assert.equal(opener?.attrs?.['origin'], 'predicted', 'this draw says the opener');
    return { turn, predict };
  };
  const first = await spoken('by-hand', true);
  const OPENERS = 'Anladım.Teşekkür ederim.Çok güzel.'.length;
  assert.equal(first.turn.summary.characters, OPENERS + reply.length - 'Anladım.'.length);
  const second = await spoken('by-hand', true);
  assert.equal(second.turn.summary.characters, undefined, 'nothing was synthesized');
  assert.equal(second.turn.summary.e2eUs, first.turn.summary.e2eUs);
  assert.deepEqual([second.predict.savedUs, second.predict.wastedChars], [200_000, 0]);
  const ofCache = second.turn.summary.bets?.filter(({ kind }) => kind === 'cache.responses') ?? [];
  // the rest of the reply, a TTFB of 200 ms; the openers, looked up too, are the prediction's bet alone
  assert.equal(all(second.turn.log, 'cache.looked').length, 3 + 1);
  assert.deepEqual(
    ofCache.map(({ outcome, savedUs }) => [outcome, savedUs]),
    [['hit', 200_000]],
  );
  const other = await spoken('by-hand', true, 'ali');
  assert.equal(other.turn.summary.characters, first.turn.summary.characters);
  const without = await spoken('by-hand', false);
  assert.equal(without.turn.summary.characters, first.turn.summary.characters);
});

test('cancelled while its openers are looked up, a turn begins no synthesis; control: left alone, it does', async () => {
  const memory = createMemoryCache(() => 0);
  const started = async (abortAtMs?: number): Promise<number> => {
    let wait = (): Promise<void> => assert.fail('no clock');
    const turn = await turnByHand({
      profile: flatProfile({ tts: 200 }),
      tones: { ...SPEECH, audio: (clock) => ((wait = () => clock.sleep(1500)), SPEECH.audio(clock)) },
      patch: { pipeline: { speculation: 'predict' }, cache: { responses: true } },
      speechCache: { ...memory, get: () => wait().then(() => undefined) },
      abortAtMs,
    });
    assert.equal(all(turn.log, 'cache.looked').filter(({ attrs }) => Number(attrs?.['index']) >= 10_000).length, 3);
    return all(turn.log, 'tts.start').filter(({ attrs }) => Number(attrs?.['index']) >= 10_000).length;
  };
  assert.equal(await started(1000), 0);
  assert.equal(await started(), 3);
});

test('control: an opener that does not come true gains nothing and is never heard', async () => {
  const ms = { llm: 600, tts: 200, deltaChars: 4, deltaGap: 10 };
  for (let attempt = 0; attempt < 20; attempt++) {
    const sessionId = `session ${attempt}`;
    const reply = 'Hayır, bu doğru değil. Peki sonra?';
    const miss = await run(ms, { pipeline: { speculation: 'predict' } }, { reply, sessionId });
    if (miss.replyText !== reply) continue; // this draw obeys
    assert.equal(miss.summary.e2eUs, (await run(ms, {}, { reply, sessionId })).summary.e2eUs);
    assert.equal(miss.summary.bets?.[0]?.outcome, 'miss');
    assert.equal(miss.summary.firstContentAudibleUs, miss.summary.e2eUs);
    return;
  }
  assert.fail('every turn obeyed: the control was not run');
});

test('prompt prefetch: a prompt as long as the provider caches is a hit, a shorter one is refused and costs nothing', async () => {
  const patch = { pipeline: { prefetch: 'prompt' } };
  const long = await run({}, patch, { systemPrompt: 'Sen bir görüşmecisin. '.repeat(600) });
  const [hit] = long.summary.bets ?? [];
  assert.deepEqual([hit?.kind, hit?.outcome, hit?.attempts], ['prompt', 'hit', 1]);
  assert.ok((hit?.wastedUsd ?? 0) > 0);
  const short = await run({}, patch);
  const [refused] = short.summary.bets ?? [];
  assert.deepEqual([refused?.outcome, refused?.attempts, refused?.wastedTokens], ['refused', 0, 0]);
  assert.match(refused?.reason ?? '', /cached from 2048 on/);
});

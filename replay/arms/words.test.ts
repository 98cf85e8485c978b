/** Same words, computed by hand: character k of the captured reply when the candidate's stream has delivered k characters. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Call, Llm, LlmRequest, Stt, SttRequest } from '../../service/base/ports.ts';
import type { TurnLog } from '../../service/base/events.ts';
import { createVirtualClock } from '../../sim/world/clock.ts';
import { capturedWords } from './words.ts';

type Delta = readonly [atMs: number, text: string];

/** A captured turn that holds these words, or none. */
function captured(words: { transcript?: string; reply?: string }): TurnLog {
  const event = (kind: string, text: string | undefined): unknown[] =>
    text === undefined ? [] : [{ kind, content: { text } }];
  return { events: [...event('stt.done', words.transcript), ...event('llm.done', words.reply)] } as unknown as TurnLog;
}

/** What is released, and when, while a model streams `deltas`; and when the stream ended for the caller. */
async function released(
  deltas: readonly Delta[],
  reply: string | undefined,
  { own = false, abortMs }: { own?: boolean; abortMs?: number } = {},
): Promise<{ out: Delta[]; endMs: number }> {
  const clock = createVirtualClock();
  const abort = new AbortController();
  const nowMs = (): number => Math.round((clock.nowUs() - startUs) / 10) / 100;
  const startUs = clock.nowUs();
  let atUs = 0;
  const call = { clock, signal: abort.signal, arrival: () => ({ atUs, eventId: () => 0 }) } as unknown as Call;
  const model: Llm = {
    async stream(_request, _call, onDelta) {
      for (const [atMs, text] of deltas) {
        await clock.sleep(atMs - (clock.nowUs() - startUs) / 1000);
        atUs = clock.nowUs();
        onDelta(text);
      }
      return { finishReason: 'stop' };
    },
  };
  const stt: Stt = { model: 'none', transcribe: () => Promise.reject(new TypeError('not asked')) };
  const speakers = { stt, llm: model };
  const { llm } = own ? speakers : capturedWords(speakers, captured(reply === undefined ? {} : { reply }));
  const out: Delta[] = [];
  let endMs = Number.NaN;
  await clock.run(async () => {
    if (abortMs !== undefined) void clock.sleep(abortMs).then(() => abort.abort(new TypeError('hung up')));
    await llm.stream({} as LlmRequest, call, (text, saidUs) => {
      if (saidUs !== undefined) assert.equal(saidUs, clock.nowUs());
      out.push([nowMs(), text]);
    });
    endMs = nowMs();
  });
  return { out, endMs };
}

/** 2, 3 and 2 characters, 50 ms apart: 7/3 characters every 50 ms on average. */
const STREAM: readonly Delta[] = [
  [100, 'XX'],
  [150, 'XXX'],
  [200, 'XX'],
];

const CASES: readonly [name: string, stream: readonly Delta[], reply: string, out: readonly Delta[], endMs: number][] =
  [
    [
      'as long: character by character',
      STREAM,
      'abcdefg',
      [
        [100, 'ab'],
        [150, 'cde'],
        [200, 'fg'],
      ],
      200,
    ],
    [
      'shorter: nothing after its end, and the stream is still read to its own',
      STREAM,
      'abc',
      [
        [100, 'ab'],
        [150, 'c'],
      ],
      200,
    ],
    // past the stream: round(7/3) = 2 characters by 250 ms, round(14/3) = 5 by 300 ms, round(21/3) = 7 by 350 ms
    [
      'longer: the rest at the mean rate',
      STREAM,
      'abcdefghijklmn',
      [
        [100, 'ab'],
        [150, 'cde'],
        [200, 'fg'],
        [250, 'hi'],
        [300, 'jkl'],
        [350, 'mn'],
      ],
      350,
    ],
    [
      'longer by one character',
      STREAM,
      'abcdefgh',
      [
        [100, 'ab'],
        [150, 'cde'],
        [200, 'fg'],
        [250, 'h'],
      ],
      250,
    ],
    // twice the deltas in the same time, the same characters a second: 1 every 25 ms
    [
      'a model of smaller deltas continues with smaller ones',
      [
        [100, 'X'],
        [125, 'X'],
        [150, 'X'],
      ],
      'abcdef',
      [
        [100, 'a'],
        [125, 'b'],
        [150, 'c'],
        [175, 'd'],
        [200, 'e'],
        [225, 'f'],
      ],
      225,
    ],
    [
      'one delta has no rate: all at once',
      [[100, 'XX']],
      'abcd',
      [
        [100, 'ab'],
        [100, 'cd'],
      ],
      100,
    ],
    ['a model that said nothing releases nothing', [], 'abcd', [], 0],
  ];
for (const [name, stream, reply, out, endMs] of CASES) {
  test(`same words, captured reply ${name}`, async () => {
    assert.deepEqual(await released(stream, reply), { out, endMs });
  });
}

test('control: own words are the model’s, and so is a reply whose capture holds no text', async () => {
  const own = { out: STREAM, endMs: 200 };
  assert.deepEqual(await released(STREAM, 'abcdefghijklmn', { own: true }), own);
  assert.deepEqual(await released(STREAM, undefined), own);
  assert.notDeepEqual(await released(STREAM, 'abcdefg'), own);
});

test('a slower model releases the same characters later, by its own slowness', async () => {
  const slower = STREAM.map(([atMs, text]): Delta => [2 * atMs, text]);
  const [fast, slow] = [await released(STREAM, 'abcdefghijklmn'), await released(slower, 'abcdefghijklmn')];
  assert.deepEqual(
    slow.out,
    fast.out.map(([atMs, text]) => [2 * atMs, text]),
  );
});

test('an abort ends the release of the rest', async () => {
  await assert.rejects(released(STREAM, 'abcdefghijklmn', { abortMs: 270 }), /hung up/);
  await released(STREAM, 'abcdefghijklmn', { abortMs: 400 }); // control: it was all said by then
});

test('the transcript is the captured one, the rest of the answer STT’s own; without a captured one it is STT’s', async () => {
  const stt: Stt = { model: 'none', transcribe: () => Promise.resolve({ text: 'heard', requestId: 'r' }) };
  const llm: Llm = { stream: () => Promise.resolve({}) };
  const heard = (transcript?: string): Promise<unknown> =>
    capturedWords({ stt, llm }, captured(transcript === undefined ? {} : { transcript })).stt.transcribe(
      {} as SttRequest,
      {} as Call,
    );
  assert.deepEqual(await heard('said'), { text: 'said', requestId: 'r' });
  assert.deepEqual(await heard(), { text: 'heard', requestId: 'r' });
});

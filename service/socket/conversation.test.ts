import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import { framesSince, GENERATION_FRAMES, lastFrames, NO_FRAMES, withFrame } from '../audio/recent-frames.ts';
import type { AudioFrame } from '../base/ports.ts';
import { advance, NEW_CONVERSATION, playedMsIn } from './conversation.ts';
import type {
  ConversationEffect,
  ConversationMessage,
  ConversationState,
  SessionFacts,
  Traffic,
} from './conversation-words.ts';
import { LIMITS } from '../http/limits.ts';
import { PRE_ROLL_MS } from '../turn/barge-in.ts';

const RATE_HZ = 16_000;
const FRAME_SAMPLES = RATE_HZ / 50; // 20 ms
const FREE: SessionFacts = { nowUs: 0, isOpen: true, isBusy: false, isOverloaded: false, mayInterrupt: true };
const frame = (atUs: number, samples = FRAME_SAMPLES): AudioFrame => ({ atUs, samples: new Int16Array(samples) });
const binary = (atUs = 0, bytes = FRAME_SAMPLES * 2): ConversationMessage => ({
  kind: 'binary',
  bytes: new Uint8Array(bytes),
  atUs,
});
const text = (json: unknown): ConversationMessage => ({ kind: 'text', json });
const START = text({ type: 'start', sampleRateHz: RATE_HZ, format: 'pcm_s16le' });

const NO_TRAFFIC: Traffic = {
  messages: { left: LIMITS.messageBurst.value, atUs: 0 },
  audio: { left: LIMITS.audioBurst.value, atUs: 0 },
  bad: 0,
};
const STATES = {
  new: NEW_CONVERSATION,
  idle: { kind: 'idle', sampleRateHz: RATE_HZ, heard: NO_FRAMES, recent: NO_FRAMES, traffic: NO_TRAFFIC },
  listening: { kind: 'listening', sampleRateHz: RATE_HZ, heardUs: 0, recent: NO_FRAMES, traffic: NO_TRAFFIC },
  replying: { kind: 'replying', sampleRateHz: RATE_HZ, playedMs: 40, recent: NO_FRAMES, traffic: NO_TRAFFIC },
  closed: { kind: 'closed' },
} satisfies Record<string, ConversationState>;

/** The next state, and each effect by its kind; a refusal with its status. */
function told(state: ConversationState, message: ConversationMessage, session = FREE): string {
  const next = advance(state, message, session);
  const done = next.effects.map((each) => (each.kind === 'refuse' ? `refuse ${each.problem.status}` : each.kind));
  const isSame = isDeepStrictEqual({ ...next.state, traffic: 0 }, { ...state, traffic: 0 });
  return [isSame ? 'same' : next.state.kind, ...done].join(' ');
}

type Row = Record<keyof typeof STATES, string>;
const nothing = (row: Partial<Row>): Row => ({
  new: 'same',
  idle: 'same',
  listening: 'same',
  replying: 'same',
  closed: 'same',
  ...row,
});
const refused = (status: number): Row => {
  const refusal = `same refuse ${status}`;
  return { new: refusal, idle: refusal, listening: refusal, replying: refusal, closed: 'same' };
};
const ROWS: readonly [name: string, message: ConversationMessage, row: Row, session?: SessionFacts][] = [
  [
    'start',
    START,
    {
      new: 'listening open-turn',
      idle: 'listening open-turn',
      listening: 'same refuse 409',
      replying: 'same refuse 409',
      closed: 'same',
    },
  ],
  [
    'start in an overload',
    START,
    { new: 'same shed', idle: 'same shed', listening: 'same refuse 409', replying: 'same refuse 409', closed: 'same' },
    { ...FREE, isOverloaded: true },
  ],
  [
    'onset in an overload',
    { kind: 'onset' },
    nothing({ idle: 'listening open-turn' }),
    { ...FREE, isOverloaded: true },
  ],
  ['start while a turn runs elsewhere', START, refused(409), { ...FREE, isBusy: true }],
  [
    'start in a session that is gone',
    START,
    {
      new: 'closed refuse 404 disconnect',
      idle: 'closed refuse 404 disconnect',
      listening: 'same refuse 409',
      replying: 'same refuse 409',
      closed: 'same',
    },
    { ...FREE, isOpen: false },
  ],
  ['start at 5 Hz', text({ type: 'start', sampleRateHz: 5, format: 'pcm_s16le' }), refused(415)],
  ['start as mp3', text({ type: 'start', sampleRateHz: RATE_HZ, format: 'mp3' }), refused(400)],
  ['end', text({ type: 'end' }), nothing({ listening: 'same end-audio', replying: 'same end-audio' })],
  ['played', text({ type: 'played', ms: 80 }), nothing({ replying: 'replying' })],
  ['played less than nothing', text({ type: 'played', ms: -1 }), refused(400)],
  ['no JSON', text(undefined), refused(400)],
  ['an unknown type', text({ type: 'strat' }), refused(400)],
  ['a list', text([START]), refused(400)],
  [
    'a frame',
    binary(),
    {
      new: 'same refuse 400',
      idle: 'idle watch',
      listening: 'listening hear',
      replying: 'replying hear',
      closed: 'same',
    },
  ],
  [
    'an empty frame',
    binary(0, 0),
    { new: 'same refuse 400', idle: 'same', listening: 'same', replying: 'same', closed: 'same' },
  ],
  ['a ping', { kind: 'ping' }, nothing({})],
  ['time', { kind: 'tick' }, nothing({})],
  [
    'time without a frame',
    { kind: 'tick' },
    nothing({ listening: 'same end-audio' }),
    { ...FREE, nowUs: LIMITS.silentTurn.value * 1000 + 1 },
  ],
  [
    'time in a session that is gone',
    { kind: 'tick' },
    nothing({ new: 'closed refuse 404 disconnect', idle: 'closed refuse 404 disconnect' }),
    { ...FREE, isOpen: false },
  ],
  ['half a sample', binary(0, 3), refused(400)],
  ['onset', { kind: 'onset' }, nothing({ idle: 'listening open-turn' })],
  [
    'onset in a session that is gone',
    { kind: 'onset' },
    nothing({ idle: 'closed refuse 404 disconnect' }),
    { ...FREE, isOpen: false },
  ],
  ['turn-ended', { kind: 'turn-ended' }, nothing({ listening: 'replying' })],
  ['turn-over', { kind: 'turn-over' }, nothing({ listening: 'idle watch-anew', replying: 'idle watch-anew' })],
  [
    'turn-over, interrupted',
    { kind: 'turn-over', interruptedUs: 5 },
    nothing({ listening: 'same open-turn', replying: 'listening open-turn' }),
  ],
  [
    'turn-over, interrupted in a session that is gone',
    { kind: 'turn-over', interruptedUs: 5 },
    nothing({ listening: 'closed refuse 404 disconnect', replying: 'closed refuse 404 disconnect' }),
    { ...FREE, isOpen: false },
  ],
  [
    'turn-over, not run',
    { kind: 'turn-over', problem: { status: 400, title: 'Bad request', detail: 'in a turn' } },
    nothing({ listening: 'idle watch-anew refuse 400', replying: 'idle watch-anew refuse 400' }),
  ],
  [
    'disconnected',
    { kind: 'disconnected' },
    {
      new: 'closed cancel-turn',
      idle: 'closed cancel-turn',
      listening: 'closed cancel-turn',
      replying: 'closed cancel-turn',
      closed: 'same',
    },
  ],
];

for (const [name, message, row, session] of ROWS) {
  test(`every state × ${name}`, () => {
    const found = Object.fromEntries(
      Object.entries(STATES).map(([each, state]) => [each, told(state, message, session)]),
    );
    assert.deepEqual(found, row);
  });
}

/** The states and effects of a sequence of messages. */
function run(messages: readonly ConversationMessage[], session = FREE) {
  let state: ConversationState = NEW_CONVERSATION;
  const effects: ConversationEffect[] = [];
  for (const message of messages) {
    const next = advance(state, message, session);
    state = next.state;
    effects.push(...next.effects);
  }
  return { state, effects };
}

const frames = (count: number, fromUs: number): ConversationMessage[] =>
  Array.from({ length: count }, (_, index) => binary(fromUs + index * 20_000));
const openedWith = (effects: readonly ConversationEffect[]): number[][] =>
  effects.flatMap((each) => (each.kind === 'open-turn' ? [each.heard.map(({ atUs }) => atUs)] : []));

test('speech after a turn opens the next one with its pre-roll, none of it older than the turn', () => {
  const turn = [START, ...frames(3, 0), { kind: 'turn-ended' }, { kind: 'turn-over' }] as const;
  const long = run([...turn, ...frames(50, 1e6), { kind: 'onset' }]);
  const [, heard = []] = openedWith(long.effects);
  assert.equal(heard.at(-1), 1e6 + 49 * 20_000);
  assert.equal(heard.length, 1 + PRE_ROLL_MS / 20);
  const short = run([...turn, ...frames(2, 1e6), { kind: 'onset' }]);
  assert.deepEqual(openedWith(short.effects), [[], [1e6, 1e6 + 20_000]]);
});

test('an interruption opens the next turn with what was said since its onset, and 400 ms before', () => {
  const messages: ConversationMessage[] = [START, ...frames(50, 0), { kind: 'turn-ended' }, ...frames(50, 1e6)];
  const over: ConversationMessage = { kind: 'turn-over', interruptedUs: 1.5e6 };
  const [, heard = []] = openedWith(run([...messages, over]).effects);
  assert.deepEqual([heard[0], heard.at(-1)], [1.1e6, 1e6 + 49 * 20_000]);
  const deaf = run([...messages, over], { ...FREE, mayInterrupt: false });
  assert.deepEqual(openedWith(deaf.effects), [[], []], 'control: nothing is kept where nobody may interrupt');
});

test('what was played counts for the reply that it was told in', () => {
  const played = (ms: number): ConversationMessage => text({ type: 'played', ms });
  const before = run([START, played(900), { kind: 'turn-ended' }]);
  assert.equal(before.state.kind === 'replying' && before.state.playedMs, undefined);
  const during = run([START, { kind: 'turn-ended' }, played(20), played(40)]);
  assert.equal(during.state.kind === 'replying' && during.state.playedMs, 40);
  const next = run([START, { kind: 'turn-ended' }, played(40), { kind: 'turn-over' }, START, { kind: 'turn-ended' }]);
  assert.equal(next.state.kind === 'replying' && next.state.playedMs, undefined);
});

test('what was played is known when the client goes while its interruption is recorded', () => {
  const spoken: ConversationMessage[] = [START, { kind: 'turn-ended' }, text({ type: 'played', ms: 40 })];
  assert.equal(playedMsIn(run([...spoken, { kind: 'disconnected' }]).state), 40);
  assert.equal(playedMsIn(run([START, { kind: 'disconnected' }]).state), undefined, 'control: nothing was said');
});

/** Kinds of the effects, with the code of a disconnect. */
const kindsOf = (effects: readonly ConversationEffect[]): string[] =>
  effects.map((each) => (each.kind === 'disconnect' ? `disconnect ${each.code}` : each.kind));
const many = (count: number, message: ConversationMessage): ConversationMessage[] =>
  Array.from({ length: count }, () => message);

test('a connection that sends too many messages is told so once and let go; its turn ends', () => {
  for (const message of [binary(0, 0), binary(0, 2), text({ type: 'end' }), { kind: 'ping' }] as const) {
    const { state, effects } = run([START, ...many(40_000, message)]);
    assert.deepEqual(kindsOf(effects.slice(-3)), ['refuse', 'disconnect 1008', 'cancel-turn']);
    assert.equal(effects.filter((each) => each.kind === 'refuse').length, 1);
    assert.equal(state.kind, 'closed');
  }
  const burst = run([START, ...many(LIMITS.messageBurst.value - 1, binary(0, 2))]);
  assert.equal(burst.state.kind, 'listening', 'control: 30 s of 10 ms frames after a stall');
  let state: ConversationState = NEW_CONVERSATION;
  for (let sent = 0; sent < 40_000; sent++) {
    state = advance(state, sent === 0 ? START : binary(), { ...FREE, nowUs: sent * 10_000 }).state;
  }
  assert.equal(state.kind, 'listening', 'control: a microphone with 10 ms frames, for 400 s');
});

test('audio far faster than a speaker is refused once, and its connection let go', () => {
  const second = binary(0, 2 * RATE_HZ);
  const atOnceS = LIMITS.audioBurst.value / 1000;
  assert.equal(run([START, ...many(atOnceS, second)]).state.kind, 'listening', 'control: 10 s after a stall');
  const { state, effects } = run([START, ...many(atOnceS + 1, second)]);
  assert.deepEqual(kindsOf(effects.slice(-3)), ['refuse', 'disconnect 1008', 'cancel-turn']);
  assert.equal(state.kind, 'closed');
});

test('a connection whose messages cannot be used is let go; a turn that it starts in between counts as use', () => {
  const limit = LIMITS.badMessages.value;
  const { state, effects } = run([START, ...many(limit, text('x')), START]);
  assert.deepEqual(kindsOf(effects), [
    'open-turn',
    ...Array.from({ length: limit }, () => 'refuse'),
    'disconnect 1008',
    'cancel-turn',
  ]);
  assert.equal(state.kind, 'closed');
  const some = many(limit - 1, text('x'));
  assert.equal(run([...some, START, ...some]).state.kind, 'listening', 'control');
});

test('tiny frames cost the same however many came before: as many are kept as in a burst', () => {
  let kept = NO_FRAMES;
  for (let sent = 0; sent < 700_000; sent++) kept = withFrame(kept, frame(sent, 1), RATE_HZ);
  const held = framesSince(kept, 0).length;
  assert.ok(held >= GENERATION_FRAMES && held <= 2 * GENERATION_FRAMES, `${held} frames`);
});

test('recent frames: the last of them, and those since a time, as from a list of all', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(400), { maxLength: 200 }), fc.nat(3000), (sizes, samples) => {
      const all = sizes.map((size, index) => frame(index, size));
      const recent = all.reduce((kept, each) => withFrame(kept, each, samples), NO_FRAMES);
      const behind = (index: number): number =>
        all.slice(index + 1).reduce((sum, each) => sum + each.samples.length, 0);
      assert.deepEqual(
        lastFrames(recent, samples).map(({ atUs }) => atUs),
        all.filter((_, index) => behind(index) <= samples).map(({ atUs }) => atUs),
      );
      const last = framesSince(recent, sizes.length - 3).map(({ atUs }) => atUs);
      assert.deepEqual(
        last,
        all
          .slice(-3)
          .map(({ atUs }) => atUs)
          .slice(-last.length),
      );
    }),
  );
});

const anyMessage: fc.Arbitrary<ConversationMessage> = fc.oneof(
  { weight: 4, arbitrary: fc.constant(START) },
  fc.constant(text({ type: 'start', sampleRateHz: 48_000, format: 'pcm_s16le' })),
  fc.constantFrom(text({ type: 'end' }), text(undefined), text({ type: 'start' })),
  fc.nat(9000).map((ms) => text({ type: 'played', ms })),
  fc.jsonValue().map(text),
  { weight: 8, arbitrary: fc.tuple(fc.nat(1e7), fc.nat(2000)).map(([atUs, bytes]) => binary(atUs, bytes)) },
  { weight: 2, arbitrary: fc.constant<ConversationMessage>({ kind: 'onset' }) },
  { weight: 3, arbitrary: fc.constant<ConversationMessage>({ kind: 'turn-ended' }) },
  {
    weight: 3,
    arbitrary: fc.oneof(
      fc.constant<ConversationMessage>({ kind: 'turn-over' }),
      fc.nat(1e7).map((interruptedUs): ConversationMessage => ({ kind: 'turn-over', interruptedUs })),
    ),
  },
  fc.constantFrom<ConversationMessage>({ kind: 'disconnected' }, { kind: 'tick' }, { kind: 'ping' }),
);
const anyFacts = fc.record({
  nowUs: fc.nat(40_000_000),
  isOpen: fc.oneof({ weight: 9, arbitrary: fc.constant(true) }, fc.constant(false)),
  isBusy: fc.oneof({ weight: 9, arbitrary: fc.constant(false) }, fc.constant(true)),
  isOverloaded: fc.oneof({ weight: 9, arbitrary: fc.constant(false) }, fc.constant(true)),
  mayInterrupt: fc.boolean(),
});

/** Whoever does the effects knows this much: what a message may not lead to. Undefined where all is well. */
function complaint(
  before: ConversationState,
  message: ConversationMessage,
  { state, effects }: ReturnType<typeof advance>,
): string | undefined {
  const kinds = effects.map(({ kind }) => kind);
  const opens = kinds.filter((kind) => kind === 'open-turn').length;
  const wasOpen = before.kind === 'listening' || before.kind === 'replying';
  const isOpen = state.kind === 'listening' || state.kind === 'replying';
  if (before.kind === 'closed' && (state.kind !== 'closed' || kinds.length > 0)) return 'it goes on after its end';
  if (opens > (wasOpen && message.kind !== 'turn-over' ? 0 : 1)) return 'a turn opens beside another';
  if (isOpen && !wasOpen && opens === 0) return 'a turn is open that nobody runs';
  if (opens > 0 && state.kind !== 'listening') return 'a turn runs that is not open';
  if (wasOpen && state.kind === 'idle' && message.kind !== 'turn-over') return 'a running turn is forgotten';
  if (kinds.includes('hear') && !wasOpen) return 'a frame goes to no turn';
  if (kinds.includes('watch') && before.kind !== 'idle') return 'an onset is watched for during a turn';
  if (wasOpen && state.kind === 'closed' && !kinds.some((kind) => kind === 'cancel-turn' || kind === 'disconnect')) {
    return 'a turn runs on without a client';
  }
  if (state.kind !== 'closed' && framesSince(state.recent, 0).length > 2 * GENERATION_FRAMES) return 'frames pile up';
  if (state.kind === 'idle' && framesSince(state.heard, 0).length > 2 * GENERATION_FRAMES)
    return 'the pre-roll piles up';
  return undefined;
}

test('no sequence of messages leads to an impossible state', () => {
  const seen = new Set<string>();
  fc.assert(
    fc.property(fc.array(fc.tuple(anyMessage, anyFacts), { maxLength: 60 }), (sequence) => {
      let state: ConversationState = NEW_CONVERSATION;
      for (const [message, facts] of sequence) {
        const next = advance(state, message, facts);
        assert.equal(complaint(state, message, next), undefined, `${state.kind} × ${JSON.stringify(message)}`);
        seen.add(`${state.kind} → ${next.state.kind}`);
        state = next.state;
      }
    }),
    { numRuns: 2000, seed: 20_261_201 },
  );
  for (const way of [
    'idle → listening',
    'listening → replying',
    'replying → listening',
    'replying → idle',
    'replying → closed',
  ])
    assert.ok(seen.has(way), `control: ${way} was tried`);
});

/** Frames kept without an end. */
const endless = Array.from({ length: 2 * GENERATION_FRAMES + 1 }, () => frame(0));
const TOO_MANY = {
  newer: endless.reduce<typeof NO_FRAMES.newer>(
    (before, each, index) => ({ frame: each, before, frames: index + 1, samples: 0 }),
    undefined,
  ),
};

test('control: each impossible step is noticed', () => {
  const { idle, listening, replying, closed } = STATES;
  const open: ConversationEffect = { kind: 'open-turn', sampleRateHz: RATE_HZ, heard: [] };
  const steps: [ConversationState, ConversationMessage, ConversationState, ConversationEffect[]][] = [
    [closed, START, listening, [open]],
    [replying, START, listening, [open]],
    [idle, START, listening, []],
    [idle, START, idle, [open]],
    [listening, text({ type: 'end' }), idle, []],
    [idle, binary(), idle, [{ kind: 'hear', frame: frame(0) }]],
    [listening, binary(), listening, [{ kind: 'watch', frame: frame(0) }]],
    [listening, { kind: 'disconnected' }, closed, []],
    [idle, binary(), { ...idle, recent: TOO_MANY }, []],
    [idle, binary(), { ...idle, heard: TOO_MANY }, []],
  ];
  const found = steps.map(([before, message, state, effects]) => complaint(before, message, { state, effects }));
  assert.equal(new Set(found).size, steps.length, String(found));
  assert.ok(!found.includes(undefined));
});

/** Each rule that a soak holds turns to, with a turn that breaks it. */
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import type { EventKind, TurnEvent } from '../../service/base/events.ts';
import { DEFAULT_STRATEGY } from '../../service/strategy/strategy.ts';
import type { Handed } from './order.ts';
import { RULES, violationsOf, type CheckedTurn, type Served } from './rules.ts';
import { fixtureAudio, loadInterviews } from '../../sim/world/fixtures.ts';
import { loadProfile } from '../../sim/times/profile.ts';
import { createSimSession } from '../../sim/world/session.ts';
import { createSimWorld } from '../../sim/world/world.ts';

/** A turn that keeps all rules. */
let kept: CheckedTurn;
before(async () => {
  const interviews = loadInterviews();
  const [interview] = interviews;
  assert.ok(interview !== undefined);
  const served: Served[] = [];
  const handed: Handed[] = [];
  const world = createSimWorld({
    ...{ profile: loadProfile('seed'), seed: 'check', interviews },
    served: (context, facts) => served.push({ context, facts }),
  });
  const session = createSimSession({
    ...{ world, sessionId: interview.name, strategy: DEFAULT_STRATEGY, profile: 'seed', interview: interview.name },
    ...{ language: interview.language, systemPrompt: interview.systemPrompt },
  });
  const turn = await session.turn({
    audio: fixtureAudio(interview.turns[0]?.audio ?? '', 100),
    reply: {
      audio: async (pcm, pieceIndex) =>
        void handed.push({ atUs: world.clock.nowUs(), pieceIndex, bytes: pcm.byteLength }),
    },
  });
  const otlpLine = String(session.store.files(interview.name).get('trace.otlp.jsonl'));
  const [sleeping, held] = [world.clock.sleeping(), world.exchangesInUse()];
  kept = { turn, otlpLine, handed, served, billLost: false, sleeping, held };
});

type Tamper = (turn: CheckedTurn) => CheckedTurn;

/** The turn with other events. */
const withEvents =
  (change: (events: readonly TurnEvent[]) => readonly TurnEvent[]): Tamper =>
  (checked) => {
    const { log } = checked.turn;
    return { ...checked, turn: { ...checked.turn, log: { ...log, events: change(log.events) } } };
  };
const lastOf = (events: readonly TurnEvent[], kind: EventKind): TurnEvent => {
  const found = events.findLast((event) => event.kind === kind);
  assert.ok(found !== undefined, kind);
  return found;
};
const moved = (kind: EventKind, byUs: number): Tamper =>
  withEvents((events) =>
    events.map((each) => (each === lastOf(events, kind) ? { ...each, atUs: each.atUs + byUs } : each)),
  );

const BROKEN: Readonly<Record<string, Tamper>> = {
  'spans nest': moved('llm.start', 1e9),
  'path is the ledger': (checked) => {
    const { measured } = checked.turn;
    const ledger = measured.summary.ledger.map((row) => (row.stage === 'llm' ? { ...row, us: row.us + 1000 } : row));
    return {
      ...checked,
      turn: { ...checked.turn, measured: { ...measured, summary: { ...measured.summary, ledger } } },
    };
  },
  'errors tell the failure': (checked) => {
    const failure = { stage: 'deliver', kind: 'internal', retryable: false, message: 'x' } as const;
    return { ...checked, turn: { ...checked.turn, summary: { ...checked.turn.summary, failure } } };
  },
  'phases sum': moved('http.sent', 1e9),
  'ledger exact': (checked) => {
    const { measured } = checked.turn;
    const [first, ...rest] = measured.summary.ledger;
    assert.ok(first !== undefined);
    const summary = { ...measured.summary, ledger: [{ ...first, us: first.us + 1 }, ...rest] };
    return { ...checked, turn: { ...checked.turn, measured: { ...measured, summary } } };
  },
  'one outcome': withEvents((events) => [...events, lastOf(events, 'turn.done')]),
  'no audio before its text': moved('piece.ready', 1e9),
  'order kept': (checked) => ({ ...checked, handed: checked.handed.toReversed() }),
  'said once': withEvents((events) => {
    const { exchange } = lastOf(events, 'tts.audio');
    const said: TurnEvent = { id: events.length, kind: 'retry.wait', stage: 'tts', atUs: 1e9 };
    return [...events, exchange === undefined ? said : { ...said, exchange }];
  }),
  'nothing after cancel': (checked) => {
    const failure = { stage: 'deliver', kind: 'cancelled', retryable: false, message: 'the user hung up' } as const;
    const { turn } = checked;
    return { ...checked, cancelledUs: 1, turn: { ...turn, summary: { ...turn.summary, failure } } };
  },
  'every resource released': (checked) => ({ ...checked, sleeping: 1 }),
  'cost accounted once': (checked) => ({ ...checked, served: [...checked.served, ...checked.served.slice(0, 1)] }),
  'trace complete': (checked) => ({ ...checked, otlpLine: checked.otlpLine.replace(/"spanId":"\w/, '"spanId":"') }),
};

test('control: the turn keeps all rules as it is, and every rule has a turn that breaks it', () => {
  assert.deepEqual(violationsOf(kept), []);
  assert.deepEqual(Object.keys(BROKEN).sort(), RULES.map(({ name }) => name).sort());
});

for (const [rule, tamper] of Object.entries(BROKEN)) {
  test(`a turn that breaks the rule is a violation: ${rule}`, () => {
    const broken = violationsOf(tamper(kept)).map((violation) => violation.rule);
    assert.ok(broken.includes(rule), `found: ${broken.join(', ')}`);
  });
}

test('a connection that is not let go, and audio after the user has hung up, are violations too', () => {
  const details = (checked: CheckedTurn): string[] => violationsOf(checked).map(({ detail }) => detail);
  assert.deepEqual(details({ ...kept, held: 2 }), ['2 exchanges hold a connection after the turn']);
  const hungUp = BROKEN['nothing after cancel']?.(kept) ?? assert.fail();
  const [cancelledUs, late] = [1e9, { atUs: 1e9 + 1, pieceIndex: 7, bytes: 2 }];
  assert.ok(!details({ ...hungUp, cancelledUs }).some((detail) => detail.endsWith(' after it')), 'control: in time');
  const handed = [...kept.handed, late];
  assert.ok(details({ ...hungUp, cancelledUs, handed }).includes('audio of piece 7 after it'));
});

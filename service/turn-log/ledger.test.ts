import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ledgerOf, phaseOf, slackOf } from './ledger.ts';
import type { EventKind, Stage, TurnEvent } from '../base/events.ts';

/** `[kind, stage, atUs, cause, also]` rows → events. */
function log(rows: readonly [EventKind, Stage, number, number?, number?][]): TurnEvent[] {
  return rows.map(([kind, stage, atUs, cause, also], id) => ({
    id,
    kind,
    stage,
    atUs,
    ...(cause === undefined ? {} : { cause }),
    ...(also === undefined ? {} : { also }),
  }));
}

/*
 *  0        400 500     700                 1300  1400
 *  start     |  ended   stt.done            audio  audible
 *            zero
 *                 └ speech.quiet at 350 lies before the zero: its part is clipped
 */
const TURN = log([
  ['speech.start', 'endpointing', 0],
  ['speech.quiet', 'endpointing', 350, 0],
  ['turn.ended', 'endpointing', 500, 1],
  ['stt.start', 'stt', 500, 2],
  ['http.start', 'stt', 500, 3],
  ['http.queued', 'stt', 500, 4],
  ['http.sent', 'stt', 520, 5],
  ['http.headers', 'stt', 690, 6],
  ['http.chunk', 'stt', 700, 7],
  ['stt.done', 'stt', 700, 8],
  ['llm.start', 'llm', 700, 9],
  ['http.start', 'llm', 705, 10],
  ['http.queued', 'llm', 705, 11],
  ['http.sent', 'llm', 706, 12],
  ['http.headers', 'llm', 800, 13],
  ['http.chunk', 'llm', 900, 14],
  ['llm.content', 'llm', 900, 15],
  ['llm.content', 'chunk', 960, 16],
  ['piece.ready', 'chunk', 960, 17],
  ['tts.start', 'tts', 960, 18],
  ['http.start', 'tts', 960, 19],
  ['http.queued', 'tts', 970, 20],
  ['http.sent', 'tts', 971, 21],
  ['http.headers', 'tts', 1290, 22],
  ['http.chunk', 'tts', 1300, 23],
  ['tts.audio', 'tts', 1300, 24],
  ['deliver.first_byte', 'deliver', 1300, 25],
  ['deliver.first_audible', 'deliver', 1400, 26, 25],
  ['speech.end', 'endpointing', 400],
]);

test('parts are contiguous from zero to first audible, clipped at the zero, and add up', () => {
  const ledger = ledgerOf(TURN, 400);
  assert.ok(ledger);
  assert.deepEqual(
    ledger.parts.map(({ stage, phase, fromUs, toUs }) => `${stage}/${phase} ${fromUs}-${toUs}`),
    [
      'endpointing/detect 400-500',
      'stt/send 500-520',
      'stt/wait 520-690',
      'stt/body 690-700',
      'our code/our code 700-705',
      'llm/send 705-706',
      'llm/wait 706-800',
      'llm/body 800-900',
      'chunk/hold 900-960',
      'tts/queue 960-970',
      'tts/send 970-971',
      'tts/wait 971-1290',
      'tts/body 1290-1300',
      'deliver/silence 1300-1400',
    ],
  );
  assert.equal(ledger.e2eUs, 1000);
  assert.deepEqual(
    ledger.headStart.map(({ fromUs, toUs }) => [fromUs, toUs]),
    [
      [0, 350],
      [350, 400],
    ],
  );
});

test('for any zero inside the turn the parts add up to end-to-end', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 1399 }), (zeroUs) => {
      const ledger = ledgerOf(TURN, zeroUs);
      assert.ok(ledger);
      const total = ledger.parts.reduce((sum, part) => sum + part.toUs - part.fromUs, 0);
      assert.equal(total, 1400 - zeroUs);
      assert.ok(ledger.parts.every((part, index) => part.fromUs === (ledger.parts[index - 1]?.toUs ?? zeroUs)));
    }),
  );
});

/** The turn with stalls of our process: `[from, to, from, to, …]`. */
const withStalls = (fromToUs: readonly number[]): TurnEvent[] => [
  ...TURN,
  { id: TURN.length, kind: 'loop.blocked', stage: 'endpointing', atUs: 1400, cause: 0, attrs: { fromToUs } },
];

test('a stall is a part of our code where it held the turn up, and nowhere else', () => {
  const partsOf = (...fromToUs: number[]): string[] =>
    (ledgerOf(withStalls(fromToUs), 400)?.parts ?? []).map(
      ({ stage, phase, fromUs, toUs }) => `${stage}/${phase} ${fromUs}-${toUs}`,
    );
  const free = partsOf();
  const changed = (...fromToUs: number[]): string[] => partsOf(...fromToUs).filter((part) => !free.includes(part));
  assert.deepEqual(changed(550, 680), [], 'over before the answer came');
  assert.deepEqual(changed(550, 690), ['stt/wait 520-550', 'our code/blocked 550-690']);
  assert.deepEqual(changed(550, 697), ['stt/wait 520-550', 'our code/blocked 550-690'], 'the body came after it');
  assert.deepEqual(changed(701, 703), [
    'our code/our code 700-701',
    'our code/blocked 701-703',
    'our code/our code 703-705',
  ]);
  assert.deepEqual(changed(1310, 1390), [], 'the client plays without us');
  assert.deepEqual(changed(300, 500), ['our code/blocked 400-500'], 'clipped at the zero');
  assert.deepEqual(
    changed(1295, 1350, 600, 695),
    ['stt/wait 520-600', 'our code/blocked 600-690', 'tts/body 1290-1295', 'our code/blocked 1295-1300'],
    'stalls in any order',
  );
});

test('with any stalls, also ones that a log made up, the parts are contiguous and add up', () => {
  const stalls = fc.array(fc.integer({ min: -100, max: 1600 }), { maxLength: 20 });
  fc.assert(
    fc.property(stalls, fc.integer({ min: 0, max: 1399 }), (fromToUs, zeroUs) => {
      const parts = ledgerOf(withStalls(fromToUs), zeroUs)?.parts ?? [];
      assert.ok(
        parts.every((part, index) => part.fromUs === (parts[index - 1]?.toUs ?? zeroUs) && part.toUs > part.fromUs),
      );
      assert.equal(parts.at(-1)?.toUs, 1400);
      assert.ok(parts.every(({ stage, phase }) => phase !== 'blocked' || stage === 'our code'));
    }),
  );
});

test('without first audible, without a zero, or with a reply before the zero there is no end-to-end', () => {
  assert.equal(ledgerOf(TURN.slice(0, 27), 400), undefined);
  assert.equal(ledgerOf(TURN, undefined), undefined);
  assert.equal(ledgerOf(TURN, 1400), undefined);
});

test('a pair that the table does not know fails the run', () => {
  const wrong = TURN.map((event) => (event.kind === 'llm.start' ? { ...event, cause: 2 } : event));
  assert.throws(() => ledgerOf(wrong, 400), /no phase for turn.ended > llm.start/);
  assert.equal(phaseOf('http.sent', 'http.headers'), 'wait');
});

test('a walk that ends at a root later than the zero is a bug', () => {
  const orphan = TURN.map((event) => {
    if (event.kind !== 'turn.ended') return event;
    const { cause: _cause, ...rest } = event;
    return rest;
  });
  assert.throws(() => ledgerOf(orphan, 400), /100 µs after the zero/);
});

test('work off the walk is listed as hidden, and its slack is how long it could have come later', () => {
  const events = [
    ...TURN.slice(0, 27),
    ...log([
      ['speech.end', 'endpointing', 400],
      ['deliver.first_audible', 'deliver', 1400, 26, 30],
    ]).map((event, index) => ({ ...event, id: 27 + index })),
  ];
  events[28] = { id: 28, kind: 'tts.start', stage: 'tts', atUs: 1000, cause: 18 };
  events[29] = { id: 29, kind: 'http.start', stage: 'tts', atUs: 1100, cause: 28 };
  events[30] = { id: 30, kind: 'http.queued', stage: 'tts', atUs: 1150, cause: 29 };
  events[31] = { id: 31, kind: 'deliver.first_audible', stage: 'deliver', atUs: 1400, cause: 26, also: 30 };
  const ledger = ledgerOf(events, 400);
  assert.ok(ledger);
  assert.deepEqual(
    ledger.hidden.map(({ stage, fromUs, toUs }) => [stage, fromUs, toUs]),
    [
      ['our code', 960, 1000],
      ['our code', 1000, 1100],
      ['tts', 1100, 1150],
    ],
  );
  const slack = slackOf(events);
  assert.equal(slack[30], 250);
  assert.equal(slack[28], 250);
  assert.equal(slack[26], 0);
  assert.equal(slack[27], undefined);
});

/** What the simulated world promises: the same bytes again, quiescence that is proven, and a ledger that tells causes. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ledgerOf } from '../../service/turn-log/ledger.ts';
import { zeroUsOf } from '../../service/turn-log/metrics.ts';
import type { EventKind, TurnLog } from '../../service/base/events.ts';
import type { Stt } from '../../service/base/ports.ts';
import { DEFAULT_STRATEGY, type Strategy } from '../../service/strategy/strategy.ts';
import type { RunWorld } from '../../service/world.ts';
import {
  checkCausality,
  causalStrategy,
  runSimTurn,
  type CausalityCase,
} from '../../checks/random-turns/causality-check.ts';
import { FEW_INTERVIEWS, loadInterviews } from './fixtures.ts';

const interviews = loadInterviews(FEW_INTERVIEWS);
const TURNS = interviews.reduce((sum, { turns }) => sum + turns.length, 0);

const runOne = (turn: Omit<CausalityCase, 'strategy'> & { strategy?: Strategy }): Promise<TurnLog> =>
  runSimTurn({ strategy: DEFAULT_STRATEGY, ...turn });

test('every fixture turn gives the same log with 8 and with 64 settling immediates', async () => {
  for (let pick = 0; pick < TURNS; pick++) {
    const eight = await runOne({ seed: 'settle', pick });
    const sixtyFour = await runOne({ seed: 'settle', pick, settleImmediates: 64 });
    assert.equal(JSON.stringify(eight), JSON.stringify(sixtyFour));
  }
});

/** The same world, whose upload is read from a form's file before it is sent: rounds of the event loop that no promise carries. */
const readingForms = (world: RunWorld): RunWorld => ({
  ...world,
  ports: (...which) => {
    const ports = world.ports(...which);
    const transcribe: Stt['transcribe'] = async (request, call) => {
      const form = new FormData();
      form.append('file', new File([new Uint8Array(request.audio)], 'audio.wav'));
      await new Response(form).arrayBuffer();
      return ports.stt.transcribe(request, call);
    };
    return { ...ports, stt: { ...ports.stt, transcribe } };
  },
});

test('control: code that takes rounds of the event loop gives the same log with 8 settling immediates, and another one with 1', async () => {
  const plain = JSON.stringify(await runOne({ seed: 'settle', pick: 0 }));
  const reading = async (settleImmediates: number): Promise<string> =>
    JSON.stringify(await runOne({ seed: 'settle', pick: 0, settleImmediates, altered: readingForms }));
  assert.equal(await reading(8), plain);
  assert.notEqual(await reading(1), plain, 'one immediate settled it: the count proves nothing');
});

test('our code takes no virtual time, and parts add up to end-to-end', async () => {
  for (let pick = 0; pick < TURNS; pick++) {
    const log = await runOne({ seed: 'ledger', pick });
    const ledger = ledgerOf(log.events, zeroUsOf(log))!;
    assert.equal(
      ledger.parts.reduce((sum, part) => sum + part.toUs - part.fromUs, 0),
      ledger.e2eUs,
    );
    assert.ok(ledger.parts.every((part) => part.toUs > part.fromUs));
    assert.deepEqual(
      ledger.parts.filter((part) => part.stage === 'our code'),
      [],
    );
  }
});

// `npm run verify -- causality` asks 200 turns
test('causality: a delay grows end-to-end by all of it on the walk, by at most what slack leaves off it', async () => {
  const total = { checked: 0, timers: 0, reordered: 0 };
  for (let turn = 0; turn < 30; turn++) {
    const strategy = causalStrategy(turn);
    const result = await checkCausality({ seed: `c${turn}`, pick: turn, strategy, frameMs: 100 }, 0.15);
    assert.deepEqual(result.complaints, []);
    total.checked += result.checked;
    total.timers += result.timers;
    total.reordered += result.reordered;
  }
  assert.ok(total.checked > 75 && total.timers > 0, JSON.stringify(total));
});

/** One event of the log claims another cause. */
function withCause(log: TurnLog, kind: EventKind, exchange: string | undefined, cause: EventKind, of: string): TurnLog {
  const event = log.events.find(
    (each) => each.kind === kind && (exchange === undefined || each.exchange === exchange),
  )!;
  const claimed = log.events.find((each) => each.kind === cause && (each.exchange ?? '').startsWith(of))!;
  assert.ok(event.cause !== claimed.id && claimed.id < event.id);
  return { ...log, events: log.events.map((each) => (each === event ? { ...each, cause: claimed.id } : each)) };
}

const LIES: readonly [what: string, tamper: (log: TurnLog) => TurnLog][] = [
  // claims that the transcript was there at the end of turn: the walk goes round STT
  ['the transcript, released by the end of turn', (log) => withCause(log, 'stt.done', undefined, 'turn.ended', '')],
  // claims that the reply came with the transcript: the walk goes round the LLM
  [
    'the first delta, released by the STT answer',
    (log) => withCause(log, 'http.chunk', 'llm.0.0.0', 'http.headers', 'stt'),
  ],
];
for (const [what, tamper] of LIES) {
  test(`control: one wrong cause fails the causality check: ${what}`, async () => {
    let caught = 0;
    for (let turn = 0; turn < 4; turn++) {
      const { complaints } = await checkCausality(
        { seed: `w${turn}`, pick: turn, strategy: DEFAULT_STRATEGY, frameMs: 100 },
        0.5,
        tamper,
      );
      caught += complaints.length;
    }
    assert.ok(caught > 0);
  });
}

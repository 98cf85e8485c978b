/** A replay as a whole, in virtual time: captured turns come again as they were, and the same seed gives the same bytes. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { redactEvent } from '../../service/capture/redact.ts';
import type { TurnLog } from '../../service/base/events.ts';
import { DEFAULT_STRATEGY } from '../../service/strategy/strategy.ts';
import type { StrategyPatch } from '../../service/strategy/patch.ts';
import { fixtureAudio, FEW_INTERVIEWS, loadInterviews, runFixtureTurn } from '../../sim/world/fixtures.ts';
import { loadProfile } from '../../sim/times/profile.ts';
import { createSimWorld } from '../../sim/world/world.ts';
import { planExperiment } from '../plan/plan.ts';
import { type CandidateSpec } from '../plan/lanes.ts';
import { asInWire, SIM_EXPERIMENT } from '../../testing/sessions.ts';
import { runExperiment, type Experiment } from './experiment.ts';
import { markdownReport } from '../report/markdown.ts';
import { quantile } from '../../service/base/quantile.ts';
import type { CapturedSession } from '../sessions/captured-session.ts';
import { variantPatch } from '../variants/variants.ts';

/** Fixture sessions, "captured" in virtual time under a seed of their own. */
async function capture(): Promise<CapturedSession[]> {
  const interviews = loadInterviews(FEW_INTERVIEWS);
  const sessions: CapturedSession[] = [];
  for (const interview of interviews) {
    const world = createSimWorld({ profile: loadProfile('seed'), seed: 'capture', interviews });
    const turns: TurnLog[] = [];
    for (const [turnIndex, { audio }] of interview.turns.slice(0, 3).entries()) {
      const turn = await world.clock.run(() =>
        runFixtureTurn(world, interview, turnIndex, {
          strategy: DEFAULT_STRATEGY,
          audio: fixtureAudio(audio),
          profile: 'seed',
        }),
      );
      turns.push(turn.log);
    }
    sessions.push({
      sessionId: interview.name,
      language: interview.language,
      level: 'full',
      commit: 'test',
      systemPrompt: interview.systemPrompt,
      history: [],
      interview: interview.name,
      profile: 'seed',
      strategy: DEFAULT_STRATEGY,
      turns,
    });
  }
  return sessions;
}

const CLAUSE = [{ variant: 'clause-chunking', patches: [variantPatch('clause-chunking')] }];

function replay(
  sessions: readonly CapturedSession[],
  seed = '1',
  candidates: CandidateSpec[] = CLAUSE,
): Promise<Experiment> {
  return runExperiment({
    sessions,
    candidates,
    ...SIM_EXPERIMENT,
    seed,
  });
}

const timingOf = (session: CapturedSession): CapturedSession => ({
  ...session,
  level: 'timing',
  turns: session.turns.map((log) => ({ ...log, events: log.events.map((event) => redactEvent(event, 'timing')) })),
});

/** |replayed − captured| of end to end, in % of the captured one, turn by turn. */
function identityErrorsPct({ captured, replayed }: Experiment): number[] {
  return captured.map(({ sessionId, turnIndex, e2eUs = Number.NaN }) => {
    const again = replayed.find(
      ({ planned }) =>
        planned.lane === 'baseline' && planned.sessionId === sessionId && planned.turnIndex === turnIndex,
    );
    return (100 * Math.abs((again?.summary.e2eUs ?? Number.NaN) - e2eUs)) / e2eUs;
  });
}

const captured = await capture();

test('two replays of one seed are equal byte for byte: traces and reports', async () => {
  const [one, two, other] = [await replay(captured), await replay(captured), await replay(captured, '2')];
  assert.equal(one.otlp.join(''), two.otlp.join(''));
  const [a, b] = [one.reports[0]?.report, two.reports[0]?.report];
  assert.ok(a !== undefined && b !== undefined);
  assert.equal(JSON.stringify(a), JSON.stringify(b));
  assert.equal(markdownReport(a, { marker: 'x' }), markdownReport(b, { marker: 'x' }));
  assert.notEqual(one.otlp.join(''), other.otlp.join(''), 'another seed is another run');
});

test("a report shows a prediction's error only for the variant that was measured under that name", async () => {
  // of the world in which the errors were measured
  const inWire = captured.slice(0, 1).map(asInWire);
  const predictionOf = async (sessions: CapturedSession[], ...more: StrategyPatch[]): Promise<string> => {
    const candidates = [{ variant: 'clause-chunking', patches: [variantPatch('clause-chunking'), ...more] }];
    const { reports } = await replay(sessions, '1', candidates);
    return reports[0]?.report.validity.notes?.find((note) => note.startsWith('prediction: ')) ?? '';
  };
  assert.match(await predictionOf(inWire), /^prediction: error [\d+−]/);
  assert.match(
    await predictionOf(inWire, { tts: { speed: 1.1 } }),
    /^prediction: error not measured \(more than clause-chunking/,
  );
  assert.match(await predictionOf(captured.slice(0, 1)), /^prediction: error not measured \(in this world: replay/);
});

test('a captured strategy, simulated, reproduces every turn to the microsecond', async () => {
  assert.deepEqual(new Set(identityErrorsPct(await replay(captured))), new Set([0]));
});

test('a timing capture, without a word or a sample, replays within the identity bars', async () => {
  const errors = identityErrorsPct(await replay(captured.map(timingOf)));
  assert.equal(errors.length, 9);
  assert.ok(quantile(errors, 0.5) <= 0.5 && quantile(errors, 0.95) <= 2, `errors in %: ${errors.join(', ')}`);
});

test('control: another profile under the same strategy does not reproduce the captured turns', async () => {
  const elsewhere = captured.map((session) => ({
    ...session,
    strategy: { ...session.strategy, llm: { ...session.strategy.llm, model: 'openai/gpt-4o-mini' } },
  }));
  assert.ok(quantile(identityErrorsPct(await replay(elsewhere)), 0.5) > 2);
});

test('every turn of every lane: the ledger adds up to end to end, and our code takes no virtual time', async () => {
  const { replayed } = await replay(captured);
  assert.equal(replayed.length, 27);
  for (const { summary } of replayed) {
    const { e2eUs, ledger } = summary;
    assert.equal(
      ledger.reduce((sum, { us }) => sum + us, 0),
      e2eUs,
    );
    assert.ok(ledger.every(({ stage, us }) => us > 0 && stage !== 'our code'));
  }
});

test('a lane that waits for more silence than was captured is refused: it would end with the recording', async () => {
  const waiting = (silenceMs: number, baseline = false): ReturnType<typeof planExperiment> => {
    const patches = [{ stt: { vad: { silenceMs } } }];
    return planExperiment({
      ...{ sessions: captured, world: 'sim', profile: 'seed', seed: '1', draws: 'common', runs: 1, commit: 'test' },
      candidates: [{ variant: 'patient', patches: baseline ? [] : patches }],
      baseline: baseline ? patches : [],
    });
  };
  const message =
    /^InputError: candidate patient: stt\.vad\.silenceMs 1500 needs as much audio after the speech; session .* holds \d+ ms/;
  assert.throws(() => waiting(1500), message);
  assert.throws(() => waiting(1500, true), /^InputError: baseline baseline: stt\.vad\.silenceMs 1500 needs/);
  assert.ok(waiting(800).runs.length > 0, 'control: so much was captured');
});

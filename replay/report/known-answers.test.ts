/** Pairs of runs whose right answer is known: verdict, exit code, and the words that a reader of the terminal must see. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TurnSummary } from '../../service/turn-log/metrics.ts';
import { keyedRandom } from '../../service/base/random.ts';
import { BARE_SUMMARY } from '../../testing/bare-summary.ts';
import type { Verdict } from '../diff/verdict.ts';
import { buildReport, type Report, type ReportInput } from './build.ts';
import { renderReport } from './formats.ts';
import { terminalReport } from './terminal.ts';

/** Waits of about 2.4 s; turn `index` is turn `index % size` of its session. */
function lane(
  sessions: number,
  size: number,
  of: (ms: number, index: number) => number,
  more: (index: number) => Partial<TurnSummary> = () => ({}),
): TurnSummary[] {
  return Array.from({ length: sessions * size }, (_, index) => {
    const e2eUs = Math.round(of(1900 + 1000 * keyedRandom('wait', index)(), index) * 1000);
    return {
      ...BARE_SUMMARY,
      ...{ sessionId: `s-${Math.floor(index / size)}`, turnIndex: index % size, world: 'live', lane: 'captured' },
      e2eUs,
      firstContentAudibleUs: e2eUs,
      replyChars: 120,
      ledger: [
        { stage: 'llm', phase: 'wait', us: e2eUs - 300_000 },
        { stage: 'tts', phase: 'wait', us: 300_000 },
      ],
      ...more(index),
    };
  });
}

const same = (ms: number): number => ms;
const by =
  (deltaMs: number, noiseMs = 0) =>
  (ms: number, index: number): number =>
    ms + deltaMs + noiseMs * (keyedRandom('noise', index)() - 0.5);
const FAILED: Partial<TurnSummary> = {
  ...{ e2eUs: undefined, firstContentAudibleUs: undefined, ledger: [] },
  failure: { stage: 'llm', kind: 'timeout', message: 'late' },
};
const renamed = (turns: readonly TurnSummary[], name: string): TurnSummary[] =>
  turns.map((turn) => ({ ...turn, sessionId: `${name}-${turn.sessionId}` }));

interface Known {
  a: readonly TurnSummary[];
  b: readonly TurnSummary[];
  input?: Partial<ReportInput>;
  verdict: Verdict;
  exitCode: number;
  says: readonly RegExp[];
}
const plain = lane(20, 4, same);

const KNOWN: Readonly<Record<string, Known>> = {
  'all ties': {
    ...{ a: lane(10, 3, same), b: lane(10, 3, same), verdict: 'same', exitCode: 0 },
    says: [/^= SAME {2}end to end 0\.0 ms \[0\.0, 0\.0\]/, /30 turns in 10 sessions/],
  },
  'slower by about the margin': {
    // 3 % of 2450 ms are 73.5 ms
    ...{ a: lane(40, 4, () => 2450), b: lane(40, 4, (_, index) => by(70, 60)(2450, index)) },
    ...{ verdict: 'inconclusive', exitCode: 3 },
    says: [/the interval touches the margin/, /would be settled by about \d+ sessions in all/],
  },
  'half of B fails, the others are as fast': {
    ...{ a: plain, b: lane(20, 4, same, (index) => (index % 2 === 0 ? FAILED : {})), verdict: 'worse', exitCode: 1 },
    says: [/^✗ WORSE/, /failed turns: 40 of 80, 40 more and 0 fewer than A/],
  },
  'all of B fails': {
    ...{ a: plain, b: lane(20, 4, same, () => FAILED), verdict: 'worse', exitCode: 1 },
    says: [/^✗ WORSE {2}no turn measured in both/, /failed turns: 80 of 80/],
  },
  'both fail everywhere': {
    ...{ a: lane(20, 4, same, () => FAILED), b: lane(20, 4, same, () => FAILED), verdict: 'inconclusive', exitCode: 3 },
    says: [/measured: world live\n {2}no turn was measured in both A and B\n\nA/],
  },
  'A alone fails, and B is as fast': {
    ...{ a: lane(20, 4, same, (index) => (index % 2 === 0 ? FAILED : {})), b: plain, verdict: 'same', exitCode: 0 },
    says: [/40 left out \(A: failed\)/],
  },
  'half of the users are cut off': {
    ...{
      a: plain,
      b: lane(20, 4, by(-500), (index) => ({ premature: index % 2 === 0 })),
      verdict: 'worse',
      exitCode: 1,
    },
    says: [/premature ends: 40 of 80/],
  },
  'failed and cut off in the same turns': {
    ...{ a: plain, verdict: 'worse', exitCode: 1 },
    b: lane(20, 4, by(-500), (index) => (index % 2 === 0 ? { ...FAILED, premature: true } : {})),
    says: [/failed turns: 40 of 80/, /premature ends: 40 of 80/],
  },
  'one of 80 fails, the others are faster': {
    ...{ a: plain, b: lane(20, 4, by(-500), (index) => (index === 7 ? FAILED : {})), verdict: 'faster', exitCode: 0 },
    says: [/guard open: failed turns, 1 of 80/, /up to 6 more in 100/, /1 left out \(B: failed\)/],
  },
  'first content later by a microsecond': {
    ...{ a: plain, verdict: 'faster', exitCode: 0 },
    b: lane(20, 4, by(-500), (index) => ({ firstContentAudibleUs: (plain[index]?.e2eUs ?? 0) + 1 })),
    says: [/guards that hold: first content audible/],
  },
  'a filler comes sooner, the words later': {
    ...{ a: plain, verdict: 'worse', exitCode: 1 },
    b: lane(20, 4, by(-500), (index) => ({ firstContentAudibleUs: (plain[index]?.e2eUs ?? 0) + 400_000 })),
    says: [/first content audible: \+400\.0 ms/],
  },
  'all is later': {
    ...{ a: plain, b: lane(20, 4, by(300, 40)), verdict: 'slower', exitCode: 1 },
    says: [/^✗ SLOWER/],
  },
  '72 of 80 turns are absent in B': {
    ...{ a: plain, b: lane(20, 4, by(-400)).slice(0, 8), verdict: 'inconclusive', exitCode: 3 },
    says: [/matched share 10 %/, /72 left out \(B: missing; they took \d/],
  },
  'few turns are shared, the others are slower in B': {
    ...{ a: plain.slice(0, 40), verdict: 'inconclusive', exitCode: 3 },
    b: [...lane(20, 4, by(-500)).slice(0, 4), ...renamed(lane(9, 4, by(900)), 'other')],
    says: [
      /matched share 10 %/,
      /36 left out \(B: missing; they took \d+/,
      /36 left out \(A: missing; they took 3\d\d\d/,
    ],
  },
  'two sessions': {
    ...{ a: lane(2, 10, same), b: lane(2, 10, by(-500, 50)), verdict: 'inconclusive', exitCode: 3 },
    says: [/2 sessions, 4 needed \(--min-sessions\)/, /would be settled by about 4 sessions/],
  },
  'two sessions, on request': {
    ...{ a: lane(2, 10, same), b: lane(2, 10, by(-500, 50)), verdict: 'faster', exitCode: 0 },
    ...{ input: { bounds: { minSessions: 2 } }, says: [/^✓ FASTER/] },
  },
  'one session holds most turns': {
    ...{ a: [...plain.slice(0, 12), ...renamed(lane(1, 40, same), 'long')], verdict: 'inconclusive', exitCode: 3 },
    b: [...lane(20, 4, by(-500)).slice(0, 12), ...renamed(lane(1, 40, by(-500)), 'long')],
    says: [/one session holds 77 % of the turns/],
  },
  'no turn is shared': {
    ...{ a: plain, b: renamed(lane(20, 4, by(-400)), 'other'), verdict: 'lower (observational)', exitCode: 3 },
    ...{ input: { mayBeUnpaired: true }, says: [/^~ LOWER \(OBSERVATIONAL\)/, /A and B share no turn/] },
  },
  'sessions are the same under other names': {
    ...{ a: plain, b: renamed(plain, 'other'), verdict: 'inconclusive', exitCode: 3 },
    ...{ input: { mayBeUnpaired: true }, says: [/the interval includes 0/, /A and B share no turn/] },
  },
  'a quarter of the turns takes twice as long': {
    ...{
      a: lane(20, 1, same),
      b: lane(20, 1, (ms, index) => (index % 4 === 0 ? 2 * ms : ms)),
      verdict: 'slower',
      exitCode: 1,
    },
    says: [/^✗ SLOWER.*\(\+\d+\.\d %\)/],
  },
  'one turn has a negative end to end': {
    ...{
      a: plain,
      b: lane(20, 4, by(-300), (index) => (index === 9 ? { e2eUs: -4 } : {})),
      verdict: 'faster',
      exitCode: 0,
    },
    says: [/1 left out \(B: end to end is no positive time\)/],
  },
  'one turn has parts that do not sum': {
    ...{ a: plain, verdict: 'faster', exitCode: 0 },
    b: lane(20, 4, by(-300), (index) => (index === 9 ? { ledger: [{ stage: 'llm', phase: 'wait', us: 7 }] } : {})),
    says: [/1 left out \(B: parts do not add up\)/],
  },
  'repetitions of a few turns': {
    // 12 turns in three sessions, eight times each
    a: Array.from({ length: 8 }, () => lane(3, 4, same)).flat(),
    b: Array.from({ length: 8 }, () => lane(3, 4, by(-500))).flat(),
    ...{ verdict: 'inconclusive', exitCode: 3 },
    says: [/12 turns \(96 pairs, repetitions averaged\) in 3 sessions/, /3 sessions, 4 needed/],
  },
  'turns are in a file twice': {
    ...{
      a: [...plain, ...plain],
      b: [...lane(20, 4, by(-500)), ...lane(20, 4, by(-500))],
      verdict: 'faster',
      exitCode: 0,
    },
    says: [/80 turns \(160 pairs, repetitions averaged\) in 20 sessions/],
  },
  'the baseline differs from itself': {
    ...{ a: plain, b: lane(20, 4, by(-500)), verdict: 'inconclusive', exitCode: 3 },
    ...{
      input: { a2: lane(20, 4, by(90, 10)) },
      says: [/the baseline differs from its own repetition by \+9\d\.\d ms/],
    },
  },
  'B answers with another model': {
    ...{
      a: lane(20, 4, same, () => ({ model: { requested: 'big', served: 'big' } })),
      verdict: 'inconclusive',
      exitCode: 3,
    },
    b: lane(20, 4, by(-500), () => ({ model: { requested: 'big', served: 'small' } })),
    says: [/served model: substituted in 80 turns: small for big/],
  },
  'figures of one lane only': {
    ...{ a: plain, verdict: 'faster', exitCode: 0 },
    b: lane(20, 4, by(-500), () => ({ firstContentAudibleUs: undefined, replyChars: undefined })),
    says: [
      /^✓ FASTER/,
      /reply length, not measured in both lanes; not ruled out: known in both lanes in 0 of 80 turns/,
    ],
  },
  'half of all replies are half as long': {
    ...{
      a: plain,
      b: lane(20, 4, by(-500), (index) => (index % 2 === 0 ? { replyChars: 60 } : {})),
      verdict: 'worse',
      exitCode: 1,
    },
    says: [/reply length: −25\.0 %/],
  },
  'B says nothing, quickly': {
    ...{ a: plain, b: lane(20, 4, by(-500), () => ({ replyChars: 0 })), verdict: 'worse', exitCode: 1 },
    says: [/reply length: −100\.0 %/],
  },
  'no turn is shared, and B fails everywhere': {
    ...{
      a: plain,
      b: renamed(
        lane(20, 4, same, () => FAILED),
        'other',
      ),
      verdict: 'inconclusive',
      exitCode: 3,
    },
    ...{ input: { mayBeUnpaired: true }, says: [/A and B share no turn/, /80 left out \(B: failed\)/] },
  },
  'waits of a year': {
    ...{ a: lane(20, 4, () => 3.2e10), b: lane(20, 4, () => 3.1e10), verdict: 'faster', exitCode: 0 },
    says: [/^✓ FASTER/],
  },
  'simulated, its error not measured in this world': {
    ...{ a: plain, b: lane(20, 4, by(-500)), verdict: 'predicted lower', exitCode: 3 },
    ...{ input: { world: 'sim', simulated: { why: 'error not measured in this world' } } },
    says: [/^~ PREDICTED LOWER/, /predicted, not measured: error not measured in this world/],
  },
  'simulated failures': {
    ...{
      a: plain,
      b: lane(20, 4, by(-500), (index) => (index % 2 === 0 ? FAILED : {})),
      verdict: 'inconclusive',
      exitCode: 3,
    },
    ...{ input: { world: 'sim', simulated: {} }, says: [/predicted to break a guard: failed turns: 40 of 80/] },
  },
};

function reportOf({ a, b, input }: Pick<Known, 'a' | 'b' | 'input'>): Report | undefined {
  const arm = { lane: 'captured', variant: 'captured', commit: 'not recorded', strategyHash: 'not recorded' };
  return buildReport({ world: 'live', a: { arm, turns: a }, b: { arm, turns: b }, ...input });
}

for (const [name, known] of Object.entries(KNOWN))
  test(`${name}: ${known.verdict}, exit ${known.exitCode}`, async () => {
    const report = reportOf(known) ?? assert.fail('no report');
    assert.equal(report.verdict, known.verdict, report.reasons.join('; '));
    assert.equal(report.exitCode, known.exitCode);
    const text = terminalReport(report, { columns: 1000, color: false });
    for (const words of known.says) assert.match(text, words);
    for (const format of ['terminal', 'markdown', 'html', 'json'] as const) {
      const rendered = await renderReport(format, report);
      assert.doesNotMatch(rendered.replace(/<script[^]*?<\/script>/g, ''), /NaN|Infinity|undefined/, format);
    }
    const row = report.primary;
    if (row?.shiftPct !== undefined && row.lowPct !== undefined && row.highPct !== undefined)
      assert.ok(row.lowPct <= row.shiftPct && row.shiftPct <= row.highPct, 'the shift lies inside its own interval');
  });

test('a lane without a usable turn has no report', () => {
  assert.equal(reportOf({ a: plain, b: lane(20, 4, () => 0) }), undefined);
  assert.equal(reportOf({ a: lane(20, 4, () => -0), b: plain }), undefined);
  assert.equal(reportOf({ a: plain, b: [] }), undefined);
  assert.ok(reportOf({ a: plain, b: plain }) !== undefined, 'control');
});

/** Reports for tests of every format: small enough to add up by eye, and one with hostile text wherever text can be. */
import { InvariantError } from '../service/base/errors.ts';
import type { TurnSummary } from '../service/turn-log/metrics.ts';
import type { Lane } from '../service/base/events.ts';
import type { Strategy } from '../service/strategy/strategy.ts';
import { buildReport, type Report, type ReportArm, type ReportInput } from '../replay/report/build.ts';

interface Sample {
  lane: Lane;
  variant?: string;
  /** Hold-back of the first piece and wait for its synthesis, by session. */
  holdMs: readonly number[];
  ttsMs: readonly number[];
  more?: (index: number) => Partial<TurnSummary>;
}

const SESSIONS = ['ada', 'bora', 'cem', 'deniz', 'ece', 'fuat'];

/** One turn each of up to six sessions, small enough to add up by eye. */
function sampleTurns({ lane, variant = lane, holdMs, ttsMs, more = () => ({}) }: Sample): TurnSummary[] {
  return holdMs.map((hold, index) => {
    const ttsWait = ttsMs[index] ?? 0;
    const ledger: TurnSummary['ledger'] = [
      { stage: 'endpointing', phase: 'detect', us: 500_000 },
      { stage: 'stt', phase: 'wait', us: 780_333 + index },
      { stage: 'llm', phase: 'wait', us: 900_250 },
      { stage: 'llm', phase: 'body', us: 612_125 },
      { stage: 'chunk', phase: 'hold', us: Math.round(hold * 1000) },
      { stage: 'tts', phase: 'wait', us: Math.round(ttsWait * 1000) },
      { stage: 'deliver', phase: 'silence', us: 60_000 },
      { stage: 'our code', phase: 'our code', us: 417 },
    ];
    const e2eUs = ledger.reduce((sum, { us }) => sum + us, 0);
    return {
      sessionId: SESSIONS[index] ?? 'x',
      turnIndex: index,
      traceId: `${index}${lane.length}`.padEnd(32, 'a'),
      lane,
      variant,
      world: 'sim',
      zero: 'audio',
      e2eUs,
      firstAudioByteUs: e2eUs - 560_000,
      firstContentAudibleUs: e2eUs,
      replyEndUs: e2eUs + 3_000_000,
      stallUs: 0,
      ledger,
      serviceUs: { endpointing: 500_000, stt: 780_333, llm: 1_512_375, tts: Math.round(ttsWait * 1000) },
      premature: false,
      model: { requested: 'google/gemini-2.5-flash', served: 'google/gemini-2.5-flash', provider: 'Google' },
      transcriptChars: 40,
      replyChars: 120,
      costUsd: 0.0001,
      characters: 120,
      ...more(index),
    };
  });
}

/** Some knobs stand for all: a new knob moves no golden report. */
const knobs = (chunking: string): Strategy =>
  JSON.parse(
    JSON.stringify({
      pipeline: { chunking },
      llm: { model: 'google/gemini-2.5-flash', fallback: [], hedge: 'none' },
      tts: { concurrency: 2 },
    }),
  );
const arm = (lane: Lane, variant: string, chunking = 'sentence'): ReportArm => ({
  lane,
  variant,
  commit: '0123456789abcdef0123456789abcdef01234567',
  strategyHash: chunking === 'sentence' ? '90b83b115370' : '95ebc7a37b6f',
  strategy: knobs(chunking),
});

export function reportOf(input: ReportInput): Report {
  const report = buildReport(input);
  if (report === undefined) throw new InvariantError('no turn was measured in both lanes');
  return report;
}

/** Everything that a report can say. */
export const FASTER: ReportInput = {
  world: 'sim',
  a: {
    arm: arm('baseline', 'baseline'),
    turns: sampleTurns({
      lane: 'baseline',
      holdMs: [210, 250, 190, 230, 200, 220],
      ttsMs: [480, 470, 500, 490, 475, 485],
    }),
  },
  b: {
    arm: arm('candidate', 'clause-chunking', 'clause'),
    turns: sampleTurns({
      lane: 'candidate',
      variant: 'clause-chunking',
      holdMs: [20.4, 55.2, 10.3, 30.1, 15.8, 42.6],
      ttsMs: [440, 441, 450, 446, 439, 447],
    }),
  },
  a2: sampleTurns({
    lane: 'baseline2',
    variant: 'baseline',
    holdMs: [211, 249.5, 190, 230, 199, 220.5],
    ttsMs: [480, 470, 500, 490, 475, 485],
  }),
  captured: sampleTurns({
    lane: 'captured',
    holdMs: [212, 250, 190, 230, 200, 220],
    ttsMs: [480, 471, 500, 490, 475, 485],
  }),
  draws: 'common',
  seed: '1',
  profile: 'seed',
  rerun:
    'npx retake replay --sessions ada,bora,cem,deniz,ece,fuat --variant clause-chunking --world sim --runs 1 --draws common --seed 1',
};

/** Little is known, and much went wrong: one conversation, measured live, without second baseline, seed or profile. Its bounds were lifted. */
export const SLOWER: ReportInput = (() => {
  const live = (index: number): Partial<TurnSummary> => ({ world: 'live', sessionId: 'ada', turnIndex: index });
  const failure = { stage: 'tts', kind: 'timeout', message: 'no audio within 10 s' };
  const a = sampleTurns({ lane: 'captured', holdMs: [210, 250, 190], ttsMs: [480, 470, 500], more: live });
  const b = sampleTurns({
    lane: 'captured',
    variant: 'tuesday',
    holdMs: [360, 402, 341],
    ttsMs: [480, 470, 500],
    more: live,
  });
  const [first, second = first] = a;
  if (first === undefined || second === undefined) throw new InvariantError('the sample has turns');
  const { e2eUs: _, firstAudioByteUs: __, firstContentAudibleUs: ___, replyEndUs: ____, ...unmeasured } = first;
  return {
    world: 'live',
    a: { arm: arm('captured', 'captured'), turns: [...a, { ...first, turnIndex: 3 }, { ...second, turnIndex: 5 }] },
    b: {
      arm: { ...arm('captured', 'tuesday'), commit: 'not recorded', strategyHash: 'not recorded' },
      turns: [
        ...b,
        { ...unmeasured, variant: 'tuesday', turnIndex: 3, ledger: [], failure },
        { ...unmeasured, variant: 'tuesday', turnIndex: 4, ledger: [] },
      ],
    },
    bounds: { matchedShare: 0.8, minSessions: 1 },
  };
})();

/** Two sessions, too few for a verdict, and the command that would settle it. */
export const OPEN: ReportInput = {
  world: 'live',
  a: { arm: FASTER.a.arm, turns: FASTER.a.turns.slice(0, 2) },
  b: { arm: FASTER.b.arm, turns: FASTER.b.turns.slice(0, 2) },
  settleBy: (sessions) => `npx retake replay --sample ${sessions} --variant clause-chunking --world live`,
};

/** What could come from a capture or another pipeline's trace, and what each would do in a comment if it got through. */
const HOSTILE_TEXTS: readonly [text: string, complaint: string][] = [
  ['<img src=x onerror=alert(1)>', 'HTML'],
  ['</details><script>alert(1)</script>', 'HTML'],
  ['<!-- retake-report -->', 'HTML'],
  ['@octocat', 'mention'],
  ['&#64;octocat', 'mention'],
  ['&commat;octocat', 'mention'],
  ['mail a@example.com', 'mention'],
  ['fixes #1', 'reference'],
  ['GH-1', 'reference'],
  ['[x](javascript:alert(1))', 'link'],
  ['![x](//evil.example/x.png)', 'link'],
  ['https://evil.example', 'link'],
  ['www.evil.example', 'link'],
  ['WWW.evil.example', 'link'],
  ['\u001b[31mred\u001b[0m', 'control character'],
  ['\u001b]8;;evil.example\u0007click\u001b]8;;\u0007', 'control character'],
  ['\u009b31m', 'control character'],
  ['\u202egpj.exe', 'control character'],
  ['\u2066a\u2069\u200f\u200b\ufeff', 'control character'],
  ['a\r\n✓ FASTER', 'control character'],
  ['a | b', 'columns'],
  ['`', 'backticks'],
];
/** One by one: fillers, variation selectors, a blank, an annotation, half a pair. */
const UNSEEN_ALONE = [
  '\u3164',
  '\u115f',
  '\uffa0',
  '\u180e',
  '\u034f',
  '\ufe0f',
  '\u2800',
  '\ufff9',
  '\u{e0100}',
  '\ud800',
];
export const EVERYTHING = `${HOSTILE_TEXTS.map(([text]) => text).join(' ')} \n\n# title\n\`\`\`\n✓ FASTER javascript:alert(1) \\ **x** _y_ ~~z~~ $w$`;

export const HOSTILE: typeof HOSTILE_TEXTS = [
  ...HOSTILE_TEXTS,
  ['\u{e0001}\u{e0041}\u{e007f}', 'control character'],
  ['0123456789abcdef0123456789abcdef01234567', 'commit'],
  ['see a1b2c3d', 'commit'],
  ...UNSEEN_ALONE.map((unseen): [string, string] => [`a${unseen}b`, 'control character']),
];

/** The faster report with this text wherever a capture, a trace or the user's command line can put text. */
export function hostileReport(text: string): Report {
  const hostile = (index: number): Partial<TurnSummary> => ({
    sessionId: `${text} ${index}`,
    traceId: text,
    model: { requested: text, served: text, provider: text },
    failure: { stage: text, kind: text, message: text },
  });
  const tell = (turns: readonly TurnSummary[]): TurnSummary[] =>
    turns
      .slice(0, 3)
      .map((turn) => ({ ...turn, sessionId: `${text} ${turn.sessionId}`, variant: text, traceId: text }));
  const report = reportOf({
    ...FASTER,
    bounds: { minSessions: 3 },
    a: {
      arm: { ...FASTER.a.arm, lane: text, variant: text, commit: text, strategyHash: text },
      turns: tell(FASTER.a.turns),
    },
    b: { arm: { ...FASTER.b.arm, variant: text, commit: text }, turns: tell(FASTER.b.turns) },
    captured: [
      ...tell(FASTER.captured ?? []),
      ...sampleTurns({ lane: 'captured', variant: text, holdMs: [1, 1], ttsMs: [1, 1], more: hostile }),
    ],
    a2: tell(FASTER.a2 ?? []),
    seed: text,
    profile: text,
    rerun: `npx retake replay --seed '${text}'`,
  });
  return {
    ...report,
    spans: [{ path: `turn › ${text}`, n: 0, onlyA: 1, onlyB: 0, onlyAMs: 1 }],
    texts: report.turns
      .slice(0, 2)
      .map(({ traceId, turnIndex }) => ({ traceId, turnIndex, transcript: text, reply: text })),
    reasons: [text],
    knobs: [{ knob: `stt.${text}`, a: text, b: { nested: text } }],
    guards: [{ name: text, state: 'broken', unit: 'ms', value: 1, margin: 0, detail: text }],
  };
}

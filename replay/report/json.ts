/** `report.json` read back, validated as far as the other formats need. */
import { Ajv } from 'ajv';
import { Type } from 'typebox';
import { InputError } from '../../service/base/errors.ts';
import { LEDGER_STAGES, PHASES, WORLDS } from '../../service/base/events.ts';
import { readInputJson } from '../../service/base/input-file.ts';
import { fieldOf } from '../../service/base/json.ts';
import { literals } from '../../service/base/schema.ts';
import { LOSS_CAUSES } from '../diff/align.ts';
import { WHOLE_TURN_ROWS } from '../diff/diff-rows.ts';
import { GUARD_STATES, GUARD_UNITS } from '../diff/guards.ts';
import { VERDICTS } from '../diff/verdict.ts';
import { BASES, REPORT_FORMAT, REPORTED_DRAWS, type Report } from './build.ts';

/** The other formats print a name unescaped: no markup and no control characters. */
const Word = Type.String({ pattern: '^[\\w .,()-]*$' });
const Stage = literals([...LEDGER_STAGES, ...WHOLE_TURN_ROWS]);
const Phase = literals(PHASES);
const msField = (description: string) => Type.Number({ description: `${description}, ms` });
const usField = (description: string) => Type.Optional(Type.Integer({ description: `${description}, µs` }));
const Index = Type.Integer({ minimum: 0 });

const Row = Type.Object({
  stage: Stage,
  phase: Type.Optional(Phase),
  aMs: msField('mean of A'),
  bMs: msField('mean of B'),
  deltaMs: msField('mean of the paired differences B − A'),
  lowMs: Type.Optional(msField('lower end of its 95 % interval')),
  highMs: Type.Optional(msField('upper end')),
  deltaPct: Type.Optional(Type.Number({ description: 'deltaMs in % of aMs' })),
  shiftPct: Type.Optional(Type.Number({ description: 'mean of ln(B/A) over turns as a relative change, %' })),
  lowPct: Type.Optional(Type.Number()),
  highPct: Type.Optional(Type.Number()),
  pHolm: Type.Optional(Type.Number({ description: 'p-value, adjusted by Holm over all stage and phase rows' })),
  n: Type.Integer({ description: 'distinct turns' }),
});
const Arm = Type.Object({
  lane: Type.String(),
  variant: Type.String(),
  commit: Type.String(),
  strategyHash: Type.String(),
  strategy: Type.Optional(Type.Object({}, { description: 'the resolved strategy', additionalProperties: true })),
});
const Turn = Type.Object({
  sessionId: Type.String(),
  turnIndex: Index,
  traceId: Type.String({ pattern: '^[0-9a-f]{32}$' }),
  lane: Type.String(),
  variant: Type.String(),
  world: Type.String(),
  zero: Type.String({ description: 'audio: speech end; upload: arrival of the last byte' }),
  e2eUs: usField('zero → first audible; absent when there was none'),
  firstAudioByteUs: usField('end of turn → first reply audio byte handed over'),
  firstContentAudibleUs: usField('zero → first audible of generated words'),
  replyEndUs: usField('zero → last sample played'),
  stallUs: usField('time in which the playing client had nothing to play'),
  failure: Type.Optional(
    Type.Object(
      { stage: Type.String(), kind: Type.String(), message: Type.String() },
      { description: 'absent where the turn did not fail' },
    ),
  ),
  model: Type.Optional(
    Type.Object(
      { requested: Type.String(), served: Type.Optional(Type.String()), provider: Type.Optional(Type.String()) },
      { description: 'of the reply, where the answer named one' },
    ),
  ),
  ledger: Type.Array(Type.Object({ stage: Stage, phase: Phase, us: Type.Integer() }), {
    description: 'contiguous, in order of time; adds up to e2eUs',
  }),
});

const Measured = Type.Object({
  medianMs: Type.Number(),
  p95Ms: Type.Optional(Type.Number()),
  n: Type.Integer(),
  met: Type.Optional(Type.Boolean({ description: 'median below target' })),
});
const Percentile = Type.Object({
  q: Type.Number({ minimum: 0, maximum: 1 }),
  aMs: msField('quantile of A'),
  bMs: msField('quantile of B'),
  rows: Type.Array(Type.Object({ stage: Stage, phase: Type.Optional(Phase), aMs: Type.Number(), bMs: Type.Number() }), {
    description: 'contributions; phase rows add up to the quantile, and so do the stages',
  }),
});
const Span = Type.Object({
  path: Type.String({ description: 'names from the root, with the ordinal among siblings of one name' }),
  n: Type.Integer({ description: 'pairs in which both turns have it' }),
  aMs: Type.Optional(Type.Number()),
  bMs: Type.Optional(Type.Number()),
  deltaMs: Type.Optional(Type.Number()),
  onlyA: Type.Integer(),
  onlyB: Type.Integer(),
  onlyAMs: Type.Optional(Type.Number()),
  onlyBMs: Type.Optional(Type.Number()),
});

const Guard = Type.Object({
  name: Type.String(),
  state: literals(GUARD_STATES, {
    description: 'broken: harm beyond the margin is shown; holds: it is ruled out; open: neither',
  }),
  unit: literals(GUARD_UNITS, { description: 'of value, low, high and margin' }),
  value: Type.Number({ description: 'how much more harm B does than A' }),
  low: Type.Optional(Type.Number({ description: 'one-sided 95 % lower bound' })),
  high: Type.Optional(Type.Number({ description: 'one-sided 95 % upper bound' })),
  margin: Type.Number(),
  detail: Type.String(),
  limit: Type.Optional(Type.String({ description: 'of an open guard: the harm that is not ruled out' })),
});

/** The JSON Schema that scripts may rely on, published as docs/report.schema.json. Later versions may add fields. */
export const ReportSchema = Type.Object(
  {
    format: Type.Literal(REPORT_FORMAT),
    basis: literals(BASES),
    world: literals(WORLDS),
    verdict: literals(VERDICTS),
    exitCode: Type.Integer({ description: '0 faster or same, 1 slower or worse, 3 every other verdict' }),
    reasons: Type.Array(Type.String()),
    primary: Type.Optional(Row),
    endToEnd: Type.Optional(Row),
    stages: Type.Array(Row, { description: "stages' totals (no phase) and phases; phase rows add up to endToEnd" }),
    guards: Type.Array(Guard),
    matched: Type.Object({
      share: Type.Number({
        description: 'of each lane’s turns, those present in both; the smaller of both shares, 0–1',
      }),
      lost: Type.Array(
        Type.Object({
          lane: Word,
          cause: literals(LOSS_CAUSES),
          turns: Type.Integer(),
          otherMeanMs: Type.Optional(msField('of missing turns: their mean end to end in the other lane')),
        }),
      ),
    }),
    settle: Type.Optional(
      Type.Object(
        {
          sessions: Type.Integer({ description: 'in all, those at hand included' }),
          usd: Type.Optional(Type.Number({ description: 'replies of the LLM in both lanes' })),
          command: Type.Optional(Type.String()),
        },
        { description: 'what would settle an inconclusive verdict' },
      ),
    ),
    turns: Type.Array(Turn),
    pairs: Type.Array(Type.Array(Index, { minItems: 2, maxItems: 2 }), { description: "indexes of A's and B's turn" }),
    percentiles: Type.Array(Percentile),
    targets: Type.Array(
      Type.Object({
        name: Word,
        todayMs: Type.Optional(Type.Number()),
        targetMs: Type.Optional(Type.Number()),
        a: Type.Optional(Measured),
        b: Type.Optional(Measured),
      }),
    ),
    sameWords: Type.Optional(Row),
    arms: Type.Object({ a: Arm, b: Arm }),
    knobs: Type.Array(Type.Object({ knob: Type.String() }), { description: 'what differs: knob, a, b' }),
    validity: Type.Object({
      pairs: Type.Integer({ description: 'of measured turns, repetitions included' }),
      turns: Type.Integer({ description: 'distinct turns among them' }),
      sessions: Type.Integer(),
      marginMs: Type.Number(),
      observational: Type.Optional(Type.Literal(true, { description: 'A and B share no turn' })),
      generalizes: Type.Boolean({ description: 'false with one conversation only' }),
      draws: literals(REPORTED_DRAWS),
      repetition: Type.Optional(
        Type.Object(
          {
            deltaMs: msField('baseline2 − baseline'),
            lowMs: msField('lower end of its 99 % interval'),
            highMs: msField('upper end'),
            n: Type.Integer(),
          },
          { description: 'absent where both lanes hold the same captured times' },
        ),
      ),
      trend: Type.Optional(
        Type.Object(
          {
            deltaMs: msField('last turn − first turn, alike in both lanes'),
            lowMs: msField('lower end of its 95 % interval'),
            highMs: msField('upper end'),
          },
          { description: 'over the time in which the turns ran; pairing removes it' },
        ),
      ),
      p95: Type.Optional(
        Type.Object({
          aMs: Type.Number(),
          bMs: Type.Number(),
          deltaMs: Type.Number(),
          lowMs: Type.Number(),
          highMs: Type.Number(),
        }),
      ),
      look: Type.Optional(
        Type.Object(
          {
            looks: Type.Integer({ minimum: 0, description: 'looks taken; 0 where the budget ended before the first' }),
            sessions: Type.Integer({ description: 'sessions whose turns have all been run' }),
            turns: Type.Integer({ description: 'turns that the last look saw, of all lanes' }),
            maxSessions: Type.Integer({ description: 'for which the boundary was made' }),
            level: Type.Number({ description: 'two-sided nominal level of the last look' }),
          },
          { description: 'of a run until decided: every interval is then the repeated one, 95 % over all looks' },
        ),
      ),
      drift: Type.Optional(
        Type.Object({ deltaMs: Type.Number(), medianErrorPct: Type.Number(), p95ErrorPct: Type.Number() }),
      ),
      seed: Type.Optional(Type.String()),
      profile: Type.Optional(Type.String({ pattern: '^[^\\u0000-\\u001f\\u007f-\\u009f]*$' })),
      notes: Type.Optional(Type.Array(Type.String(), { description: 'what to know beside the figures' })),
    }),
    spans: Type.Optional(Type.Array(Span)),
    texts: Type.Optional(
      Type.Array(
        Type.Object({
          traceId: Type.String(),
          turnIndex: Index,
          transcript: Type.Optional(Type.String()),
          reply: Type.Optional(Type.String()),
        }),
        { description: 'only with --with-text' },
      ),
    ),
    rerun: Type.Optional(Type.String()),
  },
  { title: 'Retake report', description: 'report.json of a run, and what `retake diff --json` prints' },
);

const isReport = new Ajv({ allErrors: false }).compile<Report>(ReportSchema);

/** Throws `InputError` naming file and field. */
export function readReport(path: string): Report {
  return parseReport(readInputJson(path, 'log', { next: 'name a run folder that "retake replay" wrote' }), path);
}

/** `where` names the report in the error. */
export function parseReport(json: unknown, where: string): Report {
  if (isReport(json)) return json;
  if (fieldOf(json, 'format') === 1)
    throw new InputError(
      `${where}: a report of format 1, whose verdicts followed other rules; compare its run folder again: npx retake diff FOLDER FOLDER`,
    );
  const [error] = isReport.errors ?? [];
  throw new InputError(
    `${where}: field ${error?.instancePath.slice(1).replaceAll('/', '.') ?? ''} ${error?.message ?? 'is not valid'}; run the replay again with this Retake`,
  );
}

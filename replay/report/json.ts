/** `report.json` read back, validated as far as the other formats need. */
import { Ajv } from 'ajv';
import { Type } from 'typebox';
import { InputError } from '../../service/base/errors.ts';
import { WORLDS } from '../../service/base/events.ts';
import { readInputJson } from '../../service/base/input-file.ts';
import { fieldOf } from '../../service/base/json.ts';
import { literals } from '../../service/base/schema.ts';
import { LOSS_CAUSES } from '../diff/align.ts';
import { VERDICTS } from '../diff/verdict.ts';
import { BASES, REPORT_FORMAT, REPORTED_DRAWS, type Report } from './build.ts';
import {
  ArmSchema,
  GuardSchema,
  Index,
  LookSchema,
  MeasuredSchema,
  msField,
  PercentileSchema,
  RowSchema,
  SpanSchema,
  TurnSchema,
  Word,
} from './json-parts.ts';

/** The JSON Schema that scripts may rely on, published as docs/report.schema.json. Later versions may add fields. */
export const ReportSchema = Type.Object(
  {
    format: Type.Literal(REPORT_FORMAT),
    basis: literals(BASES),
    world: literals(WORLDS),
    verdict: literals(VERDICTS),
    exitCode: Type.Integer({ description: '0 faster or same, 1 slower or worse, 3 every other verdict' }),
    reasons: Type.Array(Type.String()),
    primary: Type.Optional(RowSchema),
    endToEnd: Type.Optional(RowSchema),
    stages: Type.Array(RowSchema, {
      description: "stages' totals (no phase) and phases; phase rows add up to endToEnd",
    }),
    guards: Type.Array(GuardSchema),
    matched: Type.Object({
      share: Type.Number({
        description:
          'of each lane’s turns, those present in both, with the primary figure where either has it; the smaller of both shares, 0–1',
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
    turns: Type.Array(TurnSchema),
    pairs: Type.Array(Type.Array(Index, { minItems: 2, maxItems: 2 }), { description: "indexes of A's and B's turn" }),
    percentiles: Type.Array(PercentileSchema),
    targets: Type.Array(
      Type.Object({
        name: Word,
        todayMs: Type.Optional(Type.Number()),
        targetMs: Type.Optional(Type.Number()),
        a: Type.Optional(MeasuredSchema),
        b: Type.Optional(MeasuredSchema),
      }),
    ),
    sameWords: Type.Optional(RowSchema),
    asks: Type.Optional(
      Type.Array(Type.String(), { description: 'what B asks of the world that the capture has not shown' }),
    ),
    arms: Type.Object({ a: ArmSchema, b: ArmSchema }),
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
      readLag: Type.Optional(
        Type.Object(
          {
            aMs: msField('mean of A'),
            bMs: msField('mean of B'),
            pairs: Type.Integer({ description: 'in which both turns have one' }),
          },
          { description: 'how late the frame of speech end was read; no part of end to end' },
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
      model: Type.Optional(
        Type.Object(
          {
            refits: Type.Integer({ description: 'of the model of a simulation, on captured sessions drawn anew' }),
            variancePct: Type.Number({ description: 'share of the variance behind the interval of `primary`' }),
          },
          { description: 'the intervals of a simulation hold the uncertainty of its model' },
        ),
      ),
      look: Type.Optional(LookSchema),
      drift: Type.Optional(
        Type.Object({ deltaMs: Type.Number(), medianErrorPct: Type.Number(), p95ErrorPct: Type.Number() }),
      ),
      seed: Type.Optional(Type.String()),
      profile: Type.Optional(Type.String({ pattern: '^[^\\u0000-\\u001f\\u007f-\\u009f]*$' })),
      notes: Type.Optional(Type.Array(Type.String(), { description: 'what to know beside the figures' })),
    }),
    spans: Type.Optional(Type.Array(SpanSchema)),
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

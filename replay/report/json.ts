/** `report.json` read back: validated as far as the other forms rely on it. */
import { readFile } from 'node:fs/promises';
import { Ajv } from 'ajv';
import { Type } from 'typebox';
import { InputError } from '../../service/errors.ts';
import { PHASE_ORDER, STAGE_ORDER, type DiffRow } from '../diff.ts';
import { REPORT_FORMAT, type Report } from './build.ts';

/** What the other forms print as it is: no markup and no control characters. */
const Word = Type.String({ pattern: '^[\\w .,()-]*$' });
const Stage = Type.Unsafe<DiffRow['stage']>({
  enum: [...STAGE_ORDER, 'end to end', 'first content audible', 'reply end'],
});
const Phase = Type.Unsafe<NonNullable<DiffRow['phase']>>({ enum: [...PHASE_ORDER] });

const Row = Type.Object({
  stage: Stage,
  phase: Type.Optional(Phase),
  aMs: Type.Number(),
  bMs: Type.Number(),
  deltaMs: Type.Number(),
  lowMs: Type.Optional(Type.Number()),
  highMs: Type.Optional(Type.Number()),
  shiftPct: Type.Optional(Type.Number()),
  n: Type.Integer(),
});
const Arm = Type.Object({
  lane: Type.String(),
  variant: Type.String(),
  commit: Type.String(),
  strategyHash: Type.String(),
});
const Turn = Type.Object({
  sessionId: Type.String(),
  turnIndex: Type.Integer(),
  traceId: Type.String({ pattern: '^[0-9a-f]{32}$' }),
  lane: Type.String(),
  variant: Type.String(),
  world: Type.String(),
  zero: Type.String(),
  e2eUs: Type.Optional(Type.Integer()),
  ledger: Type.Array(Type.Object({ stage: Stage, phase: Phase, us: Type.Integer() })),
});

const Measured = Type.Object({ medianMs: Type.Number(), n: Type.Integer() });

/** JSON Schema of what scripts may rely on; more fields may come with later versions. */
export const ReportSchema = Type.Object({
  format: Type.Literal(REPORT_FORMAT),
  basis: Type.Unsafe<Report['basis']>({ enum: ['measured', 'predicted'] }),
  world: Type.Unsafe<Report['world']>({ enum: ['live', 'wire', 'sim'] }),
  verdict: Type.Unsafe<Report['verdict']>({ enum: ['faster', 'slower', 'same', 'inconclusive'] }),
  exitCode: Type.Integer(),
  reasons: Type.Array(Type.String()),
  primary: Row,
  stages: Type.Array(Row),
  turns: Type.Array(Turn),
  targets: Type.Array(Type.Object({ name: Word, a: Type.Optional(Measured), b: Type.Optional(Measured) })),
  arms: Type.Object({ a: Arm, b: Arm }),
  knobs: Type.Array(Type.Object({ knob: Type.String() })),
  validity: Type.Object({
    pairs: Type.Integer(),
    sessions: Type.Integer(),
    marginMs: Type.Number(),
    generalizes: Type.Boolean(),
    draws: Type.Unsafe<Report['validity']['draws']>({ enum: ['common', 'independent', 'as measured'] }),
    noiseFloorMs: Type.Optional(Type.Number()),
    drift: Type.Optional(
      Type.Object({ deltaMs: Type.Number(), medianErrorPct: Type.Number(), p95ErrorPct: Type.Number() }),
    ),
    seed: Type.Optional(Type.String()),
    profile: Type.Optional(Type.String({ pattern: '^[^\\u0000-\\u001f\\u007f-\\u009f]*$' })),
    guards: Type.Array(Type.Object({ name: Type.String(), holds: Type.Boolean(), detail: Type.String() })),
    dropped: Type.Array(Type.Object({ lane: Word, cause: Word, turns: Type.Integer() })),
  }),
  rerun: Type.Optional(Type.String()),
});

const isReport = new Ajv({ allErrors: false }).compile<Report>(ReportSchema);

/** Reads a report; throws `InputError` naming file and field. */
export async function readReport(path: string): Promise<Report> {
  const text = await readFile(path, 'utf8').catch(() => undefined);
  if (text === undefined)
    throw new InputError(`${path}: cannot be read; is its folder a run folder of "retake replay"?`);
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    throw new InputError(`${path}: not JSON; it is torn or was edited`);
  }
  if (isReport(json)) return json;
  const [error] = isReport.errors ?? [];
  throw new InputError(
    `${path}: field ${error?.instancePath.slice(1).replaceAll('/', '.') ?? ''} ${error?.message ?? 'is not valid'}`,
  );
}

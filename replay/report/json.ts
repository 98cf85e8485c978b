/** `report.json` read back: validated as far as the other forms rely on it. */
import { readFile } from 'node:fs/promises';
import { Ajv } from 'ajv';
import { Type } from 'typebox';
import { InputError } from '../../service/errors.ts';
import { REPORT_FORMAT, type Report } from './build.ts';

const Row = Type.Object({
  stage: Type.String(),
  phase: Type.Optional(Type.String()),
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
  traceId: Type.String(),
  lane: Type.String(),
  variant: Type.String(),
  world: Type.String(),
  zero: Type.String(),
  e2eUs: Type.Optional(Type.Integer()),
  ledger: Type.Array(Type.Object({ stage: Type.String(), phase: Type.String(), us: Type.Integer() })),
});

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
  targets: Type.Array(Type.Object({ name: Type.String() })),
  arms: Type.Object({ a: Arm, b: Arm }),
  knobs: Type.Array(Type.Object({ knob: Type.String() })),
  validity: Type.Object({
    pairs: Type.Integer(),
    sessions: Type.Integer(),
    marginMs: Type.Number(),
    generalizes: Type.Boolean(),
    draws: Type.String(),
    guards: Type.Array(Type.Object({ name: Type.String(), holds: Type.Boolean(), detail: Type.String() })),
    dropped: Type.Array(Type.Object({ lane: Type.String(), cause: Type.String(), turns: Type.Integer() })),
  }),
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

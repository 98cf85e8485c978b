/** The parts of `report.json`: rows, turns, guards and the like, each as a schema. */
import { Type } from 'typebox';
import { LEDGER_STAGES, PHASES } from '../../service/base/events.ts';
import { literals } from '../../service/base/schema.ts';
import { WHOLE_TURN_ROWS } from '../diff/diff-rows.ts';
import { GUARD_STATES } from '../diff/guards.ts';
import { GUARD_UNITS } from '../diff/mean-guards.ts';

/** The other formats print a name unescaped: no markup and no control characters. */
export const Word = Type.String({ pattern: '^[\\w .,()-]*$' });
const Stage = literals([...LEDGER_STAGES, ...WHOLE_TURN_ROWS]);
const Phase = literals(PHASES);
export const msField = (description: string) => Type.Number({ description: `${description}, ms` });
const usField = (description: string) => Type.Optional(Type.Integer({ description: `${description}, µs` }));
export const Index = Type.Integer({ minimum: 0 });

export const RowSchema = Type.Object({
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
export const ArmSchema = Type.Object({
  lane: Type.String(),
  variant: Type.String(),
  commit: Type.String(),
  strategyHash: Type.String(),
  strategy: Type.Optional(Type.Object({}, { description: 'the resolved strategy', additionalProperties: true })),
});
export const TurnSchema = Type.Object({
  sessionId: Type.String(),
  turnIndex: Index,
  traceId: Type.String({ pattern: '^[0-9a-f]{32}$' }),
  lane: Type.String(),
  variant: Type.String(),
  world: Type.String(),
  zero: Type.String({ description: 'audio: speech end; upload: arrival of the last byte' }),
  e2eUs: usField('zero → first audible; absent when there was none'),
  readLagUs: usField(
    'how late the frame that holds the speech end was read; before the zero, no part of e2eUs; absent where unknown',
  ),
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

export const MeasuredSchema = Type.Object({
  medianMs: Type.Number(),
  p95Ms: Type.Optional(Type.Number()),
  n: Type.Integer(),
  met: Type.Optional(Type.Boolean({ description: 'median below target' })),
});
export const PercentileSchema = Type.Object({
  q: Type.Number({ minimum: 0, maximum: 1 }),
  aMs: msField('quantile of A'),
  bMs: msField('quantile of B'),
  rows: Type.Array(Type.Object({ stage: Stage, phase: Type.Optional(Phase), aMs: Type.Number(), bMs: Type.Number() }), {
    description: 'contributions; phase rows add up to the quantile, and so do the stages',
  }),
});
export const SpanSchema = Type.Object({
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

export const GuardSchema = Type.Object({
  name: Type.String(),
  state: literals(GUARD_STATES, {
    description: 'broken: harm beyond the margin is shown; holds: it is ruled out; open: neither',
  }),
  predicted: Type.Optional(
    Type.Literal(true, { description: "the figures are those of a simulation's model: nobody has seen the harm" }),
  ),
  unit: literals(GUARD_UNITS, { description: 'of value, low, high and margin' }),
  value: Type.Number({ description: 'how much more harm B does than A' }),
  low: Type.Optional(Type.Number({ description: 'one-sided 95 % lower bound' })),
  high: Type.Optional(Type.Number({ description: 'one-sided 95 % upper bound' })),
  margin: Type.Number(),
  detail: Type.String(),
  limit: Type.Optional(Type.String({ description: 'of an open guard: the harm that is not ruled out' })),
});

export const LookSchema = Type.Object(
  {
    looks: Type.Integer({ minimum: 0, description: 'looks taken; 0 where the budget ended before the first' }),
    sessions: Type.Integer({ description: 'sessions whose turns have all been run' }),
    turns: Type.Integer({ description: 'turns that the last look saw, of all lanes' }),
    maxSessions: Type.Integer({ description: 'for which the boundary was made' }),
    level: Type.Number({ description: 'two-sided nominal level of the last look' }),
  },
  { description: 'of a run until decided: every interval is then the repeated one, 95 % over all looks' },
);

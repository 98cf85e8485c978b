/** What can go wrong with an exchange, and how a scenario says it. */
import { Type, type Static } from 'typebox';
import { literals, section } from '../../service/base/schema.ts';

/** Only `sim` has these: no server can do them to its client. */
const SIM_ONLY_KINDS = ['name-not-found', 'refused', 'tls'] as const;
/** Only `wire` has these: they break HTTP/1.1 itself, which virtual time does not have. */
const WIRE_ONLY_KINDS = ['longer-than-said', 'garbage'] as const;
export const FAULT_KINDS = [
  ...SIM_ONLY_KINDS,
  ...WIRE_ONLY_KINDS,
  'status',
  'reset-before-headers',
  'reset-mid-body',
  'stall-before-headers',
  'stall-mid-stream',
  'error-chunk',
  'no-end-marker',
  'truncated-json',
  'html',
  'json',
  'no-body',
  'redirect',
  'shorter-than-said',
  'empty',
  'oversized',
  'trickle',
] as const;
export type FaultKind = (typeof FAULT_KINDS)[number];
export const SIM_ONLY: ReadonlySet<FaultKind> = new Set(SIM_ONLY_KINDS);
export const WIRE_ONLY: ReadonlySet<FaultKind> = new Set(WIRE_ONLY_KINDS);

/** A fault as a scenario names it. */
export const FaultSchema = section({
  kind: literals(FAULT_KINDS, { description: 'what goes wrong' }),
  status: Type.Optional(
    Type.Integer({ minimum: 200, maximum: 599, description: 'of `status` (500), `json` and `no-body` (200)' }),
  ),
  location: Type.Optional(Type.String({ maxLength: 2000, description: 'of `redirect`; by default its own URL' })),
  retryAfterS: Type.Optional(Type.Number({ minimum: 0, maximum: 3600, description: 'of `status`' })),
  message: Type.Optional(Type.String({ maxLength: 100_000, description: 'of `status` and `error-chunk`' })),
  afterChunks: Type.Optional(
    Type.Integer({ minimum: 0, maximum: 1_000_000, description: 'chunks of content that still come; by default 1' }),
  ),
  byteEveryMs: Type.Optional(
    Type.Number({ minimum: 0, maximum: 600_000, description: 'of `trickle`; by default 500' }),
  ),
});
export type FaultSpec = Static<typeof FaultSchema>;

/** The rows and columns of the fault matrix, and what each fault is: docs/operating.md shows both. */
import type { CallStage } from '../service/base/events.ts';
import type { StrategyPatch } from '../service/strategy/patch.ts';
import type { FaultKind, FaultSpec } from '../sim/faults/kinds.ts';
import type { RouteName } from '../sim/faults/routes.ts';

/** Which request of a call meets the fault: `generate` makes several, the others one. */
type Strikes = 'first' | 'json' | 'body';

export interface ProviderRow {
  name: string;
  stage: CallStage;
  patch: StrategyPatch;
  route: Readonly<Record<Strikes, RouteName>>;
}

const everywhere = (route: RouteName): ProviderRow['route'] => ({ first: route, json: route, body: route });

export const PROVIDERS: readonly ProviderRow[] = [
  { name: 'STT', stage: 'stt', patch: {}, route: everywhere('stt.transcriptions') },
  { name: 'LLM', stage: 'llm', patch: {}, route: everywhere('llm') },
  { name: 'TTS stream', stage: 'tts', patch: {}, route: everywhere('tts.stream') },
  { name: 'TTS speech', stage: 'tts', patch: { tts: { method: 'speech' } }, route: everywhere('tts.speech') },
  {
    name: 'TTS generate',
    stage: 'tts',
    patch: { tts: { method: 'generate' } },
    route: { first: 'queue.submit', json: 'queue.result', body: 'cdn.get' },
  },
];

export interface FaultRow {
  name: string;
  strikes: Strikes;
  fault: FaultSpec;
}

const status = (code: number, name = String(code), more: Partial<FaultSpec> = {}): FaultRow => ({
  name,
  strikes: 'first',
  fault: { kind: 'status', status: code, ...more },
});
const other = (name: string, kind: FaultSpec['kind'], strikes: Strikes = 'first'): FaultRow => ({
  name,
  strikes,
  fault: { kind },
});

export const FAULTS: readonly FaultRow[] = [
  other('name not found', 'name-not-found'),
  other('connection refused', 'refused'),
  other('TLS failure', 'tls'),
  status(401),
  status(402),
  status(404),
  status(422),
  status(429),
  status(429, '429, Retry-After 1 s', { retryAfterS: 1 }),
  status(429, '429, Retry-After 30 s', { retryAfterS: 30 }),
  status(500),
  status(502),
  status(503),
  other('reset before headers', 'reset-before-headers'),
  other('reset mid-body', 'reset-mid-body', 'body'),
  other('stall before headers', 'stall-before-headers'),
  other('stall mid-stream', 'stall-mid-stream', 'body'),
  other('error chunk mid-stream', 'error-chunk', 'json'),
  other('missing end marker', 'no-end-marker', 'body'),
  other('truncated JSON', 'truncated-json', 'json'),
  other('HTML instead of JSON', 'html', 'json'),
  other('other JSON', 'json', 'json'),
  { name: '202, other JSON', strikes: 'json', fault: { kind: 'json', status: 202 } },
  { name: '204', strikes: 'json', fault: { kind: 'no-body', status: 204 } },
  other('200 without a body', 'no-body', 'json'),
  other('redirect to itself', 'redirect', 'body'),
  other('shorter than said', 'shorter-than-said', 'body'),
  other('empty result', 'empty', 'json'),
  other('oversized body', 'oversized', 'body'),
  other('slow trickle', 'trickle', 'body'),
];

/** What the client meets, by fault. */
export const MEANINGS: Readonly<Record<FaultKind, string>> = {
  'name-not-found': 'The name has no address. In `sim` only: no server can do that to its client.',
  refused: 'The connection is refused. In `sim` only.',
  tls: 'The certificate is not trusted. In `sim` only.',
  'longer-than-said': 'More bytes come than `content-length` says. In `wire` only.',
  garbage: 'Bytes that are no HTTP come after `afterChunks` chunks (1), then the connection breaks. In `wire` only.',
  status: 'HTTP `status` (500), with the provider’s error body. `retryAfterS` and `message` go into the answer.',
  'reset-before-headers': 'The connection breaks before the answer.',
  'reset-mid-body': 'The connection breaks within the answer, after `afterChunks` chunks (1).',
  'stall-before-headers': 'No answer comes.',
  'stall-mid-stream': 'The answer stops after `afterChunks` chunks (1), and the connection stays open.',
  'error-chunk':
    'A stream holds an error event after `afterChunks` chunks (1). Any other answer is an error with status 200.',
  'no-end-marker': 'The answer lacks its last chunk; a JSON answer lacks its last byte.',
  'truncated-json':
    'The answer ends within the chunk that follows `afterChunks` chunks (1); a JSON answer ends half-way.',
  html: 'A page of HTML with status 200.',
  json: 'JSON with `status` (200) that holds nothing asked for.',
  'no-body': 'An answer with `status` (200) and no body.',
  redirect: 'HTTP 302 to `location`, by default to the same URL.',
  'shorter-than-said': 'Fewer bytes come than `content-length` says, then the connection breaks.',
  empty: 'A complete answer without words or audio.',
  oversized: 'The answer grows to 64 MiB.',
  trickle: 'The answer comes byte by byte, one every `byteEveryMs` (500).',
};

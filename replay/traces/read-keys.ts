/** The attributes of spans that a comparison reads. All others are left in the file, so that a held span is small. */
import { ATTRIBUTES } from '../../service/telemetry/names.ts';

/** Of other pipelines; foreign-shapes.ts says what each means. */
const FOREIGN_KEYS = [
  'conversation.id',
  'thread.id',
  'turn.number',
  'turn.index',
  'turn.user_bot_latency_seconds',
  'metrics.ttfb',
  'lk.e2e_latency',
  'lk.job_id',
  'lk.room_name',
  'lk.response.ttft',
  'lk.response.ttfb',
] as const;

/** Names, models, messages. */
const TEXT_CHARS = 2000;
/** A ledger of ten thousand parts. */
const LIST_CHARS = 300_000;

/** For people, each beside an exact one. */
const UNREAD: ReadonlySet<string> = new Set([ATTRIBUTES.wait.key, ATTRIBUTES.e2e.key, ATTRIBUTES.e2eClass.key]);
const OWN_KEYS = Object.values(ATTRIBUTES).flatMap(({ key }) => (UNREAD.has(key) ? [] : [key]));

const CHARS: ReadonlyMap<string, number> = new Map([
  ...[...OWN_KEYS, ...FOREIGN_KEYS].map((key) => [key, TEXT_CHARS] as const),
  [ATTRIBUTES.ledger.key, LIST_CHARS],
  [ATTRIBUTES.bets.key, LIST_CHARS],
]);

/**
 * The most characters of a text with that key; a longer text is not read. Undefined: nobody reads the attribute. `attribute` is the one that
 * the reader asked for.
 */
export const charsRead = (key: string, attribute?: string): number | undefined =>
  CHARS.get(key) ?? (key === attribute ? TEXT_CHARS : undefined);

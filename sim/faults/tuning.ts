/** The switches of a scenario: they change an answer's times and shape. One plan in, one plan out. */
import { Type, type Static } from 'typebox';
import { literals, section } from '../../service/base/schema.ts';
import { isData, sizeOf, USAGE_FORMS, type ExchangePlan, type Facts, type PlannedItem } from '../times/plan.ts';

const ms = Type.Number({ minimum: 0, maximum: 600_000 });

export const TuningSchema = section({
  /** LLM: request sent → first content, with headers, comments and reasoning. */
  ttftMs: Type.Optional(ms),
  ttftQuantiles: Type.Optional(
    Type.Array(Type.Tuple([Type.Number({ minimum: 0, maximum: 1 }), ms]), {
      minItems: 1,
      maxItems: 50,
      description:
        'the same, drawn for each request: [share, ms], both rising, share from 0 to 1; a single pair is a constant',
    }),
  ),
  comments: Type.Optional(section({ count: Type.Integer({ minimum: 0, maximum: 100 }), everyMs: ms })),
  deltaChars: Type.Optional(Type.Integer({ minimum: 1, maximum: 10_000 })),
  reasoningDeltas: Type.Optional(Type.Integer({ minimum: 0, maximum: 1000 })),
  usage: Type.Optional(literals(USAGE_FORMS, { description: "the usage chunk's `choices`; none: no such chunk" })),
  /** Whether the body's end comes with the last read or after it. Apart, a client that cancels at `[DONE]` loses its connection. */
  terminator: Type.Optional(literals(['together', 'apart'], { description: "the body's end" })),
  terminatorMs: Type.Optional(ms),
  /** TTS stream: audio as it is made, or all at the end. */
  firstChunk: Type.Optional(literals(['early', 'late'], { description: 'when the first audio comes' })),
  /** The queue of `generate`. */
  inQueueMs: Type.Optional(ms),
  inProgressMs: Type.Optional(ms),
});
export type Tuning = Static<typeof TuningSchema>;

/** Last event → terminator, where a scenario says `apart` and no time. */
const APART_MS = 5;

/** The plan under the switches. Switches of other kinds of requests change nothing. */
export function tuned(plan: ExchangePlan, facts: Facts, tuning: Tuning): ExchangePlan {
  const { usage = plan.usage, reasoningDeltas = plan.reasoningDeltas } = tuning;
  const ended: ExchangePlan = { ...plan, usage, reasoningDeltas, terminatorUs: terminatorUsOf(plan, tuning) };
  switch (facts.operation) {
    case 'llm':
      return withTtft(withItems(ended, tuning), tuning.ttftMs);
    case 'tts':
      if (facts.method === 'generate') return inQueue(ended, tuning);
      return tuning.firstChunk === 'late' ? { ...ended, items: allLate(ended.items) } : ended;
    case 'stt':
    case 'other':
      return ended;
    default:
      return facts satisfies never;
  }
}

function terminatorUsOf(plan: ExchangePlan, { terminator, terminatorMs = APART_MS }: Tuning): number {
  if (terminator === undefined) return plan.terminatorUs;
  return terminator === 'together' ? 0 : terminatorMs * 1000;
}

function inQueue(plan: ExchangePlan, { inQueueMs, inProgressMs }: Tuning): ExchangePlan {
  const queued = inQueueMs === undefined ? plan : { ...plan, queueUs: inQueueMs * 1000 };
  return inProgressMs === undefined ? queued : { ...queued, waitUs: inProgressMs * 1000, items: atOnce(plan.items) };
}

function withItems(plan: ExchangePlan, { comments, deltaChars }: Tuning): ExchangePlan {
  let { items } = plan;
  if (deltaChars !== undefined) {
    items = items.flatMap((item): PlannedItem[] => {
      const chars = sizeOf(item);
      if (!isData(item) || chars <= deltaChars) return [item];
      const count = Math.ceil(chars / deltaChars);
      return Array.from({ length: count }, (_, index) => ({
        gapUs: index === 0 ? item.gapUs : 0,
        kind: 'data',
        parts: [Math.min(deltaChars, chars - index * deltaChars)],
      }));
    });
  }
  if (comments === undefined) return { ...plan, items };
  const firstAt = items.findIndex(({ kind }) => kind !== 'comment');
  const untilContentUs = items.slice(0, firstAt + 1).reduce((sum, { gapUs }) => sum + gapUs, 0);
  const spentUs = Math.min(untilContentUs, comments.count * comments.everyMs * 1000);
  const added = Array.from({ length: comments.count }, (): PlannedItem => {
    return { gapUs: Math.floor(spentUs / comments.count), kind: 'comment', parts: [] };
  });
  const addedUs = added.reduce((sum, { gapUs }) => sum + gapUs, 0);
  const rest = items
    .slice(firstAt)
    .map((item, index) => (index === 0 ? { ...item, gapUs: untilContentUs - addedUs } : item));
  return { ...plan, items: [...added, ...rest] };
}

function withTtft(plan: ExchangePlan, ttftMs: number | undefined): ExchangePlan {
  if (ttftMs === undefined) return plan;
  const firstAt = plan.items.findIndex(isData);
  const beforeUs = plan.items.slice(0, Math.max(0, firstAt)).reduce((sum, { gapUs }) => sum + gapUs, 0);
  const waitUs = Math.min(plan.waitUs, Math.max(0, ttftMs * 1000 - beforeUs));
  const gapUs = Math.max(0, ttftMs * 1000 - waitUs - beforeUs);
  return { ...plan, waitUs, items: plan.items.map((item, index) => (index === firstAt ? { ...item, gapUs } : item)) };
}

function atOnce(items: readonly PlannedItem[]): PlannedItem[] {
  return items.map((item) => ({ ...item, gapUs: 0 }));
}

/** All items at the time of the last one. */
function allLate(items: readonly PlannedItem[]): PlannedItem[] {
  const totalUs = items.reduce((sum, { gapUs }) => sum + gapUs, 0);
  return items.map((item, index) => ({ ...item, gapUs: index === 0 ? totalUs : 0 }));
}

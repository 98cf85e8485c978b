/** The event log of one turn. Everything else (spans, capture, ledger, live events) is a projection of it. */
import { InvariantError } from '../base/errors.ts';
import type { Clock } from '../base/ports.ts';
import type { AttrValue, EventSink, NewEvent, Recorder, TurnEvent } from '../base/events.ts';
import { definedOnly } from '../base/json.ts';

/**
 * Creates a turn's recorder; events carry the clock's own readings. Sinks see each event once. Errors that sinks throw go
 * to `onSinkError` and no further. Undefined fields and attributes of a fact stay out of the log.
 */
export function createRecorder(
  clock: Pick<Clock, 'nowUs'>,
  sinks: readonly EventSink[],
  onSinkError: (error: unknown) => void,
): Recorder {
  const events: TurnEvent[] = [];

  const eventAt = (id: number): TurnEvent => {
    const event = events[id];
    if (event === undefined) throw new InvariantError(`event ${id} is not in this turn's log`);
    return event;
  };

  const record = (fact: NewEvent): number => {
    const known = isComplete(fact) ? fact : complete(fact);
    const event: TurnEvent = { ...known, id: events.length, atUs: fact.atUs ?? clock.nowUs() };
    if (!Number.isSafeInteger(event.atUs)) throw new InvariantError(`${event.kind}: ${event.atUs} is not whole µs`);
    for (const releaser of [event.cause, event.also]) {
      if (releaser !== undefined && eventAt(releaser).atUs > event.atUs) {
        throw new InvariantError(`${event.kind} at ${event.atUs} µs precedes its cause ${eventAt(releaser).kind}`);
      }
    }
    events.push(event);
    for (const sink of sinks) {
      try {
        sink(event);
      } catch (error) {
        onSinkError(error);
      }
    }
    return event.id;
  };

  return { record, atUs: (id) => eventAt(id).atUs, events };
}

type Complete = Omit<TurnEvent, 'id' | 'atUs'> & Pick<NewEvent, 'atUs'>;

/** Most facts are: these are not copied twice. */
function isComplete(fact: NewEvent): fact is Complete {
  return [fact, fact.attrs, fact.content].every(
    (part) => part === undefined || !Object.values(part).includes(undefined),
  );
}

/** The same without what is undefined, in the same order. */
function complete(fact: NewEvent): Complete {
  const attrs: Record<string, AttrValue> = {};
  for (const [name, value] of Object.entries(fact.attrs ?? {})) if (value !== undefined) attrs[name] = value;
  return definedOnly({
    ...fact,
    attrs: fact.attrs && attrs,
    content: fact.content && definedOnly(fact.content),
  });
}

/**
 * The two releasers of a join as `cause` and `also`: the later one is the cause, a tie goes to the later id.
 * With one releaser absent the other is the cause.
 */
export function join(recorder: Recorder, left: number, right: number | undefined): { cause: number; also?: number } {
  if (right === undefined || right === left) return { cause: left };
  const byTime = recorder.atUs(left) - recorder.atUs(right);
  const leftIsLater = byTime === 0 ? left > right : byTime > 0;
  return leftIsLater ? { cause: left, also: right } : { cause: right, also: left };
}

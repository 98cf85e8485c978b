/** A guard before fal's client, which reads a body that is no stream of events by promises that nobody holds. */
import type { Fetch } from '../base/ports.ts';

/**
 * The same `fetch`, but a good answer with any other body throws `refusal()`. The client would read such a body itself,
 * and an abort would reject a promise that nobody holds: that ends the process.
 */
export function eventsOnly(fetch: Fetch, refusal: () => Error): Fetch {
  const guarded = async (...[input, init]: Parameters<Fetch>): Promise<Response> => {
    const response = await fetch(input, init);
    const type = response.headers.get('content-type') ?? '';
    if (!response.ok || response.body === null || type.startsWith('text/event-stream')) return response;
    throw refusal();
  };
  return Object.assign(guarded, { Response });
}

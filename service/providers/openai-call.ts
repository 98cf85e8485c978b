/** One openai client for all calls: each request goes out by the `fetch` of the call that it belongs to. */
import type { Call, Fetch } from '../base/ports.ts';

/** Where a request's options carry its call's `fetch`: the client hands on what it does not know. */
const FETCH = Symbol("the call's fetch");

/**
 * The `fetch` of such a client. A client per call would do too, but it costs 60 µs: its resources, and a test upload that it
 * makes for every `fetch` that is new to it. Every request must belong to a call, or it would be on no trace.
 */
export const fetchOfCall: Fetch = Object.assign(
  (input: string | URL | Request, init?: RequestInit): Promise<Response> => {
    const fetch: unknown = init === undefined ? undefined : Reflect.get(init, FETCH);
    if (typeof fetch !== 'function') return Promise.reject(new Error('a provider client was used outside of a call'));
    return Reflect.apply(fetch, undefined, [input, init]);
  },
  { Response },
);

/** Request options that bind a request to its call. */
export function inCall(call: Call): { signal: AbortSignal; fetchOptions: Record<never, never> } {
  return { signal: call.signal, fetchOptions: Object.assign({}, { [FETCH]: call.fetch }) };
}

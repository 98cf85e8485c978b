/** One openai client for all calls: each request goes out by the `fetch` of its call. */
import OpenAI, { type ClientOptions } from 'openai';
import type { Call, Fetch } from '../base/ports.ts';

/** The key of a call's `fetch` in the request's options: the client hands unknown options on. */
const FETCH = Symbol("the call's fetch");

/**
 * The `fetch` of such a client. A client for each call would cost 60 µs: its resources, and a test upload for each new
 * `fetch`. Every request must belong to a call, else it would be on no trace.
 */
const fetchOfCall: Fetch = Object.assign(
  (input: string | URL | Request, init?: RequestInit): Promise<Response> => {
    const fetch: unknown = init === undefined ? undefined : Reflect.get(init, FETCH);
    if (typeof fetch !== 'function')
      return Promise.reject(new Error('a provider client was used outside of a call: pass it the options of inCall()'));
    return Reflect.apply(fetch, undefined, [input, init]);
  },
  { Response },
);

/** A client of a provider. Repeats nothing, which is retry.ts's work, and logs nothing. Every request needs the options of `inCall`. */
export function openAiClient(options: Pick<ClientOptions, 'apiKey' | 'baseURL' | 'defaultHeaders'>): OpenAI {
  return new OpenAI({
    ...options,
    maxRetries: 0,
    logLevel: 'off', // the client would print events that it cannot parse: users' words
    fetch: fetchOfCall,
  });
}

/** A client of an app on fal, which takes its key under a name of its own. */
export function falAppClient({ falRunUrl, falKey }: { falRunUrl: string; falKey: string }, app: string): OpenAI {
  return openAiClient({
    apiKey: 'unused',
    baseURL: `${falRunUrl}/${app}`,
    defaultHeaders: { Authorization: `Key ${falKey}` },
  });
}

/** Request options that bind a request to its call. */
export function inCall(call: Call): { signal: AbortSignal; fetchOptions: Record<never, never> } {
  return { signal: call.signal, fetchOptions: Object.assign({}, { [FETCH]: call.fetch }) };
}

/** The requests that the stand-ins know, one row each: the name in scenarios, the server and the form of the answer. */

/** One server an origin. */
export const SERVERS = ['falRun', 'falQueue', 'falRest', 'falCdn', 'openrouter'] as const;
export type ServerName = (typeof SERVERS)[number];

interface Row {
  name: string;
  server: ServerName;
  method: string;
  path: RegExp;
  /** Of the answer's body. */
  form: 'json' | 'events' | 'audio';
  /** A JSON answer without content. */
  empty?: unknown;
}

const ROWS = [
  {
    name: 'stt.transcriptions',
    server: 'falRun',
    method: 'POST',
    path: /\/freya-stt\/audio\/transcriptions$/,
    form: 'json',
    empty: { text: '' },
  },
  {
    name: 'stt.generate',
    server: 'falRun',
    method: 'POST',
    path: /\/freya-stt\/generate$/,
    form: 'json',
    empty: { text: '' },
  },
  { name: 'tts.stream', server: 'falRun', method: 'POST', path: /\/freya-tts\/stream$/, form: 'events' },
  { name: 'tts.speech', server: 'falRun', method: 'POST', path: /\/freya-tts\/audio\/speech$/, form: 'audio' },
  { name: 'queue.submit', server: 'falQueue', method: 'POST', path: /\/freya-tts\/generate$/, form: 'json' },
  { name: 'queue.poll', server: 'falQueue', method: 'GET', path: /\/requests\/[^/]+\/status$/, form: 'json' },
  { name: 'queue.poll', server: 'falQueue', method: 'GET', path: /\/requests\/[^/]+\/status\/stream$/, form: 'events' },
  {
    name: 'queue.result',
    server: 'falQueue',
    method: 'GET',
    path: /\/requests\/[^/]+$/,
    form: 'json',
    empty: { audio: null },
  },
  { name: 'storage.initiate', server: 'falRest', method: 'POST', path: /\/storage\/upload\/initiate$/, form: 'json' },
  { name: 'storage.put', server: 'falCdn', method: 'PUT', path: /^\/files\//, form: 'json' },
  { name: 'cdn.get', server: 'falCdn', method: 'GET', path: /^\/files\//, form: 'audio' },
  { name: 'llm', server: 'openrouter', method: 'POST', path: /\/chat\/completions$/, form: 'events' },
  { name: 'region.probe', server: 'falRun', method: 'OPTIONS', path: /./, form: 'json' },
  { name: 'llm.generation', server: 'openrouter', method: 'GET', path: /\/generation$/, form: 'json' },
] as const satisfies readonly Row[];
export type RouteName = (typeof ROWS)[number]['name'];
export const ROUTE_NAMES: readonly RouteName[] = [...new Set(ROWS.map(({ name }) => name))];

export interface Route extends Row {
  name: RouteName;
}

/** A request's route. Undefined for requests that no scenario can name. */
export function routeOf(method: string, url: string): Route | undefined {
  const { pathname } = new URL(url);
  const rows: readonly Route[] = ROWS;
  return rows.find((row) => row.method === method && row.path.test(pathname));
}

/** Whether a route's requests go to this server. */
export function goesTo(server: ServerName, route: RouteName): boolean {
  return ROWS.some((row) => row.name === route && row.server === server);
}

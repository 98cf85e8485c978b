/** The requests that the stand-ins know, one row each: what scenarios name. */

export const ROUTE_NAMES = [
  'stt.transcriptions',
  'stt.generate',
  'tts.stream',
  'tts.speech',
  'queue.submit',
  'queue.poll',
  'queue.result',
  'storage.initiate',
  'storage.put',
  'cdn.get',
  'llm',
  'llm.generation',
] as const;
export type RouteName = (typeof ROUTE_NAMES)[number];

/** One server an origin. */
export type ServerName = 'falRun' | 'falQueue' | 'falRest' | 'falCdn' | 'openrouter';

/** The server that takes a request. */
export function serverOf(route: RouteName): ServerName {
  const [kind] = route.split('.');
  if (kind === 'queue') return 'falQueue';
  if (kind === 'llm') return 'openrouter';
  if (route === 'storage.initiate') return 'falRest';
  return route === 'storage.put' || kind === 'cdn' ? 'falCdn' : 'falRun';
}

export interface RouteRow {
  name: RouteName;
  method: string;
  path: RegExp;
  provider: 'fal' | 'openrouter';
  /** What its answer's body is. */
  form: 'json' | 'events' | 'audio';
  /** A JSON answer without content. */
  empty?: unknown;
}

const ROWS: readonly RouteRow[] = [
  {
    name: 'stt.transcriptions',
    method: 'POST',
    path: /\/freya-stt\/audio\/transcriptions$/,
    provider: 'fal',
    form: 'json',
    empty: { text: '' },
  },
  {
    name: 'stt.generate',
    method: 'POST',
    path: /\/freya-stt\/generate$/,
    provider: 'fal',
    form: 'json',
    empty: { text: '' },
  },
  { name: 'tts.stream', method: 'POST', path: /\/freya-tts\/stream$/, provider: 'fal', form: 'events' },
  { name: 'tts.speech', method: 'POST', path: /\/freya-tts\/audio\/speech$/, provider: 'fal', form: 'audio' },
  { name: 'queue.submit', method: 'POST', path: /\/freya-tts\/generate$/, provider: 'fal', form: 'json' },
  { name: 'queue.poll', method: 'GET', path: /\/requests\/[^/]+\/status$/, provider: 'fal', form: 'json' },
  { name: 'queue.poll', method: 'GET', path: /\/requests\/[^/]+\/status\/stream$/, provider: 'fal', form: 'events' },
  {
    name: 'queue.result',
    method: 'GET',
    path: /\/requests\/[^/]+$/,
    provider: 'fal',
    form: 'json',
    empty: { audio: null },
  },
  { name: 'storage.initiate', method: 'POST', path: /\/storage\/upload\/initiate$/, provider: 'fal', form: 'json' },
  { name: 'storage.put', method: 'PUT', path: /^\/files\//, provider: 'fal', form: 'json' },
  { name: 'cdn.get', method: 'GET', path: /^\/files\//, provider: 'fal', form: 'audio' },
  { name: 'llm', method: 'POST', path: /\/chat\/completions$/, provider: 'openrouter', form: 'events' },
  { name: 'llm.generation', method: 'GET', path: /\/generation$/, provider: 'openrouter', form: 'json' },
];

/** The row of a request, if it is one that scenarios can name. */
export function routeOf(method: string, url: string): RouteRow | undefined {
  const { pathname } = new URL(url);
  return ROWS.find((row) => row.method === method && row.path.test(pathname));
}

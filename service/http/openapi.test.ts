/** docs/openapi.yaml against the code: its paths, its body of a session, and answers of a running service. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import { parse } from 'yaml';
import { instantPorts } from '../../bench/programs/workload.ts';
import { speechPcm, wavOf } from '../../sim/times/speech-audio.ts';
import { createByteBudget } from '../base/byte-budget.ts';
import { createRealClock } from '../base/clock.ts';
import { testService } from '../../testing/service.ts';
import { createClientOf } from './client-address.ts';
import type { Doorkeeper } from './doorkeeper.ts';
import type { ReadBack } from './read-back.ts';
import { NewSessionSchema, type Registry } from './registry.ts';
import { createServer } from './server.ts';
import { createTickets } from './tickets.ts';

interface Operation {
  responses: Record<string, { $ref?: string; content?: Record<string, { schema: object }> }>;
}
interface Api {
  paths: Record<string, Record<string, Operation>>;
  components: { responses: Record<string, Operation['responses'][string]>; schemas: Record<string, object> };
}
const API = parse(readFileSync(new URL('../../docs/openapi.yaml', import.meta.url), 'utf8')) as Api;
const METHODS = ['get', 'post', 'put', 'patch', 'delete'];
const clock = createRealClock();

/** `get /v1/sessions/{id}`, sorted. */
const described = ({ paths }: Api): string[] =>
  Object.entries(paths)
    .flatMap(([path, item]) =>
      Object.keys(item)
        .filter((key) => METHODS.includes(key))
        .map((method) => `${method} ${path}`),
    )
    .sort();

function served(): string[] {
  const app = createServer({
    clock,
    registry: {} as Registry,
    readBack: {} as ReadBack,
    tickets: createTickets(clock),
    clientOf: createClientOf([]),
    memory: createByteBudget(0),
    doorkeeper: {} as Doorkeeper,
    metrics: { contentType: 'text/plain', text: () => Promise.resolve('') },
    onError: () => undefined,
    onAbandoned: () => undefined,
  });
  const layers = app.router.stack as { route?: { path: string; methods: Record<string, boolean> } }[];
  return layers
    .flatMap(({ route }) => {
      const methods = Object.keys(route?.methods ?? {});
      // a route of every method only says 405
      return methods.length === 1 ? [`${methods[0]} ${route?.path.replaceAll(/:(\w+)/g, '{$1}')}`] : [];
    })
    .sort();
}

test('every route is described, and what is described is a route; a path or method on one side alone is seen', () => {
  assert.deepEqual(described(API), served());
  const { '/healthz': health = {}, ...paths } = API.paths;
  assert.notDeepEqual(described({ ...API, paths }), served());
  assert.notDeepEqual(
    described({ ...API, paths: { ...API.paths, '/healthz': { ...health, post: { responses: {} } } } }),
    served(),
  );
});

/** A schema without what only tells people. */
function withoutWords(schema: unknown): unknown {
  return JSON.parse(JSON.stringify(schema, (key, value: unknown) => (key === 'description' ? undefined : value)));
}

test('the body of a session is the one that is validated; control: another limit is seen', () => {
  const { NewSession } = API.components.schemas;
  assert.deepEqual(withoutWords(NewSession), withoutWords(NewSessionSchema));
  assert.notDeepEqual(withoutWords({ ...NewSession, additionalProperties: true }), withoutWords(NewSessionSchema));
});

const ajv = new Ajv2020({ strict: false, validateFormats: false });
ajv.addSchema(API, 'api');

/** The schema of an answer, by status and content type. Throws where nothing is described. */
function schemaFor(method: string, path: string, status: number, type: string): ValidateFunction {
  const { $ref, ...own } = API.paths[path]?.[method]?.responses[String(status)] ?? {};
  const found = $ref === undefined ? own : API.components.responses[$ref.split('/').at(-1) ?? ''];
  const schema = found?.content?.[type]?.schema;
  assert.ok(schema !== undefined, `${method} ${path} ${status} ${type} is not described`);
  return ajv.compile(JSON.parse(JSON.stringify(schema).replaceAll('"#/', '"api#/')) as object);
}

const eventsIn = (text: string): object[] =>
  [...text.matchAll(/^event: (.*)\ndata: (.*)\n\n/gm)].map(([, event, data]) => ({ event, data }));

test('answers of a running service are as described; an answer that is not is seen', async (t) => {
  const service = await testService(t, instantPorts(clock));
  const ask = async (method: string, path: string, params: object = {}, init: RequestInit = {}): Promise<unknown> => {
    const url = Object.entries(params).reduce((so, [name, value]) => so.replace(`{${name}}`, String(value)), path);
    const response = await fetch(`${service.url}${url}`, { method: method.toUpperCase(), ...init });
    const [type = ''] = (response.headers.get('content-type') ?? '').split(';');
    const text = await response.text();
    const json: unknown = type.endsWith('json') ? JSON.parse(text) : text;
    const isAsDescribed = schemaFor(method, path, response.status, type);
    for (const part of type === 'text/event-stream' ? eventsIn(text) : [json])
      assert.ok(isAsDescribed(part), `${method} ${url}: ${JSON.stringify(isAsDescribed.errors)} ${text.slice(0, 300)}`);
    return json;
  };
  const json = { 'content-type': 'application/json' };
  const { id } = (await ask('post', '/v1/sessions', {}, { headers: json, body: '{"greeting":"Hi."}' })) as {
    id: string;
  };
  const audio = { headers: { 'content-type': 'audio/wav' }, body: Buffer.from(wavOf(speechPcm('hello', 16_000, 0))) };
  await ask('post', '/v1/sessions/{id}/greeting', { id });
  await ask('post', '/v1/sessions/{id}/turns', { id }, audio);
  await service.flushed();
  const { turns } = (await ask('get', '/v1/sessions/{id}', { id })) as { turns: { traceId: string }[] };
  assert.equal(turns.length, 2);
  const page = async (query: string): Promise<unknown> => {
    const answer = await ask('get', '/v1/sessions/{id}', { id: `${id}${query}` });
    const { turns: some, next } = answer as { turns: { turnIndex: number }[]; next?: number };
    return [some.map(({ turnIndex }) => turnIndex), next];
  };
  assert.deepEqual(await page('?limit=1'), [[0], 1]);
  assert.deepEqual(await page('?from=1&limit=1'), [[1], undefined]);
  await ask('get', '/v1/sessions/{id}', { id: `${id}?limit=0` });
  await ask('get', '/v1/sessions/{id}/turns/{index}', { id, index: 1 });
  await ask('get', '/v1/turns/{traceId}', { traceId: turns[1]?.traceId });
  await ask('post', '/v1/sessions/{id}/ticket', { id });
  await ask('get', '/v1/sessions/{id}/stream', { id });
  await ask('get', '/healthz');
  await ask('get', '/metrics');
  // what is wrong
  await ask('post', '/v1/sessions', {}, { headers: json, body: '{"language":"xx"}' });
  await ask('post', '/v1/sessions', {}, { body: 'text' });
  await ask('post', '/v1/sessions', {}, { headers: { ...json, origin: 'https://evil.example' }, body: '{}' });
  await ask('post', '/v1/sessions/{id}/turns', { id }, { ...audio, body: 'no audio' });
  await ask('post', '/v1/sessions/{id}/greeting', { id });
  await ask('get', '/v1/sessions/{id}', { id: '%ff' });
  await ask('delete', '/v1/sessions/{id}', { id: 'nobody' });
  assert.equal(schemaFor('get', '/healthz', 200, 'application/json')({ status: 'ill', sessions: 0 }), false, 'control');
});

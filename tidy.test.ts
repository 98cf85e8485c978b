/** The house rules as a test. Each rule is a function from source files to complaints, with a case that it must catch. */
import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path/posix';
import { test } from 'node:test';
import ts from 'typescript';

type Sources = ReadonlyMap<string, string>;

/**
 * The rooms, from the top of the house to its ground. A file imports from its own room and from rows further down; rooms of one row
 * import nothing of each other. ARCHITECTURE.md says in a sentence what each is for.
 */
const ROOMS: readonly (readonly string[])[] = [
  ['.', 'bin'],
  ['cli'],
  ['cli/action', 'cli/replay', 'cli/serve', 'cli/sessions'],
  ['cli/options'],
  ['checks'],
  ['checks/mutations'],
  ['checks/honesty', 'checks/security', 'checks/integration', 'checks/random-turns', 'checks/statistics'],
  ['scripts'],
  ['scripts/infra'],
  ['bench'],
  ['bench/load', 'bench/programs'],
  ['bench/turns'],
  ['testing'],
  ['scripts/programs'],
  ['replay'],
  ['replay/rank'],
  ['replay/run'],
  ['replay/plan', 'replay/variants'],
  ['replay/arms'],
  ['replay/report'],
  ['replay/sessions'],
  ['replay/diff'],
  ['replay/statistics'],
  ['replay/traces'],
  ['sim/wire'],
  ['sim/world'],
  ['sim/faults'],
  ['sim/stand-ins'],
  ['sim/times'],
  ['service'],
  ['service/socket'],
  ['service/http'],
  ['service/capture'],
  ['service/telemetry'],
  ['service/turn'],
  ['service/calls'],
  ['service/providers'],
  ['service/net', 'service/audio', 'service/text'],
  ['service/strategy', 'service/turn-log', 'service/spool'],
  ['service/base'],
];
/** Upward on purpose: the path at which older pull requests, images and workflows start the command line. */
const STUBS: ReadonlySet<string> = new Set(['replay/main.ts']);
/** Not ours, or made by running: no room. */
const OUTSIDE = ['node_modules', 'out', 'data', 'fixtures', '.git'];

const isTest = (path: string): boolean => /\.(test|integration)\.ts$/.test(path);

/** Rule 1: who may touch the outside world's time, chance and environment. */
const CLOCK_FILES = /^(.*\/(clock|random|main)\.ts|(scripts|bench|checks)\/.*)$/;
const AMBIENT =
  /\b(Date\.now|new Date\(\)|performance\.now|setTimeout|setInterval|AbortSignal\.timeout|Math\.random|process\.env)\b/;

function ambientTime(sources: Sources): string[] {
  return eachLine(sources, (path, code) =>
    !isTest(path) && !CLOCK_FILES.test(path) ? AMBIENT.exec(code)?.[0] : undefined,
  );
}

/** Rule 2: every file has a room; imports run down, between rooms and floors; no cycles. */
function homeless(sources: Sources): string[] {
  const rooms = new Set(ROOMS.flat());
  return [...sources.keys()].filter((path) => !rooms.has(dirname(path)));
}

function imports(path: string, text: string): string[] {
  return ts
    .preProcessFile(text, true, true)
    .importedFiles.map((each) => each.fileName)
    .filter((name) => name.startsWith('.') && name.endsWith('.ts'))
    .map((name) => join(dirname(path), name));
}

function importDirection(sources: Sources): string[] {
  const rowOf = new Map(ROOMS.flatMap((row, index) => row.map((room) => [room, index] as const)));
  const complaints: string[] = [];
  for (const [path, text] of sources) {
    if (isTest(path) || STUBS.has(path)) continue;
    const from = dirname(path);
    for (const target of imports(path, text)) {
      const to = dirname(target);
      if (from !== to && (rowOf.get(to) ?? -1) <= (rowOf.get(from) ?? -1)) complaints.push(`${path} imports ${target}`);
    }
  }
  return complaints;
}

/** Rule 2 as well: what tests share is no part of what runs. */
function testsOnly(sources: Sources): string[] {
  return [...sources].flatMap(([path, text]) =>
    isTest(path) || /^(testing|checks|scripts)\//.test(path)
      ? []
      : imports(path, text)
          .filter((target) => target.startsWith('testing/'))
          .map((target) => `${path} imports ${target}`),
  );
}

function importCycles(sources: Sources): string[] {
  const state = new Map<string, 'open' | 'done'>();
  const complaints: string[] = [];
  const visit = (path: string, trail: readonly string[]): void => {
    if (state.get(path) === 'done') return;
    if (state.get(path) === 'open') {
      complaints.push([...trail.slice(trail.indexOf(path)), path].join(' → '));
      return;
    }
    state.set(path, 'open');
    for (const target of imports(path, sources.get(path) ?? '')) visit(target, [...trail, path]);
    state.set(path, 'done');
  };
  for (const path of sources.keys()) visit(path, []);
  return complaints;
}

/** Rule 3: telemetry's names live in one file. */
const TELEMETRY_NAME =
  /['"`](retake\.[a-z_.]+|retake_[a-z_]+|gen_ai\.[a-z_.]+|session\.id|http\.request\.[a-z_.]+|network\.p[a-z_.]+)['"`]/;

function strayNames(sources: Sources): string[] {
  return eachLine(sources, (path, code) =>
    !isTest(path) && path !== 'service/telemetry/names.ts' ? TELEMETRY_NAME.exec(code)?.[1] : undefined,
  );
}

/** Rule 4: a channel is made with a limit that has a name; nothing queues on bare event emitters. */
function unlimitedQueues(sources: Sources): string[] {
  return eachLine(sources, (path, code) => {
    if (isTest(path) || path === 'service/base/streams.ts') return undefined;
    const channel = /createChannel(?:<[^(]*>)?\((\w*)/.exec(code);
    if (channel !== null && (channel[1] === '' || channel[1] === 'Infinity')) return 'createChannel without a limit';
    return /new EventEmitter\(/.exec(code)?.[0];
  });
}

/** Rule 4 as well: a wait of the service's ends when its owner says so. */
function endlessWaits(sources: Sources): string[] {
  return eachLine(sources, (path, code) =>
    path.startsWith('service/') && !isTest(path) && /\.sleep\([^,()]*(?:\([^()]*\)[^,()]*)*\)/.test(code)
      ? 'sleep without a signal'
      : undefined,
  );
}

/** Rule 5: a number that is a time or a size says its unit, last. */
const UNITLESS =
  /\b(\w*(?:[lL]atency|[dD]uration|[tT]imeout|[dD]elay|[eE]lapsed|[tT]tft|[tT]tfb|Interval))\??: number\b/;

function missingUnits(sources: Sources): string[] {
  return eachLine(sources, (path, code) => (isTest(path) ? undefined : UNITLESS.exec(code)?.[1]));
}

/** Rule 6: no `any`, no non-null `!`, no `as` but `as const`; files that read foreign data may narrow it with `as`. */
const PARSERS = new Set([
  'checks/integration/made-traces.ts',
  'service/strategy/patch.ts',
  'service/net/fetch.ts',
  'service/http/client.ts',
  'replay/arms/worker-protocol.ts',
  'replay/run/journal.ts',
  'sim/times/profile.ts',
  'sim/wire/servers.ts',
]);

function looseTypes(sources: Sources): string[] {
  const complaints: string[] = [];
  for (const [path, text] of sources) {
    if (isTest(path)) continue;
    const file = ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true);
    const report = (node: ts.Node, what: string): void => {
      complaints.push(`${path}:${file.getLineAndCharacterOfPosition(node.getStart()).line + 1} ${what}`);
    };
    const visit = (node: ts.Node): void => {
      if (node.kind === ts.SyntaxKind.AnyKeyword) report(node, 'any');
      if (ts.isNonNullExpression(node)) report(node, 'non-null !');
      if (ts.isAsExpression(node) && node.type.getText() !== 'const' && !PARSERS.has(path)) report(node, 'as');
      ts.forEachChild(node, visit);
    };
    visit(file);
  }
  return complaints;
}

/** Rule 6 as well: a switch says what is left; over a union that is `unreachable`, whose argument is `never`. */
function openSwitches(sources: Sources): string[] {
  const complaints: string[] = [];
  for (const [path, text] of sources) {
    if (isTest(path) || !text.includes('switch (')) continue;
    const visit = (node: ts.Node): void => {
      if (ts.isSwitchStatement(node) && !node.caseBlock.clauses.some(ts.isDefaultClause))
        complaints.push(`${path}: a switch without a default`);
      ts.forEachChild(node, visit);
    };
    visit(ts.createSourceFile(path, text, ts.ScriptTarget.Latest));
  }
  return complaints;
}

/** Rule 7: a file over its limit is two things, and so is a room. The list is a ratchet: a line here is a decision. */
const LINE_LIMIT = 250;
const ROOM_LIMIT = 20;
const LINE_LIMITS: Readonly<Record<string, number>> = {
  'service/base/ports.ts': 320, // the words of the project and every interface: read as one page
  'service/telemetry/names.ts': 450, // every name is a row
  'checks/list.ts': 300, // every slow check is a row
};

/** Rooms with more sources than a reader takes in at once, tests aside. */
function fullRooms(sources: Sources): string[] {
  const counts = new Map<string, number>();
  for (const path of sources.keys()) if (!isTest(path)) counts.set(dirname(path), (counts.get(dirname(path)) ?? 0) + 1);
  return [...counts]
    .filter(([, count]) => count > ROOM_LIMIT)
    .map(([room, count]) => `${room} has ${count} sources, limit ${ROOM_LIMIT}`);
}

function longFiles(sources: Sources): string[] {
  return [...sources].flatMap(([path, text]) => {
    const lines = text.split('\n').length - 1;
    const limit = LINE_LIMITS[path] ?? (isTest(path) ? 500 : LINE_LIMIT);
    return lines > limit ? [`${path} has ${lines} lines, limit ${limit}`] : [];
  });
}

/** Rule 8: a strategy leads to a file where the operator wrote it, and nowhere else. */
const OPERATORS_DOORS: ReadonlySet<string> = new Set([
  'service/strategy/file.ts',
  'replay/variants/variants.ts',
  'service/strategy/set.ts',
]);

function promptReaders(sources: Sources): string[] {
  return [...sources].flatMap(([path, text]) =>
    isTest(path) || OPERATORS_DOORS.has(path)
      ? []
      : imports(path, text).flatMap((target) =>
          target === 'service/strategy/prompt-file.ts' ? [`${path} imports ${target}`] : [],
        ),
  );
}

/** Rule 8 as well: a file that somebody names is read by `service/base/input-file.ts`: regular, of a bounded size. */
const FILE_READERS: ReadonlySet<string> = new Set([
  'service/base/input-file.ts',
  'replay/traces/otlp.ts', // a line at a time, once it is known to be regular
  // written, not read
  'service/capture/store.ts',
  'replay/run/journal.ts',
  'cli/sessions/pull.ts',
  // the data folder's own, listed as regular files
  'service/calls/speech-cache.ts',
  'service/spool/segments.ts', // appended to
  // of this repository or a checkout of it
  'cli/serve/doctor-probes.ts',
  'replay/arms/checkout.ts',
  'replay/report/html-page.ts',
  'replay/run/trust.ts',
  'replay/variants/variants.ts',
  'sim/world/fixtures.ts',
]);
const FILE_READING = /^import .*\b(readFile|readFileSync|createReadStream|open|openSync|openAsBlob)\b.* from 'node:fs/;

function fileReaders(sources: Sources): string[] {
  return [...sources].flatMap(([path, text]) => {
    if (isTest(path) || FILE_READERS.has(path) || !/^(service|sim|replay|cli)\//.test(path)) return [];
    const found = withoutComments(text)
      .replaceAll(/\{[^}]*\}/g, (names) => names.replaceAll('\n', ' '))
      .split('\n')
      .map((line) => FILE_READING.exec(line)?.[1]);
    return found.flatMap((name) => (name === undefined ? [] : [`${path} reads files by ${name}`]));
  });
}

/** Rule 9: a name says one thing. Two exported functions of one name are a copy, or two meanings. */
function twiceNamed(sources: Sources): string[] {
  const owners = new Map<string, string>();
  const complaints: string[] = [];
  for (const [path, text] of sources) {
    if (isTest(path)) continue;
    for (const name of exportedFunctions(ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true))) {
      const owner = owners.get(name) ?? path;
      owners.set(name, owner);
      if (owner !== path) complaints.push(`${name} is exported by ${owner} and by ${path}`);
    }
  }
  return complaints;
}

function exportedFunctions(file: ts.SourceFile): string[] {
  const isFunction = (node: ts.Node | undefined): boolean =>
    node !== undefined && (ts.isArrowFunction(node) || ts.isFunctionExpression(node));
  return file.statements.flatMap((each) => {
    if (!ts.canHaveModifiers(each) || !each.modifiers?.some(({ kind }) => kind === ts.SyntaxKind.ExportKeyword))
      return [];
    if (ts.isFunctionDeclaration(each)) return each.name?.text ?? [];
    const variables = ts.isVariableStatement(each) ? each.declarationList.declarations : [];
    return variables.filter(({ initializer }) => isFunction(initializer)).map(({ name }) => name.getText());
  });
}

function eachLine(sources: Sources, check: (path: string, code: string) => string | undefined): string[] {
  const complaints: string[] = [];
  for (const [path, text] of sources) {
    for (const [index, line] of withoutComments(text).split('\n').entries()) {
      const found = check(path, line);
      if (found !== undefined) complaints.push(`${path}:${index + 1} ${found}`);
    }
  }
  return complaints;
}

function withoutComments(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\//g, (comment) => comment.replace(/[^\n]/g, '')).replace(/(^|\s)\/\/.*$/gm, '');
}

function repository(): Sources {
  const paths = globSync('**/*.{ts,mjs,js}', { exclude: (name) => OUTSIDE.includes(name) }).sort();
  return new Map(paths.map((path) => [path.replaceAll('\\', '/'), readFileSync(path, 'utf8')]));
}

/** Rule 2 as well: ARCHITECTURE.md has a row for each room, and for no other. */
function undescribed(architecture: string): string[] {
  const described = [...architecture.matchAll(/^\| `([\w/-]+)` \| \S/gm)].map(([, room = '']) => room);
  const rooms = ROOMS.flat().filter((room) => room !== '.');
  return [
    ...rooms.filter((room) => !described.includes(room)).map((room) => `${room} has no sentence`),
    ...described.filter((room) => !rooms.includes(room)).map((room) => `${room} is no room`),
  ];
}

test('rule 2 every room has a sentence in ARCHITECTURE.md; a missing and a strange one are caught', () => {
  const page = readFileSync('ARCHITECTURE.md', 'utf8');
  assert.deepEqual(undescribed(page), []);
  assert.deepEqual(undescribed(`${page.replace(/^\| `service\/base`.*$/m, '')}\n| \`attic\` | Old things. |\n`), [
    'service/base has no sentence',
    'attic is no room',
  ]);
});

const RULES: readonly [name: string, rule: (sources: Sources) => string[], broken: Readonly<Record<string, string>>][] =
  [
    ['1 one clock, passed in', ambientTime, { 'service/x.ts': 'const now = Date.now();' }],
    ['2 every file has a room', homeless, { 'service/attic/x.ts': '' }],
    [
      '2 imports run down between floors',
      importDirection,
      { 'service/x.ts': "import { y } from '../sim/world/y.ts';" },
    ],
    ['2 imports run down between rooms', importDirection, { 'service/base/x.ts': "import '../turn/y.ts';" }],
    ['2 peers stay apart', importDirection, { 'service/net/x.ts': "import '../audio/y.ts';" }],
    ['2 what runs imports no testing', testsOnly, { 'replay/x.ts': "import '../testing/y.ts';" }],
    ['2 no cycles', importCycles, { 'sim/a.ts': "import './b.ts';", 'sim/b.ts': "import './a.ts';" }],
    ['3 names come from the registry', strayNames, { 'service/x.ts': "span.set('retake.lane', lane);" }],
    ['3 metrics too', strayNames, { 'service/x.ts': "counter('retake_turns_total');" }],
    ['4 every queue has a limit', unlimitedQueues, { 'service/x.ts': 'const pieces = createChannel<Piece>();' }],
    ['4 every wait can be cancelled', endlessWaits, { 'service/x.ts': 'await clock.sleep(limitMs(2));' }],
    ['5 units last in names', missingUnits, { 'service/x.ts': 'interface X { latency: number }' }],
    ['6 no any', looseTypes, { 'service/x.ts': 'let x: any;' }],
    ['6 no non-null !', looseTypes, { 'service/x.ts': 'x!.y();' }],
    ['6 no as', looseTypes, { 'service/x.ts': 'const x = y as string;' }],
    ['6 every switch ends', openSwitches, { 'service/x.ts': "switch (x) { case 'a': y(); }" }],
    [
      '8 prompt files are for the operator',
      promptReaders,
      { 'service/serve.ts': "import { operatorPatch } from './strategy/prompt-file.ts';" },
    ],
    ['8 files are read in one place', fileReaders, { 'sim/x.ts': "import {\n  readFileSync,\n} from 'node:fs';" }],
    [
      '7 rooms keep their size',
      fullRooms,
      Object.fromEntries(Array.from({ length: 21 }, (_, index) => [`sim/times/f${index}.ts`, ''])),
    ],
    ['7 files keep their size', longFiles, { 'service/x.ts': 'x\n'.repeat(251) }],
    [
      '9 one name, one function',
      twiceNamed,
      { 'sim/x.ts': 'export function x(): void {}', 'service/x.ts': 'export const x = () => 1;' },
    ],
  ];

for (const [name, rule, broken] of RULES) {
  test(`rule ${name}`, () => {
    assert.deepEqual(rule(repository()), []);
  });
  test(`rule ${name}: the broken case is caught`, () => {
    assert.notDeepEqual(rule(new Map(Object.entries(broken))), []);
  });
}

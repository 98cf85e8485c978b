/** The GitHub Action against a local server that speaks the API calls it uses, as GitHub does. */
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, beforeEach, test, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { publish, type Env } from './publish.ts';
import { VERDICTS, verdictExitCode, type Verdict } from '../../replay/diff/verdict.ts';
import { EVERYTHING } from '../../testing/hostile-texts.ts';
import { FASTER, reportOf, SLOWER } from '../../testing/sample-report.ts';

const TOKEN = 'ghs_secret';
const REPOSITORY = 'acme/voice';

interface Comment {
  id: number;
  body: string;
  user: { login: string };
  html_url: string;
}

/** `lost`: what was asked for is done, and the connection ends before the answer. `text`: a page that is no JSON. */
type Trouble = { status: number; headers?: Record<string, string> } | 'lost' | 'text';

/** GitHub, as far as one comment needs it: pages of 100, a body limit, a token that may not write, trouble on request. */
const github = {
  comments: new Map<number, Comment[]>(),
  requests: [] as string[],
  /** When each request came. */
  atMs: [] as number[],
  /** Answers of the next requests, before GitHub does what was asked. */
  trouble: [] as Trouble[],
  /** Called at every request. */
  before: (): void => undefined,
  mayWrite: true,
  nextId: 1,
};

function answer(request: IncomingMessage, response: ServerResponse, text: string): void {
  const url = new URL(request.url ?? '', 'http://github');
  github.before();
  github.requests.push(`${request.method} ${url.pathname}${url.search}`);
  github.atMs.push(performance.now());
  const trouble = github.trouble.shift();
  const send = (status: number, json: unknown, headers: Record<string, string> = {}): void => {
    if (trouble === 'lost') return void response.destroy();
    response.writeHead(status, { 'content-type': 'application/json', ...headers });
    response.end(JSON.stringify(json));
  };
  if (trouble === 'text') return void response.writeHead(200, { 'content-type': 'text/html' }).end('<p>Welcome</p>');
  if (typeof trouble === 'object') return send(trouble.status, { message: 'trouble' }, trouble.headers);
  if (request.headers.authorization !== `token ${TOKEN}`) return send(401, { message: 'Bad credentials' });
  const [, list] = /^(?:\/api\/v3)?\/repos\/acme\/voice\/issues\/(\d+)\/comments$/.exec(url.pathname) ?? [];
  const [, one] = /^\/repos\/acme\/voice\/issues\/comments\/(\d+)$/.exec(url.pathname) ?? [];
  if (request.method === 'GET' && list !== undefined) {
    const [size, page] = ['per_page', 'page'].map((name) => Number(url.searchParams.get(name) ?? 1));
    const all = github.comments.get(Number(list)) ?? [];
    const next =
      page! * size! < all.length ? `<${apiUrl}${url.pathname}?per_page=${size}&page=${page! + 1}>; rel="next"` : '';
    return send(200, all.slice((page! - 1) * size!, page! * size!), next === '' ? {} : { link: next });
  }
  if (!github.mayWrite) return send(403, { message: 'Resource not accessible by integration' });
  const { body } = JSON.parse(text || '{"body":""}') as { body: string };
  if (body.length > 65_536) return send(422, { message: 'Body is too long (maximum is 65536 characters)' });
  if (request.method === 'POST' && list !== undefined) {
    const id = github.nextId++;
    const made = { id, body, user: { login: 'github-actions[bot]' }, html_url: `https://github/c/${id}` };
    github.comments.set(Number(list), [...(github.comments.get(Number(list)) ?? []), made]);
    return send(201, made);
  }
  const found = [...github.comments.values()].flat().find(({ id }) => id === Number(one));
  if (request.method !== 'PATCH' || found === undefined) return send(404, { message: 'Not Found' });
  found.body = body;
  return send(200, found);
}

const server = createServer((request, response) => {
  let text = '';
  request.on('data', (chunk: Buffer) => (text += chunk.toString('utf8')));
  request.on('end', () => answer(request, response, text));
});
let apiUrl = '';

before(async () => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  apiUrl = `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`;
});
after(() => server.close());
beforeEach(() => {
  Object.assign(github, {
    comments: new Map(),
    requests: [],
    atMs: [],
    trouble: [],
    before: () => undefined,
    mayWrite: true,
    nextId: 1,
  });
});

const folder = mkdtempSync(join(tmpdir(), 'retake-action-'));
let files = 0;

function runFolder(report: object): string {
  const path = mkdtempSync(join(folder, 'run-'));
  writeFileSync(join(path, 'report.json'), JSON.stringify(report));
  return path;
}

function environment(report: object, more: Env = {}): Env & { GITHUB_STEP_SUMMARY: string; GITHUB_OUTPUT: string } {
  const file = (text: string): string => {
    const path = join(folder, `file-${files++}`);
    writeFileSync(path, text);
    return path;
  };
  return {
    INPUT_RUN_FOLDER: runFolder(report),
    INPUT_TOKEN: TOKEN,
    GITHUB_API_URL: apiUrl,
    GITHUB_REPOSITORY: REPOSITORY,
    GITHUB_RUN_NUMBER: '7',
    GITHUB_RUN_ATTEMPT: '1',
    GITHUB_EVENT_PATH: file(JSON.stringify({ pull_request: { number: 12 } })),
    GITHUB_STEP_SUMMARY: file(''),
    GITHUB_OUTPUT: file(''),
    ...more,
  };
}

/** Stands for a second in the pauses between requests that are repeated. */
const SECOND_MS = 25;

async function run(env: Env): Promise<{ code: number; log: string }> {
  const lines: string[] = [];
  const code = await publish({ env, log: (line) => lines.push(line), secondMs: SECOND_MS });
  const log = lines.join('\n');
  assert.ok(!log.includes(TOKEN));
  return { code, log };
}

const bodies = (): string[] => (github.comments.get(12) ?? []).map(({ body }) => body);
const slower = reportOf(SLOWER);
const faster = reportOf(FASTER);
const inconclusive = { ...faster, verdict: 'inconclusive', exitCode: 3 };

test('one comment is created, then updated in place; the summary and the outputs say the same', async () => {
  const first = environment(slower);
  assert.deepEqual((await run(first)).code, 1);
  assert.equal(bodies().length, 1);
  assert.match(bodies()[0]!, /^### ✗ slower: [\s\S]*<!-- retake-report -->\n<!-- retake-report run 7\.1 -->\n$/);
  assert.match(readFileSync(first.GITHUB_STEP_SUMMARY, 'utf8'), /^### ✗ slower/);
  assert.match(readFileSync(first.GITHUB_OUTPUT, 'utf8'), /^verdict=slower\nexit-code=1\nrun-folder=.+\n$/);
  const { code, log } = await run(environment(faster, { GITHUB_RUN_NUMBER: '8' }));
  assert.deepEqual([code, log], [0, 'comment updated: https://github/c/1\nretake: faster']);
  assert.equal(bodies().length, 1);
  assert.match(bodies()[0]!, /^### ✓ faster/);
});

test('an older run, and an older attempt of the same run, overwrite nothing', async () => {
  await run(environment(faster, { GITHUB_RUN_NUMBER: '9', GITHUB_RUN_ATTEMPT: '2' }));
  for (const [number, attempt] of [
    ['8', '5'],
    ['9', '1'],
  ] as const) {
    const { log, code } = await run(environment(slower, { GITHUB_RUN_NUMBER: number, GITHUB_RUN_ATTEMPT: attempt }));
    assert.match(log, /no comment: run 9\.2 has already reported, and is newer/);
    assert.equal(code, 1, 'the exit status is this run’s own');
    assert.match(bodies()[0]!, /^### ✓ faster/);
  }
  await run(environment(slower, { GITHUB_RUN_NUMBER: '10' }));
  assert.match(bodies()[0]!, /^### ✗ slower/, 'control: a newer one does');
});

/** The job's exit status of each verdict word, by what `fail-on` names. */
const EXITS: Readonly<Record<Verdict, Readonly<Record<'never' | 'slower' | 'inconclusive', number>>>> = {
  worse: { never: 0, slower: 1, inconclusive: 1 },
  slower: { never: 0, slower: 1, inconclusive: 1 },
  inconclusive: { never: 0, slower: 0, inconclusive: 3 },
  'predicted higher': { never: 0, slower: 0, inconclusive: 3 },
  'predicted lower': { never: 0, slower: 0, inconclusive: 3 },
  'predicted same': { never: 0, slower: 0, inconclusive: 3 },
  'higher (observational)': { never: 0, slower: 0, inconclusive: 3 },
  'lower (observational)': { never: 0, slower: 0, inconclusive: 3 },
  same: { never: 0, slower: 0, inconclusive: 0 },
  faster: { never: 0, slower: 0, inconclusive: 0 },
};
for (const verdict of VERDICTS)
  test(`${verdict} exits ${JSON.stringify(EXITS[verdict])} by fail-on`, async () => {
    const report = { ...faster, verdict, exitCode: verdictExitCode(verdict) };
    for (const [failOn, code] of [...Object.entries(EXITS[verdict]), ['', EXITS[verdict].slower] as const]) {
      const env = environment(report, { INPUT_FAIL_ON: failOn, INPUT_COMMENT: 'false' });
      assert.equal((await run(env)).code, code, failOn);
      assert.ok(
        readFileSync(env.GITHUB_OUTPUT, 'utf8').startsWith(`verdict=${verdict}
`),
      );
    }
    assert.deepEqual(github.requests, []);
  });

test('from a fork the token may not write: a warning, the summary, and the verdict’s exit status', async () => {
  github.mayWrite = false;
  const env = environment(slower);
  const { code, log } = await run(env);
  assert.match(log, /::warning::no comment: the token may not write \(403 Resource not accessible/);
  assert.equal(code, 1);
  assert.match(readFileSync(env.GITHUB_STEP_SUMMARY, 'utf8'), /^### ✗ slower/);
});

test('without a token or a pull request there is no comment and no request', async () => {
  for (const more of [{ INPUT_TOKEN: '' }, { GITHUB_EVENT_PATH: '' }, { GITHUB_REPOSITORY: '../x' }]) {
    assert.match((await run(environment(faster, more))).log, /::notice::no comment: /);
  }
  assert.deepEqual(github.requests, []);
  await run(environment(faster, { GITHUB_EVENT_PATH: '', INPUT_PULL_REQUEST: '12' }));
  assert.equal(bodies().length, 1, 'control: a number given as input');
});

test('our comment is found on any page, and nobody else’s is touched', async () => {
  const other = (id: number, body: string, login = 'mallory'): Comment => ({ id, body, user: { login }, html_url: '' });
  const forged = other(1, 'mine\n<!-- retake-report run 99.1 -->');
  const quoted = other(2, '> <!-- retake-report run 99.1 -->\n\nlook at this', 'github-actions[bot]');
  const many = Array.from({ length: 230 }, (_, index) => other(100 + index, 'text'));
  github.comments.set(12, [forged, quoted, ...many]);
  github.nextId = 1000;
  await run(environment(faster));
  assert.equal(bodies().length, 233);
  await run(environment(slower, { GITHUB_RUN_NUMBER: '8' }));
  assert.equal(bodies().length, 233, 'updated, on the third page');
  assert.match(bodies()[232]!, /^### ✗ slower/);
  assert.deepEqual([bodies()[0], bodies()[1]], [forged.body, quoted.body]);
  await run(environment(faster, { INPUT_MARKER: 'retake-nightly' }));
  assert.equal(bodies().length, 234, 'another marker, another comment');
});

test('GITHUB_API_URL names a GitHub Enterprise server, whose API is below a path', async () => {
  await run(environment(faster, { GITHUB_API_URL: `${apiUrl}/api/v3/` }));
  assert.equal(bodies().length, 1);
  assert.deepEqual(
    github.requests.filter((each) => !each.includes(' /api/v3/repos/acme/voice/issues/12/comments')),
    [],
  );
});

test('trouble on GitHub’s side is waited out, as long as GitHub says', async () => {
  github.trouble = [{ status: 502 }, { status: 429, headers: { 'retry-after': '3' } }];
  const { log } = await run(environment(faster));
  assert.match(log, /comment created/);
  const pausesS = github.atMs.slice(1).map((atMs, index) => (atMs - (github.atMs[index] ?? 0)) / SECOND_MS);
  assert.ok(pausesS[0]! >= 0.9 && pausesS[1]! >= 2.9, pausesS.join());
  assert.deepEqual(
    github.requests.map((each) => each.split(' ')[0]),
    ['GET', 'GET', 'GET', 'POST'],
    'control: what is answered is not asked again',
  );
  github.trouble = Array.from({ length: 10 }, () => ({ status: 503 }));
  const failed = await run(environment(faster, { GITHUB_RUN_NUMBER: '8' }));
  assert.match(failed.log, /::warning::no comment: GitHub answered GET .* with 503: trouble/);
  assert.equal(failed.code, 0, 'a comment that could not be written fails nothing');
});

test('a rate limit pauses a create as well; a refusal without a pause is no reason to come back', async () => {
  const limited = { status: 403, headers: { 'retry-after': '1' } };
  github.comments.set(12, []);
  github.trouble = [limited];
  assert.match((await run(environment(faster))).log, /comment created/);
  github.trouble = [{ status: 403 }];
  github.requests = [];
  assert.match((await run(environment(faster, { GITHUB_RUN_NUMBER: '8' }))).log, /may not write \(403 trouble\)/);
  assert.equal(github.requests.length, 1);
});

test('a create whose answer is lost is looked for before it is made again: one comment', async () => {
  const list = { status: 502 };
  for (const [what, trouble, words] of [
    ['carried out', 'lost', 'updated'],
    ['not carried out', list, 'created'],
  ] as const) {
    github.comments.clear();
    github.requests = [];
    // the list is answered, then the create is not
    const answered = { requests: 0 };
    github.before = () => {
      if (answered.requests++ === 1) github.trouble = [trouble];
    };
    const { log } = await run(environment(faster));
    assert.match(log, new RegExp(`comment ${words}`), what);
    assert.equal(bodies().length, 1, what);
    assert.equal(github.requests.filter((each) => each.startsWith('POST')).length, words === 'updated' ? 1 : 2);
  }
});

test('another server than GitHub fails nothing, and neither does a missing one', async () => {
  github.trouble = ['text'];
  const { log, code } = await run(environment(slower));
  assert.match(log, /::warning::no comment: the answer of GitHub cannot be read: /);
  assert.equal(code, 1);
  const gone = await run(environment(faster, { GITHUB_API_URL: 'http://127.0.0.1:9' }));
  assert.match(gone.log, /::warning::no comment: GitHub does not answer: .*ECONNREFUSED|bad port/);
});

test('hostile text reaches GitHub as text, and no workflow command can be smuggled into the log', async () => {
  const { log } = await run(environment({ ...faster, reasons: [`${EVERYTHING}\n::error::owned`] }));
  assert.ok(!/^::error/m.test(log));
  assert.ok(!bodies()[0]!.includes('<img'));
});

test('comment, summary and page hold no words unless these are asked for', async () => {
  const [first] = faster.turns;
  const texts = [
    { traceId: first?.traceId, turnIndex: first?.turnIndex, transcript: 'secretword', reply: 'secretword' },
  ];
  for (const [asked, shown] of [
    ['', false],
    ['false', false],
    ['true', true],
  ] as const) {
    github.comments.clear();
    const env = environment({ ...faster, texts }, { INPUT_WITH_TEXT: asked });
    await run(env);
    const page = readFileSync(join(env['INPUT_RUN_FOLDER'] ?? '', 'report.html'), 'utf8');
    for (const text of [bodies()[0], readFileSync(env.GITHUB_STEP_SUMMARY, 'utf8'), page])
      assert.equal(text?.includes('secretword'), shown, `with-text "${asked}"`);
  }
});

test('of several candidates the exit status is of all, and the comment names the others', async () => {
  const many = async (first: object, ...others: object[]): Promise<number> => {
    const env = environment(first, { INPUT_FAIL_ON: 'inconclusive' });
    for (const [index, report] of others.entries())
      writeFileSync(join(env['INPUT_RUN_FOLDER'] ?? '', `report-v${index}.json`), JSON.stringify(report));
    return (await run(env)).code;
  };
  assert.equal(await many(faster, inconclusive, slower), 1, 'an inconclusive one does not hide a slower one');
  assert.match(bodies()[0]!, /one of 3 candidates, and the exit status is of all: .* inconclusive, .* slower/);
  assert.equal(await many(faster, inconclusive), 3);
  assert.equal(await many(faster, faster), 0);
  assert.equal(await many(faster), 0);
  assert.ok(!bodies()[0]!.includes('candidates, and'), 'control: one candidate');
});

const BROKEN: readonly [env: Env, message: RegExp][] = [
  [{ INPUT_FAIL_ON: 'often' }, /fail-on often: give one of never, slower, inconclusive/],
  [{ INPUT_MARKER: '--> x' }, /marker --> x: use letters/],
  [{ INPUT_RUN_FOLDER: '' }, /run-folder is empty/],
  [{ INPUT_RUN_FOLDER: '/nowhere' }, /\/nowhere\/report\.json: cannot be read/],
];
for (const [env, message] of BROKEN) {
  test(`${JSON.stringify(env)} is one clear error`, () =>
    assert.rejects(run(environment(faster, env)), (error) => message.test(String(error))));
}

test('the entry exits by the verdict, and by 2 on bad input', () => {
  const entry = (env: Env): { status: number | null; stdout: string } =>
    spawnSync(process.execPath, ['cli/action/main.ts'], { env: { ...process.env, ...env }, encoding: 'utf8' });
  const quiet = { INPUT_COMMENT: 'false' };
  const good = entry(environment(slower, quiet));
  assert.deepEqual([good.status, good.stdout], [1, 'retake: slower\n']);
  const bad = entry(environment(slower, { ...quiet, INPUT_RUN_FOLDER: '/nowhere' }));
  assert.equal(bad.status, 2);
  assert.match(bad.stdout, /^::error::\/nowhere\/report\.json: cannot be read/);
});

/** Paths of this repository that a text starts and that are not there. */
const absent = (text: string): string[] =>
  [...text.matchAll(/\b(?:cli|scripts)\/[\w./-]+/g)].map(([path]) => path).filter((path) => !existsSync(path));

test('every file that the action starts is there; control: one that moved away is found', () => {
  for (const file of ['action.yml', 'cli/action/replay.sh']) {
    const text = readFileSync(file, 'utf8');
    assert.match(text, /\b(cli|scripts)\/\w/, file);
    assert.deepEqual(absent(text), [], file);
  }
  assert.deepEqual(absent('run: node "$ACTION_PATH/scripts/action.ts"'), ['scripts/action.ts']);
});

/** Runs replay.sh in a caller's repository; gives the words that the action's own node got, a line a call. */
function replayWords(t: TestContext, files: readonly string[], env: Env): { calls: string[]; stdout: string } {
  const at = (...names: string[]): string => join(caller, ...names);
  const caller = mkdtempSync(join(folder, 'caller-'));
  const action = mkdtempSync(join(folder, 'action-'));
  for (const file of files) {
    mkdirSync(dirname(at(file)), { recursive: true });
    writeFileSync(at(file), 'process.exit(99);');
  }
  const git = (...words: string[]): string => execFileSync('git', words, { cwd: caller, encoding: 'utf8' }).trim();
  git('init', '--quiet', '--initial-branch', 'theirs');
  git('-c', 'user.name=a', '-c', 'user.email=a@b', 'commit', '--quiet', '--allow-empty', '-m', 'x');
  const bin = join(action, 'node_modules/.bin');
  mkdirSync(bin, { recursive: true });
  writeFileSync(join(bin, 'node'), `#!/bin/sh\necho "$@" >> "${action}/calls"\n`, { mode: 0o755 });
  const script = fileURLToPath(new URL('replay.sh', import.meta.url));
  const inherited = { PATH: process.env['PATH'], ACTION_PATH: action };
  const { status, stdout, stderr } = spawnSync('bash', [script, 'out/action'], {
    cwd: caller,
    env: { ...inherited, DATA: 'captures', ...env },
    encoding: 'utf8',
  });
  assert.equal(status, 0, stderr);
  t.after(() => [caller, action].forEach((each) => rmSync(each, { recursive: true })));
  const calls = readFileSync(join(action, 'calls'), 'utf8').trim().split('\n');
  return { calls: calls.map((call) => call.replaceAll(action, 'ACTION').replaceAll(caller, 'CALLER')), stdout };
}

test('in another repository the action runs its own code, and takes commits from the caller', (t) => {
  const [other, retake] = [['cli/main.ts'], ['cli/main.ts', 'replay/worker.ts']];
  const run = 'ACTION/cli/main.ts replay --data captures --world sim -o out/action';
  const plain = replayWords(t, other, { BASE_BRANCH: 'theirs', ARGS: '--variant\nclause-chunking' });
  assert.deepEqual(plain.calls, [`${run} --variant clause-chunking`]);
  assert.match(plain.stdout, /^::notice::this repository holds no code of Retake/);
  assert.deepEqual(replayWords(t, retake, { BASE_BRANCH: 'theirs' }).calls, [
    `${run} --repository CALLER --baseline-ref theirs`,
  ]);
  // refused by `retake replay`, which says what to do
  assert.deepEqual(replayWords(t, other, { BASELINE_REF: 'theirs' }).calls, [
    `${run} --repository CALLER --baseline-ref theirs`,
  ]);
});

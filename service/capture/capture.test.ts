import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { hash } from 'node:crypto';
import { sampleIdentity } from '../../testing/sample-turn.ts';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { flatProfile } from '../../testing/flat-profile.ts';
import { createSimWorld } from '../../sim/world/world.ts';
import { createMemoryCache } from '../calls/speech-cache.ts';
import { OPENING } from '../turn/greeting.ts';
import { createRecorder } from '../turn-log/recorder.ts';
import { EVENT_KINDS, type EventKind, type TurnIdentity, type TurnLog } from '../base/events.ts';
import { observeTurn } from '../turn/observe.ts';
import { DEFAULT_STRATEGY } from '../strategy/strategy.ts';
import { resolveStrategy } from '../strategy/patch.ts';
import { readBundle, readSessionHeader, bareTurns } from './bundle-reader.ts';
import { createBundleWriter, type BundleWriter } from './bundle-writer.ts';
import { FORMAT, type SessionHeader } from './format.ts';
import { projectTurns } from './projection.ts';
import { createFolderStore, filesIn, type CaptureStore } from './store.ts';

const CANARY = 'kanarya yemi 4711';
const identity = (turnIndex: number): TurnIdentity =>
  sampleIdentity({ sessionId: 's-1', turnIndex, traceId: String(turnIndex + 1).padStart(32, '0') });

function header(level: 'full' | 'timing' = 'full'): SessionHeader {
  return {
    format: FORMAT,
    exporter: 'retake@test',
    level,
    sessionId: 's-1',
    startedEpochUs: 1_767_225_600_000_000,
    world: 'sim',
    commit: 'unknown',
    language: 'tr',
    systemPromptChars: 0,
    historyChars: [],
    strategy: DEFAULT_STRATEGY,
    endpoints: {},
    referenceDetector: { name: 'd', version: 1, thresholdDbfs: -48 },
  };
}

/** Writes `turns` small turns with text and audio; returns the folder. */
async function write(turns: number, level: 'full' | 'timing' = 'full'): Promise<string> {
  const root = mkdtempSync(join(tmpdir(), 'retake-capture-'));
  const writer = createBundleWriter(createFolderStore(root), header(level));
  for (let turnIndex = 0; turnIndex < turns; turnIndex++) writeTurn(writer, turnIndex);
  await writer.flushed();
  return join(root, '2026', '01', '01', 's-1');
}

function writeTurn(writer: BundleWriter, turnIndex: number): void {
  const sink = writer.opened(identity(turnIndex), 'audio', 1_000_000);
  let nowUs = 0;
  const clock = { nowUs: () => (nowUs += 10) };
  const recorder = createRecorder(clock, [sink], assert.ifError);
  const start = recorder.record({ kind: 'speech.start', stage: 'endpointing' });
  const text = `Merhaba, ${CANARY}. Tamam`;
  recorder.record({ kind: 'stt.done', stage: 'stt', cause: start, attrs: { chars: text.length }, content: { text } });
  const audio = Uint8Array.from([1, 2, 3, 4, turnIndex, 0]);
  recorder.record({
    kind: 'speech.audio',
    stage: 'endpointing',
    cause: start,
    attrs: { sampleRateHz: 16_000, frameAtUs: [10], frameSamples: [3], speechProbability: [0.5] },
    content: { audio, sampleRateHz: 16_000, recorded: Uint8Array.from([0x1a, 0x45, turnIndex]) },
  });
  const log: TurnLog = { identity: identity(turnIndex), zero: 'audio', anchorUs: 1_000_000, events: recorder.events };
  writer.closed(log, '{"resourceSpans":[]}\n');
}

test('what was written is read back, event for event, content included', async () => {
  const folder = await write(2);
  const { session, turns, problems } = await readBundle(filesIn(folder));
  assert.deepEqual(problems, []);
  assert.equal(session.sessionId, 's-1');
  assert.equal(turns.length, 2);
  assert.deepEqual(
    turns[1]?.events.map(({ kind }) => kind),
    ['speech.start', 'stt.done', 'speech.audio'],
  );
  assert.equal(turns[0]?.events[1]?.content?.text, `Merhaba, ${CANARY}. Tamam`);
  assert.deepEqual([...(turns[1]?.events[2]?.content?.audio ?? [])], [1, 2, 3, 4, 1, 0]);
  assert.deepEqual([...(turns[1]?.events[2]?.content?.recorded ?? [])], [0x1a, 0x45, 1]);
  assert.equal(readFileSync(join(folder, 'trace.otlp.jsonl'), 'utf8').split('\n').length, 3);
  assert.equal(statSync(join(folder, 'events.jsonl')).mode & 0o777, 0o600);
});

test('a bundle with every kind of event there is can be read back', async () => {
  const log: TurnLog = {
    identity: identity(0),
    zero: 'opening',
    anchorUs: 1_000_000,
    events: EVENT_KINDS.map((kind, id) => ({ id, kind, stage: 'deliver', atUs: id })),
  };
  const store = createFolderStore(mkdtempSync(join(tmpdir(), 'retake-capture-')));
  const writer = createBundleWriter(store, header());
  const sink = writer.opened(log.identity, log.zero, log.anchorUs);
  for (const event of log.events) sink(event);
  writer.closed(log, '{}\n');
  await writer.flushed();
  const { turns, problems } = await readBundle(await store.find('s-1'));
  assert.deepEqual(problems, []);
  assert.deepEqual(turns, [log]);
});

test('a session opened with a greeting, its speech cached before, is read back as it was', async () => {
  const store = createFolderStore(mkdtempSync(join(tmpdir(), 'retake-capture-')));
  const speechCache = createMemoryCache(() => 0);
  const strategy = resolveStrategy([{ cache: { greeting: true } }], 'test');
  for (const sessionId of ['s-0', 's-1']) {
    const bundle = createBundleWriter(store, { ...header(), sessionId });
    const world = createSimWorld({ profile: flatProfile({ tts: 400 }), seed: 'greeting', speechCache });
    const { log } = await world.clock.run(() =>
      observeTurn(
        world.ports(strategy, sessionId, 0),
        {
          identity: { ...identity(0), sessionId },
          strategy,
          conversation: { systemPrompt: '', history: [] },
          language: 'tr',
          audio: OPENING,
          greeting: 'Merhaba, hoş geldiniz.',
          reply: { audio: async () => undefined },
          sinks: [],
          onSinkError: assert.ifError,
        },
        [projectTurns({ bundle })],
      ),
    );
    await bundle.flushed();
    const { turns, problems } = await readBundle(await store.find(sessionId));
    assert.deepEqual(problems, []);
    assert.deepEqual(turns[0]?.events, log.events);
    const kinds: readonly string[] = log.events.map(({ kind }) => kind);
    for (const kind of ['session.opened', 'cache.looked', 'bet.settled']) assert.ok(kinds.includes(kind), kind);
  }
});

/** Opens a turn by hand, so that two can be open at once. */
function begin(writer: BundleWriter, turnIndex: number) {
  const sink = writer.opened(identity(turnIndex), 'audio', 1_000_000);
  const recorder = createRecorder({ nowUs: () => 10 }, [sink], assert.ifError);
  const cause = recorder.record({ kind: 'speech.start', stage: 'endpointing' });
  const add = (kind: EventKind, audio?: Uint8Array): number =>
    recorder.record({
      ...{ kind, stage: 'llm', cause, attrs: { bet: 'hedge' } },
      ...(audio === undefined ? {} : { content: { audio } }),
    });
  const log = { identity: identity(turnIndex), zero: 'audio' as const, anchorUs: 1_000_000, events: recorder.events };
  return { add, close: () => writer.closed(log, '{"resourceSpans":[]}\n') };
}

test('a turn that is closed while the next one runs, with what came after its end, is read back', async () => {
  const root = mkdtempSync(join(tmpdir(), 'retake-capture-'));
  const writer = createBundleWriter(createFolderStore(root), header());
  const first = begin(writer, 0);
  first.add('bet.settled');
  const second = begin(writer, 1);
  second.add('cache.looked');
  first.add('llm.record');
  first.close();
  second.add('prefetch.done');
  second.close();
  await writer.flushed();
  const { turns, problems } = await readBundle(filesIn(join(root, '2026', '01', '01', 's-1')));
  assert.deepEqual(problems, []);
  assert.deepEqual(
    turns.map(({ events }) => events.map(({ kind }) => kind)),
    [
      ['speech.start', 'bet.settled', 'llm.record'],
      ['speech.start', 'cache.looked', 'prefetch.done'],
    ],
  );
});

test('audio that is hashed in pieces is named by the hash of the whole, and stands before the line that names it', async () => {
  const root = mkdtempSync(join(tmpdir(), 'retake-capture-'));
  const writer = createBundleWriter(createFolderStore(root), header());
  const turn = begin(writer, 0);
  const audio = new Uint8Array(9_000_000).fill(7);
  turn.add('speech.audio', audio);
  turn.add('cache.looked');
  turn.close();
  const folder = join(root, '2026', '01', '01', 's-1');
  await writer.flushed();
  const { turns, problems } = await readBundle(filesIn(folder));
  assert.deepEqual(problems, []);
  const [event] = turns[0]?.events.filter(({ content }) => content?.audio !== undefined) ?? [];
  assert.equal(Buffer.compare(event?.content?.audio ?? new Uint8Array(), audio), 0);
  assert.ok(existsSync(join(folder, 'audio', `${hash('sha256', audio)}.pcm`)));
});

test('level timing keeps lengths and break offsets, no text and no audio anywhere', async () => {
  const files = (folder: string): string =>
    readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => readFileSync(join(entry.parentPath, entry.name), 'utf8'))
      .join('\n');
  const timing = await write(1, 'timing');
  assert.ok(!files(timing).includes('kanarya'));
  assert.deepEqual(readdirSync(join(timing, 'audio')), []);
  const { turns } = await readBundle(filesIn(timing));
  assert.deepEqual(turns[0]?.events[1]?.attrs, { chars: 33, textChars: 33, breaks: [8, 27] });
  // control: at level full the canary is there to be found
  assert.ok(files(await write(1, 'full')).includes('kanarya'));
});

test('a torn last line is reported and skipped; the finished turns stay', async () => {
  const folder = await write(3);
  const path = join(folder, 'events.jsonl');
  truncateSync(path, statSync(path).size - 7);
  const { turns, problems } = await readBundle(filesIn(folder));
  assert.equal(turns.length, 2);
  assert.match(problems.join('\n'), /events\.jsonl:15: the last line is torn: skipped/);
  assert.match(problems.join('\n'), /turn 2 was not finished: skipped/);
});

test('cut at any byte, every turn that was whole before the cut is read', async () => {
  const folder = await write(2);
  const whole = readFileSync(join(folder, 'events.jsonl'));
  const firstEnd = whole.indexOf('"line":"end"');
  const firstLineEnd = whole.indexOf('\n', firstEnd) + 1;
  for (let length = whole.length; length > 0; length -= 97) {
    writeFileSync(join(folder, 'events.jsonl'), whole.subarray(0, length));
    const { turns } = await readBundle(filesIn(folder));
    assert.equal(turns.length, length >= whole.length ? 2 : length >= firstLineEnd ? 1 : 0);
  }
});

const BROKEN: readonly [what: string, text: string, message: RegExp][] = [
  [
    'a newer format',
    JSON.stringify({ ...header(), format: 2 }),
    /session\.json: format 2 is newer than this Retake reads \(up to 1\)/,
  ],
  ['no format', '{}', /no format number/],
  ['torn JSON', '{"format":', /session\.json: not JSON/],
  ['a missing field', JSON.stringify({ ...header(), language: undefined }), /must have required property 'language'/],
  [
    'a field of a wrong type',
    JSON.stringify({ ...header(), startedEpochUs: 'x' }),
    /field startedEpochUs must be integer/,
  ],
];
for (const [what, text, message] of BROKEN) {
  test(`session.json with ${what} is one clear error`, async () => {
    const folder = await write(1);
    writeFileSync(join(folder, 'session.json'), text);
    await assert.rejects(readSessionHeader(filesIn(folder)), message);
  });
}

const BAD_LINES: readonly [what: string, line: string, problem: RegExp][] = [
  ['is no JSON', '{"line":"ev', /events\.jsonl:4: not JSON; torn or edited: skipped/],
  ['has a wrong field', '{"line":"event","turn":0,"event":{"id":-1}}', /events\.jsonl:4: field .*: skipped/],
  [
    'has a kind of event that there is not',
    '{"line":"event","turn":0,"event":{"id":2,"kind":"no.such","stage":"stt","atUs":1}}',
    /events\.jsonl:4: there is no event kind "no\.such": skipped/,
  ],
];
for (const [what, bad, problem] of BAD_LINES) {
  test(`a line in the middle that ${what} costs its turn, which is reported, and no other`, async () => {
    const folder = await write(2);
    const path = join(folder, 'events.jsonl');
    const lines = readFileSync(path, 'utf8').split('\n');
    writeFileSync(path, lines.toSpliced(3, 1, bad).join('\n'));
    const { turns, problems } = await readBundle(filesIn(folder));
    assert.deepEqual(
      turns.map(({ identity: { turnIndex } }) => turnIndex),
      [1],
    );
    assert.equal(problems.length, 2, problems.join('\n'));
    assert.match(problems[0] ?? '', problem);
    assert.match(problems[1] ?? '', /events\.jsonl:5: turn 0 has 2 of 3 events: skipped/);
  });
}

test('a turn whose first line is lost is reported once', async () => {
  const folder = await write(2);
  const path = join(folder, 'events.jsonl');
  writeFileSync(path, readFileSync(path, 'utf8').split('\n').toSpliced(0, 1).join('\n'));
  const { turns, problems } = await readBundle(filesIn(folder));
  assert.equal(turns.length, 1);
  assert.deepEqual(
    problems.map((problem) => problem.replace(/^.*events/, 'events')),
    ['events.jsonl:1: turn 0 was never opened: skipped'],
  );
});

/** Writes three turns, each flushed, to a folder whose disk fails as `faulty` makes it. */
async function writeThree(faulty: (store: CaptureStore) => CaptureStore) {
  const store = createFolderStore(mkdtempSync(join(tmpdir(), 'retake-capture-')));
  const writer = createBundleWriter(faulty(store), header());
  const failures: string[] = [];
  for (const turnIndex of [0, 1, 2]) {
    writeTurn(writer, turnIndex);
    await writer.flushed().catch((error: unknown) => failures.push(`${turnIndex} ${String(error)}`));
  }
  const files = await store.find('s-1');
  const { turns, problems } = await readBundle(files);
  const trace = Buffer.from((await files.read('trace.otlp.jsonl')) ?? []).toString();
  return { turns: turns.map(({ identity: { turnIndex } }) => turnIndex), problems, failures, trace };
}

test('a folder that cannot be made once costs the turns until it can', async () => {
  let creates = 0;
  const { turns, problems, failures, trace } = await writeThree((store) => ({
    ...store,
    create: (...args) => (creates++ === 0 ? Promise.reject(new Error('disk full')) : store.create(...args)),
  }));
  assert.deepEqual([turns, failures, creates], [[1, 2], ['0 Error: disk full'], 2]);
  assert.match(problems.join(), /^[^,]*events\.jsonl: turn 0 is missing: never captured, or deleted$/);
  assert.equal(trace.split('\n').length, 3);
  // control: a store that works keeps all
  assert.deepEqual((await writeThree((store) => store)).turns, [0, 1, 2]);
});

test('a torn append between two turns keeps both, and the torn turn is reported', async () => {
  let appends = 0;
  const { turns, problems, failures, trace } = await writeThree((store) => ({
    ...store,
    async create(...args) {
      const files = await store.create(...args);
      return {
        ...files,
        async append(name, text, durable) {
          if (name !== 'events.jsonl' || appends++ !== 1) return files.append(name, text, durable);
          await files.append(name, text.slice(0, text.lastIndexOf('"speech.audio"')), durable);
          throw new Error('disk full');
        },
      };
    },
  }));
  assert.deepEqual([turns, failures], [[0, 2], ['1 Error: disk full']]);
  assert.equal(problems.length, 2, problems.join('\n'));
  assert.match(problems[0] ?? '', /events\.jsonl:9: not JSON; torn or edited: skipped/);
  assert.match(problems[1] ?? '', /turn 1 was not finished: skipped/);
  assert.equal(trace.split('\n').length, 3, 'the torn turn has no spans either');
});

test('a turn that a full disk lost takes no line of the next one with it, which began before its end', async () => {
  const store = createFolderStore(mkdtempSync(join(tmpdir(), 'retake-capture-')));
  let creates = 0;
  const writer = createBundleWriter(
    {
      ...store,
      create: (...args) => (creates++ === 0 ? Promise.reject(new Error('disk full')) : store.create(...args)),
    },
    header(),
  );
  const lost = begin(writer, 0);
  lost.add('speech.audio', Uint8Array.of(1, 2));
  await assert.rejects(writer.flushed(), /disk full/);
  const next = begin(writer, 1);
  lost.close();
  next.add('bet.settled');
  next.close();
  await writer.flushed();
  const { turns, problems } = await readBundle(await store.find('s-1'));
  assert.deepEqual([turns.map(({ events }) => events.length), problems.length], [[2], 1]);
  assert.match(problems.join(), /turn 0 is missing/);
});

test('a cut audio file is reported, and the turn keeps its times', async () => {
  const folder = await write(1);
  const audio = readdirSync(join(folder, 'audio')).find((name) => name.endsWith('.pcm')) ?? '';
  truncateSync(join(folder, 'audio', audio), 2);
  const { turns, problems } = await readBundle(filesIn(folder));
  assert.equal(turns.length, 1);
  assert.match(problems[0] ?? '', /has 2 of 6 bytes/);
});

test('ids that could leave the folder are refused; erasing leaves nothing', async () => {
  const folder = await write(1);
  const store = createFolderStore(join(folder, '../../../..'));
  for (const id of ['../x', '..', 'a/b', '', 'x'.repeat(200)])
    await assert.rejects(store.find(id), /cannot be used; an id has letters/);
  assert.deepEqual(await store.list(), ['s-1']);
  assert.equal(await store.erase('s-1'), true);
  assert.equal(await store.erase('s-1'), false);
  await assert.rejects(store.find('s-1'), /there is no captured session s-1/);
});

test('one turn is read without the others and without audio; control: the whole bundle has both', async () => {
  const folder = await write(5);
  const opened: string[] = [];
  const files = filesIn(folder);
  const watched = { ...files, read: (name: string) => (opened.push(name), files.read(name)) };
  const read: number[] = [];
  for await (const log of bareTurns(watched, { from: 3, to: 4 })) {
    read.push(log.identity.turnIndex);
    assert.deepEqual(
      log.events.map(({ kind }) => kind),
      ['speech.start', 'stt.done', 'speech.audio'],
    );
    assert.ok(log.events.every(({ content }) => content?.audio === undefined && content?.recorded === undefined));
  }
  assert.deepEqual([read, opened], [[3], []]);
  const { turns } = await readBundle(watched);
  assert.deepEqual([turns.length, opened.length], [5, 11], 'session.json, and two files a turn');
  for await (const log of bareTurns(files, { from: 9, to: 10 })) assert.fail(String(log.identity.turnIndex));
});

test('a line that another program wrote belongs to its turn, in whatever order its fields stand', async () => {
  const folder = await write(3);
  const path = join(folder, 'events.jsonl');
  const swapped = readFileSync(path, 'utf8').replaceAll(/^\{"line":("\w+"),"turn":(\d)/gm, '{"turn": $2, "line": $1');
  writeFileSync(path, swapped);
  const read: number[] = [];
  for await (const { identity } of bareTurns(filesIn(folder), { from: 1, to: 2 })) read.push(identity.turnIndex);
  assert.deepEqual(read, [1]);
});

test('a session is found by one look a day; a folder elsewhere, a file or a link is none', async () => {
  const root = mkdtempSync(join(tmpdir(), 'retake-capture-'));
  const day = (name: string): string => join(root, '2026', '01', name);
  for (const id of ['a', 'b', 'c']) mkdirSync(join(day('02'), id), { recursive: true });
  mkdirSync(join(day('09'), 'a'), { recursive: true });
  mkdirSync(join(root, '2026', 'x', '03', 'hidden'), { recursive: true });
  writeFileSync(join(day('02'), 'file'), '');
  symlinkSync(join(day('02'), 'b'), join(day('09'), 'link'));
  const store = createFolderStore(root);
  assert.equal((await store.find('a')).where, join(day('09'), 'a'), 'the newest');
  assert.equal((await store.find('b')).where, join(day('02'), 'b'));
  for (const id of ['hidden', 'file', 'link', '02'])
    await assert.rejects(store.find(id), /there is no captured session/);
  assert.deepEqual(await store.list(), ['a', 'b', 'c', 'a']);
  assert.equal(await store.erase('a'), true);
  assert.deepEqual(await store.list(), ['b', 'c']);
});

test('a folder that is deleted while the session is open is made again: the next turns are there, the first ones are told missing', async () => {
  const root = mkdtempSync(join(tmpdir(), 'retake-capture-'));
  const store = createFolderStore(root);
  const told: string[] = [];
  const writer = createBundleWriter(store, header(), (what) => void told.push(what));
  writeTurn(writer, 0);
  writeTurn(writer, 1);
  const running = begin(writer, 2);
  running.add('speech.audio', Uint8Array.of(1, 2));
  await writer.flushed();
  assert.equal(await store.erase('s-1'), true);
  running.add('bet.settled');
  running.close(); // its beginning is gone
  for (const turnIndex of [3, 4]) writeTurn(writer, turnIndex);
  await writer.flushed();
  const files = await store.find('s-1');
  const { turns, problems } = await readBundle(files);
  assert.deepEqual(
    turns.map(({ identity: { turnIndex } }) => turnIndex),
    [3, 4],
  );
  assert.equal(turns[0]?.events[2]?.content?.audio?.length, 6, 'audio and all');
  assert.match(problems.join(), /^[^,]*events\.jsonl: turns 0 to 2 are missing: never captured, or deleted$/);
  assert.deepEqual(told, ['the capture of session s-1 was deleted while the session is open; it begins again']);
  assert.equal(
    Buffer.from((await files.read('trace.otlp.jsonl')) ?? [])
      .toString()
      .split('\n').length,
    3,
  );
});

test('a pipe where the events go costs the turn, at once', async () => {
  const root = mkdtempSync(join(tmpdir(), 'retake-capture-'));
  const writer = createBundleWriter(createFolderStore(root), header());
  const folder = join(root, '2026', '01', '01', 's-1');
  mkdirSync(folder, { recursive: true });
  execFileSync('mkfifo', [join(folder, 'events.jsonl')]);
  writeTurn(writer, 0);
  await assert.rejects(writer.flushed(), { code: 'ENXIO' });
});

/** A bundle may come from anybody: what it names, and what lies in its place, leads to nothing else on this machine. */
import assert from 'node:assert/strict';
import {
  cpSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { makeOddFiles } from '../../testing/odd-files.ts';
import { promptOf } from '../strategy/prompt-text.ts';
import { resolveStrategy } from '../strategy/patch.ts';
import { readBundle, readSessionHeader } from './bundle-reader.ts';
import { parseHeader, type SessionHeader } from './format.ts';
import { redactHeader } from './redact.ts';
import { createFolderStore, filesIn } from './store.ts';

const FULL = fileURLToPath(new URL('../../fixtures/sessions/format-1/8a06638042f98f48e9ce', import.meta.url));
const HEADER = JSON.parse(readFileSync(join(FULL, 'session.json'), 'utf8')) as SessionHeader;

/** A copy of a committed bundle, with room for odd files beside it. */
function copyOf(t: TestContext): { bundle: string; beside: string } {
  const beside = mkdtempSync(join(tmpdir(), 'retake-foreign-'));
  t.after(() => rmSync(beside, { recursive: true, force: true }));
  const bundle = join(beside, 'bundle');
  cpSync(FULL, bundle, { recursive: true });
  return { bundle, beside };
}

for (const [name, limit] of [
  ['session.json', 'a file about sessions has at most 64,000,000'],
  ['events.jsonl', 'a log or a report has at most 500,000,000'],
] as const) {
  test(`${name} that is a pipe, a device, a link, a folder or too large is refused at once`, async (t) => {
    const { bundle, beside } = copyOf(t);
    const odd = makeOddFiles(join(beside, 'odd'));
    symlinkSync(join(FULL, name), join(beside, 'to-its-like'));
    const cases: [path: string, says: string][] = [
      [odd.pipe, 'is a pipe; only regular files are read'],
      [odd.link, 'is a symbolic link; only regular files are read'],
      [join(beside, 'to-its-like'), 'is a symbolic link; only regular files are read'],
      [odd.folder, 'EISDIR: is a folder'],
      [odd.sparse, `has 5,368,709,120 bytes; ${limit}`],
    ];
    for (const [path, says] of cases) {
      rmSync(join(bundle, name), { recursive: true });
      renameSync(path, join(bundle, name));
      const message = `${join(bundle, name)}: cannot be read (${says})`;
      await assert.rejects(readBundle(filesIn(bundle)), { name: 'InputError', message });
    }
  });
}

test('audio that is a link to a file elsewhere is left out and reported, alone or as a whole folder; control: it is read', async (t) => {
  const { bundle, beside } = copyOf(t);
  const audioOf = async (): Promise<{ audio: number; problems: readonly string[] }> => {
    const { turns, problems } = await readBundle(filesIn(bundle));
    const audio = turns.flatMap(({ events }) => events).filter(({ content }) => content?.audio !== undefined).length;
    return { audio, problems };
  };
  const whole = await audioOf();
  assert.ok(whole.audio > 1 && whole.problems.length === 0);
  const [first = ''] = readdirSync(join(bundle, 'audio'));
  renameSync(join(bundle, 'audio', first), join(beside, first));
  symlinkSync(join(beside, first), join(bundle, 'audio', first));
  const linked = await audioOf();
  assert.equal(linked.audio, whole.audio - 1);
  assert.match(
    linked.problems.join('\n'),
    new RegExp(`${first}: cannot be read \\(is a symbolic link.*: the audio is left out$`),
  );
  rmSync(join(bundle, 'audio', first));
  renameSync(join(beside, first), join(bundle, 'audio', first));
  renameSync(join(bundle, 'audio'), join(beside, 'audio'));
  symlinkSync(join(beside, 'audio'), join(bundle, 'audio'));
  assert.equal((await audioOf()).audio, 0);
});

test('hashes and ids that would be paths are refused by the schema', async (t) => {
  const { bundle } = copyOf(t);
  const events = join(bundle, 'events.jsonl');
  writeFileSync(
    events,
    readFileSync(events, 'utf8').replace(/"audioSha256":"[^"]+"/, '"audioSha256":"../../../etc/passwd"'),
  );
  const { turns, problems } = await readBundle(filesIn(bundle));
  assert.deepEqual(
    [turns.length, problems.filter((problem) => /audioSha256 must match pattern/.test(problem)).length],
    [0, 1],
  );
  for (const sessionId of ['../x', 'a/b', 'a..b', '/etc', '', '.'.repeat(3), 'x'.repeat(129)]) {
    assert.throws(() => parseHeader({ ...HEADER, sessionId }, 'here'), /field sessionId must match pattern/);
    await assert.rejects(
      createFolderStore(bundle).find(sessionId),
      /session id ".*" cannot be used; an id has letters, digits/,
    );
  }
  parseHeader({ ...HEADER, sessionId: 'a.b_c-D9' }, 'here');
});

const SHA256 = '3'.repeat(64);
test('a bundle of an earlier Retake that names a prompt file still reads: the path is gone, the digest is there', async (t) => {
  const { bundle } = copyOf(t);
  const strategy = { ...HEADER.strategy, llm: { systemPrompt: { file: '/proc/self/environ', sha256: SHA256 } } };
  writeFileSync(join(bundle, 'session.json'), JSON.stringify({ ...HEADER, strategy }));
  const read = (await readSessionHeader(filesIn(bundle))).strategy;
  assert.deepEqual(read['llm'], { systemPrompt: { sha256: SHA256 } });
  assert.ok(!JSON.stringify(read).includes('environ'));
  assert.deepEqual(resolveStrategy([read], 'here').llm.systemPrompt, { sha256: SHA256 });
});

test('level full keeps the text of a prompt, level timing its digest and length alone', () => {
  const text = 'You interview herons.\n';
  const strategy = resolveStrategy([{ llm: { systemPrompt: { text } }, stt: { prompt: 'walrus' } }], 'test');
  const kept = (level: 'full' | 'timing'): string =>
    JSON.stringify(redactHeader({ ...HEADER, level, strategy }).strategy);
  assert.ok(kept('full').includes('herons') && kept('full').includes('walrus'));
  assert.ok(!kept('timing').includes('herons') && !kept('timing').includes('walrus'));
  const { sha256, chars } = promptOf(text);
  const timing = resolveStrategy([JSON.parse(kept('timing'))], 'here');
  assert.deepEqual(timing.llm.systemPrompt, { sha256, chars });
  assert.equal(chars, 21);
});

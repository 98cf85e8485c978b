/** The command line as it is documented: what README and docs write behind `retake` is there. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { globSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
/** Commands that have commands of their own, and which of those stands for none. */
const GROUPS: Readonly<Record<string, string>> = { sessions: 'list', spool: 'resend', cache: 'purge' };

/** `retake profile --bench DIR` is `profile` with `--bench`. */
function documented(text: string): Map<string, Set<string>> {
  const found = new Map<string, Set<string>>();
  for (const [, first = '', rest = ''] of text.matchAll(/\bretake ([a-z]+)([^`|\n]*)/g)) {
    const own = GROUPS[first];
    const command = own === undefined ? first : `${first} ${/^ ([a-z]+)/.exec(rest)?.[1] ?? own}`;
    const options = [...rest.matchAll(/ (--[a-z][a-z-]*)/g)].map(([, option = '']) => option);
    found.set(command, new Set([...(found.get(command) ?? []), ...options]));
  }
  return found;
}

/** Commands and options that the command line does not have. */
async function missing(text: string): Promise<string[]> {
  const each = [...documented(text)].map(async ([command, options]) => {
    const args = [`${ROOT}cli/main.ts`, ...command.split(' '), '--help'];
    const { stdout } = await promisify(execFile)(process.execPath, args).catch(() => ({ stdout: '' }));
    if (!stdout.startsWith(`Usage: retake ${command}`)) return [command];
    return [...options]
      .filter((option) => !new RegExp(`${option}(?![a-z-])`).test(stdout))
      .map((option) => `${command} ${option}`);
  });
  return (await Promise.all(each)).flat();
}

test('commands and options that README and docs name are there; control: others are found', async () => {
  const pages = ['README.md', ...globSync('docs/**/*.md', { cwd: ROOT })];
  const texts = pages.map((page) => readFileSync(`${ROOT}${page}`, 'utf8')).join('\n');
  assert.ok((documented(texts).get('profile')?.size ?? 0) > 1 && documented(texts).size > 10);
  assert.deepEqual(await missing(texts), []);
  assert.deepEqual(
    await missing('`retake replay --rank --bench DIR`, `retake sessions --data DIR`, `retake nothing`'),
    ['replay --bench', 'nothing'],
  );
});

test('what the file system refuses is one line with call and path, exit 2; control: an empty folder holds no sessions', async () => {
  const run = promisify(execFile);
  const main = `${ROOT}cli/main.ts`;
  const file = `${ROOT}README.md`;
  await assert.rejects(run(process.execPath, [main, 'sessions', 'list', '--data', file]), (error) => {
    const { code, stderr } = error as unknown as { code: number; stderr: string };
    assert.equal(code, 2);
    assert.match(stderr, /^retake: ENOTDIR: not a directory, scandir '.*README\.md\/[^\n]*\n$/);
    return true;
  });
  const { stdout } = await run(process.execPath, [main, 'sessions', 'list', '--data', `${ROOT}no-such-folder`]);
  assert.match(stdout, /no captured sessions yet/);
});

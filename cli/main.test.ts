/** The command line as it is documented: what README and docs write behind `retake` is there. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { globSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
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

test('a data folder that there is not is one line, exit 2; control: an empty one holds no sessions', async () => {
  const run = (data: string) =>
    promisify(execFile)(process.execPath, [`${ROOT}cli/main.ts`, 'sessions', '--data', data]);
  await assert.rejects(run(`${ROOT}no-such-folder`), (error) => {
    const { code, stderr } = error as unknown as { code: number; stderr: string };
    assert.equal(code, 2);
    assert.match(stderr, /^retake: --data .*no-such-folder: there is no such folder; name [^\n]*\n$/);
    return true;
  });
  const empty = mkdtempSync(join(tmpdir(), 'retake-empty-'));
  const { stdout } = await run(empty);
  rmSync(empty, { recursive: true });
  assert.match(stdout, /no captured sessions yet/);
});

/** The command line as it is documented: what README and docs write behind `retake` is there. */
import assert from 'node:assert/strict';
import { globSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { Command } from 'commander';
import { contextFor } from '../testing/command-context.ts';
import { createProgram } from './program.ts';
import { runCommand } from './run-command.ts';

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
function missing(text: string): string[] {
  return [...documented(text)].flatMap(([words, options]) => {
    const command = words
      .split(' ')
      .reduce<Command | undefined>(
        (found, word) => found?.commands.find((each) => each.name() === word),
        createProgram(contextFor({})),
      );
    if (command === undefined) return [words];
    const known = [...command.options.map(({ long }) => long), '--help'];
    return [...options].filter((option) => !known.includes(option)).map((option) => `${words} ${option}`);
  });
}

test('commands and options that README and docs name are there; control: others are found', () => {
  const pages = ['README.md', ...globSync('docs/**/*.md', { cwd: ROOT })];
  const texts = pages.map((page) => readFileSync(`${ROOT}${page}`, 'utf8')).join('\n');
  assert.ok((documented(texts).get('profile')?.size ?? 0) > 1 && documented(texts).size > 10);
  assert.deepEqual(missing(texts), []);
  assert.deepEqual(missing('`retake replay --rank --bench DIR`, `retake sessions --data DIR`, `retake nothing`'), [
    'replay --bench',
    'nothing',
  ]);
});

test('a data folder that there is not is one line, exit 2; control: an empty one holds no sessions', async () => {
  const run = async (data: string): Promise<{ code: number; said: string[] }> => {
    const said: string[] = [];
    const tell = (text: string): void => void said.push(text);
    const code = await runCommand(['sessions', '--data', data], contextFor({ out: tell, problem: tell }));
    return { code, said };
  };
  const { code, said } = await run(`${ROOT}no-such-folder`);
  assert.equal(code, 2);
  assert.equal(said.length, 1);
  assert.match(said[0] ?? '', /^retake: --data .*no-such-folder: there is no such folder; name [^\n]*$/);
  const empty = mkdtempSync(join(tmpdir(), 'retake-empty-'));
  const { code: none, said: saidOfNone } = await run(empty);
  rmSync(empty, { recursive: true });
  assert.equal(none, 0);
  assert.match(saidOfNone.join('\n'), /no captured sessions yet/);
});

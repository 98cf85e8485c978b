/** The command line as commander knows it: what a word may be, which options exclude each other, and what `--help` costs. */
import assert from 'node:assert/strict';
import { execFile, spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { CommanderError, type Command } from 'commander';
import { contextFor } from '../testing/command-context.ts';
import { createProgram } from './program.ts';
import { runCommand } from './run-command.ts';

const MAIN = fileURLToPath(new URL('main.ts', import.meta.url));

function commandsOf(command: Command, path: readonly string[] = []): { path: readonly string[]; command: Command }[] {
  return [{ path, command }, ...command.commands.flatMap((each) => commandsOf(each, [...path, each.name()]))];
}

/** How commander refuses these words; their command must not run. */
async function refusal(...words: string[]): Promise<string> {
  const error = await createProgram(contextFor({}))
    .parseAsync(words, { from: 'user' })
    .then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
  assert.ok(error instanceof CommanderError, `${words.join(' ')}: ${String(error)}`);
  return error.message;
}

test('an option that takes one of a list refuses any other word, and its help shows the list', async () => {
  const limited: string[] = [];
  for (const { path, command } of commandsOf(createProgram(contextFor({})))) {
    const given = command.registeredArguments.filter(({ required }) => required).map(() => 'x');
    for (const { long, argChoices } of command.options) {
      if (argChoices === undefined) continue;
      limited.push([...path, long].join(' '));
      const message = await refusal(...path, ...given, long ?? '', 'mars');
      assert.match(message, /argument 'mars' is invalid\. Allowed choices are /);
      const help = command.helpInformation().replace(/\s+/g, ' ');
      for (const choice of argChoices) {
        assert.ok(message.includes(choice), message);
        assert.ok(help.includes(`"${choice}"`), `${long} ${choice}`);
      }
    }
  }
  assert.deepEqual(limited, [
    'doctor --world',
    ...['choose', 'world', 'draws', 'pace', 'words'].map((name) => `replay --${name}`),
    'diff --format',
    'report --format',
    'bench --world',
  ]);
  assert.match(await refusal('bench', 'stt', 'mars'), /'mars' is invalid.*stt, llm, tts, e2e, parallel, all/);
});

const EXCLUSIVE: readonly (readonly [words: string, message: RegExp])[] = [
  ['replay --rank --set tts.speed=1.1', /'--rank' cannot be used with option '--set <knob=value>'/],
  ['replay --rank --gate', /'--rank' cannot be used with option '--gate'/],
  ['replay --rank --until-decided', /'--rank' cannot be used with option '--until-decided'/],
  ['replay --max-sessions 8 --sample 9', /'--max-sessions <n>' cannot be used with option '--sample <n>'/],
  ['replay --json', /--json goes with --rank/],
  ['profile --bench out/bench --data data', /'--bench <dir>' cannot be used with option '--data <dir>'/],
  ['diff a b --json --format html', /'--json' cannot be used with option '--format <format>'/],
  ['send x.wav --push --upload', /'--push' cannot be used with option '--upload'/],
  ['replay --runs 0', /Give a whole number from 1/],
  ['replay --budget-usd -1', /Give a number from 0, such as 0\.5/],
];
for (const [words, message] of EXCLUSIVE)
  test(`retake ${words} is refused`, async () => assert.match(await refusal(...words.split(' ')), message));

test('wrong words are one line and exit code 2', async () => {
  for (const words of ['replay --world mars', 'replay --wrld sim', 'bench mars', 'nothing']) {
    const said: string[] = [];
    const heard = { out: () => assert.fail(words), problem: (text: string) => void said.push(text) };
    assert.equal(await runCommand(words.split(' '), contextFor(heard)), 2, words);
    assert.equal(said.length, 1, words);
    assert.match(said[0] ?? '', /^retake: [^\n]+\(add --help for usage\)$/, words);
  }
});

test('the process exits with the code of its command, which stands on the error stream', () => {
  const { status, stderr, stdout } = spawnSync(process.execPath, [MAIN, 'nothing'], { encoding: 'utf8' });
  assert.deepEqual([status, stdout], [2, '']);
  assert.match(stderr, /^retake: [^\n]+\(add --help for usage\)\n$/);
});

test('every help fits 80 columns, but for addresses', () => {
  for (const { path, command } of commandsOf(createProgram(contextFor({}))))
    for (const line of command.helpInformation().split('\n'))
      assert.ok(line.length <= 80 || /https?:/.test(line), `${path.join(' ')}: ${line}`);
});

test('help loads no command: commander alone of all packages; control: a command loads more', async () => {
  const tell = `import { registerHooks } from 'node:module';
    registerHooks({ load(url, context, next) {
      const name = /node_modules\\/((?:@[^/]+\\/)?[^/]+)/.exec(url)?.[1];
      if (name !== undefined) process.stderr.write('loads ' + name + '\\n');
      return next(url, context);
    } });`;
  const loaded = async (...words: string[]): Promise<string[]> => {
    const hook = `data:text/javascript,${encodeURIComponent(tell)}`;
    const { stderr } = await promisify(execFile)(process.execPath, ['--import', hook, MAIN, ...words]);
    return [...new Set([...stderr.matchAll(/^loads (.*)$/gm)].map(([, name = '']) => name))];
  };
  assert.deepEqual(await loaded('--help'), ['commander']);
  assert.deepEqual(await loaded('replay', '--help'), ['commander']);
  assert.ok((await loaded('variants')).length > 1, 'control');
});

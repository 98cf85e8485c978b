/**
 * The last step of the GitHub Action: turns a run folder into a comment, a step summary and an exit status. The log uses GitHub's
 * workflow commands (`::warning::`). The exit status comes from the verdicts of all candidates alone: a comment that cannot be
 * written, as from a fork, fails nothing.
 */
import { appendFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describeError, InputError } from '../../service/base/errors.ts';
import { verdictExitCode, verdictOfAll } from '../../replay/diff/verdict.ts';
import { upsertComment, type CommentTarget } from './github.ts';
import { readInputJson } from '../../service/base/input-file.ts';
import { fieldOf } from '../../service/base/json.ts';
import { readReport } from '../../replay/report/json.ts';
import type { Report } from '../../replay/report/build.ts';
import { markdownReport } from '../../replay/report/markdown.ts';
import { plain } from '../../replay/report/words.ts';
import { readRun, reportNames, writePages } from '../../replay/report/run-report.ts';

export type Env = Readonly<Record<string, string | undefined>>;

export interface ActionContext {
  env: Env;
  /** Writes a line to the job's log. GitHub reads workflow commands there. */
  log(line: string): void;
  /** Length of a second in the pauses before GitHub is asked again. Tests shorten it. */
  secondMs?: number;
}

/** What `fail-on` names, and the exit codes of verdicts that then fail the job. */
const FAIL_ON: Readonly<Record<string, readonly number[]>> = {
  never: [],
  slower: [1],
  inconclusive: [1, 3],
};

/** GitHub refuses step summaries beyond 1 MiB; a comment's limit is far below. */
export async function publish({ env, log, secondMs }: ActionContext): Promise<number> {
  const input = (name: string): string => (env[`INPUT_${name}`] ?? '').trim();
  const failOn = FAIL_ON[input('FAIL_ON') || 'slower'];
  if (failOn === undefined)
    throw new InputError(`fail-on ${plain(input('FAIL_ON'))}: give one of ${Object.keys(FAIL_ON).join(', ')}`);
  const marker = input('MARKER') || 'retake-report';
  if (!/^[\w-]+$/.test(marker)) throw new InputError(`marker ${plain(marker)}: use letters, digits, - and _ only`);
  const folder = input('RUN_FOLDER');
  if (folder === '') throw new InputError('run-folder is empty; name the folder of a run');
  const withText = input('WITH_TEXT') === 'true';
  const { report } = await readRun(folder, { withText });
  await writePages(folder, { withText });
  const others = await otherCandidates(folder, await reportNames(folder));
  const verdict = verdictOfAll([report.verdict, ...others.map((other) => other.verdict)]);
  const jaegerUi = env['RETAKE_JAEGER_UI'] || undefined;
  const reasons = [...report.reasons, ...othersText(report, others)];
  const body = markdownReport({ ...report, reasons }, { marker, jaegerUi });

  const summary = env['GITHUB_STEP_SUMMARY'];
  if (summary !== undefined && summary !== '') await appendFile(summary, `${body}\n`);
  const output = env['GITHUB_OUTPUT'];
  if (output !== undefined && output !== '')
    await appendFile(
      output,
      `verdict=${verdict}\nexit-code=${verdictExitCode(verdict)}\nrun-folder=${plain(folder)}\n`,
    );

  if (input('COMMENT') !== 'false') log(await comment(env, input, { marker, body }, secondMs));
  log(`retake: ${verdict}`);
  return failOn.includes(verdictExitCode(verdict)) ? verdictExitCode(verdict) : 0;
}

function otherCandidates(folder: string, names: readonly string[]): Promise<Report[]> {
  return Promise.all(names.filter((name) => name !== 'report.json').map((name) => readReport(join(folder, name))));
}

/** Names the other candidates and their verdicts; empty where there are none. */
function othersText({ arms }: Report, others: readonly Report[]): string[] {
  if (others.length === 0) return [];
  const each = others.map((other) => `${other.arms.b.variant} ${other.verdict}`).join(', ');
  return [`this is ${arms.b.variant}, one of ${others.length + 1} candidates, and the exit status is of all: ${each}`];
}

async function comment(
  env: Env,
  input: (name: string) => string,
  { marker, body }: { marker: string; body: string },
  secondMs: number | undefined,
): Promise<string> {
  const target = await targetOf(env, input);
  if (typeof target === 'string') return `::notice::no comment: ${target}`;
  const run = { number: Number(env['GITHUB_RUN_NUMBER'] ?? 0), attempt: Number(env['GITHUB_RUN_ATTEMPT'] ?? 1) };
  try {
    const outcome = await upsertComment({ ...target, secondMs }, { marker, body, run });
    switch (outcome.kind) {
      case 'created':
      case 'updated':
        return `comment ${outcome.kind}: ${plain(outcome.url)}`;
      case 'newer':
        return `::notice::no comment: run ${outcome.run.number}.${outcome.run.attempt} has already reported, and is newer`;
      case 'forbidden':
        return `::warning::no comment: the token may not write (${plain(outcome.message)}). Tokens of forks may not; see docs/reading-a-report.md#from-a-fork`;
      default:
        return outcome satisfies never;
    }
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    return `::warning::no comment: ${describeError(error, 300)}`;
  }
}

/** Where to comment, or the reason for no comment. */
async function targetOf(env: Env, input: (name: string) => string): Promise<CommentTarget | string> {
  const [token, repository] = [input('TOKEN'), env['GITHUB_REPOSITORY'] ?? ''];
  if (token === '') return 'there is no token';
  const [, owner, repo] = /^(\w[\w.-]*)\/(\w[\w.-]*)$/.exec(repository) ?? [];
  if (owner === undefined || repo === undefined) return 'GITHUB_REPOSITORY is not owner/name';
  const number = input('PULL_REQUEST') || String(pullRequestOfEvent(env['GITHUB_EVENT_PATH']) ?? '');
  if (!/^[1-9]\d*$/.test(number)) return 'the run belongs to no pull request';
  return {
    apiUrl: (env['GITHUB_API_URL'] ?? 'https://api.github.com').replace(/\/+$/, ''),
    token,
    owner,
    repo,
    pullRequest: Number(number),
    author: input('COMMENT_AUTHOR') || 'github-actions[bot]',
  };
}

function pullRequestOfEvent(path: string | undefined): unknown {
  if (path === undefined || path === '') return undefined;
  try {
    return fieldOf(fieldOf(readInputJson(path, 'sessions'), 'pull_request'), 'number');
  } catch {
    return undefined;
  }
}

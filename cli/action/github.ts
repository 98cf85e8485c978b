/**
 * One comment on a pull request, found again by its hidden marker and updated in place. The comment remembers the run that
 * wrote it, so that an older run, or a repetition of one, never overwrites a newer one.
 */
import { retry } from '@octokit/plugin-retry';
import { Octokit } from '@octokit/rest';
import { describeError, InputError } from '../../service/base/errors.ts';
import { numberIn } from '../../service/base/json.ts';

export interface CommentTarget {
  /** `https://api.github.com`, or a GitHub Enterprise server's. */
  apiUrl: string;
  token: string;
  owner: string;
  repo: string;
  pullRequest: number;
  /** Whose comments may be updated: a comment that somebody else wrote with our marker in it stays theirs. */
  author: string;
  /** Length of a second in the pauses between tries. Tests shorten it. */
  secondMs?: number;
}

export interface CommentRun {
  /** GitHub's run number: counts up within a workflow. */
  number: number;
  /** Repetition of the same run, from 1. */
  attempt: number;
}

export interface RunComment {
  marker: string;
  body: string;
  run: CommentRun;
}

export type CommentOutcome =
  | { kind: 'created' | 'updated'; url: string }
  | { kind: 'newer'; run: CommentRun }
  /** The token may not write: a pull request from a fork. */
  | { kind: 'forbidden'; message: string };

/** Creates or updates the comment. Throws `InputError` that says what GitHub answered; never with the token in it. */
export async function upsertComment(target: CommentTarget, comment: RunComment): Promise<CommentOutcome> {
  const github = clientFor(target);
  try {
    return await upsertOnce(github, target, comment);
  } catch (error) {
    // GitHub may have made the comment all the same: it is looked for before a second one is made
    return await (isLostCreation(error) ? upsertOnce(github, target, comment) : Promise.reject(error)).catch(refusalOf);
  }
}

/** Pull requests with 3,000 comments exist. A server that names a next page for ever must end as well. */
const PAGES = 100;
const PAGE_SIZE = 100;
const RETRIES = 3;
const LONGEST_PAUSE_S = 60;
/** The statuses of a rate limit when `Retry-After` stands beside them: GitHub has done nothing. */
const LIMITED = [403, 429];
/** Repeating the request would not change these answers. */
const FINAL = [400, 401, 404, 410, 422, 451];

const Client = Octokit.plugin(pauseAsTold, retry);

function clientFor({ apiUrl, token, secondMs = 1000 }: CommentTarget): Octokit {
  const quiet = (): void => undefined;
  return new Client({
    auth: token,
    baseUrl: apiUrl,
    log: { debug: quiet, info: quiet, warn: quiet, error: quiet },
    retry: { retries: RETRIES, retryAfterBaseValue: secondMs, doNotRetry: [...LIMITED, ...FINAL] },
  });
}

/** The retry plugin does not read `Retry-After`. This hook runs before the plugin's, which leaves `LIMITED` alone. */
function pauseAsTold({ hook }: Pick<Octokit, 'hook'>): object {
  hook.error('request', (error) => {
    if (!('status' in error)) throw error;
    const afterS = Number(error.response?.headers['retry-after'] ?? NaN);
    if (LIMITED.includes(error.status) && Number.isFinite(afterS))
      error.request.request = {
        ...error.request.request,
        retries: RETRIES,
        retryAfter: Math.min(LONGEST_PAUSE_S, afterS),
      };
    throw error;
  });
  return {};
}

async function upsertOnce(github: Octokit, target: CommentTarget, comment: RunComment): Promise<CommentOutcome> {
  const { owner, repo, pullRequest } = target;
  const { marker, run } = comment;
  const body = `${comment.body.trimEnd()}\n<!-- ${marker} run ${run.number}.${run.attempt} -->\n`;
  const known = await findComment(github, target, marker);
  if (known === undefined) {
    const asked = { owner, repo, issue_number: pullRequest, body, request: { retries: 0 } };
    const { data } = await github.rest.issues.createComment(asked);
    return { kind: 'created', url: data.html_url };
  }
  if (isNewer(known.run, run)) return { kind: 'newer', run: known.run };
  const { data } = await github.rest.issues.updateComment({ owner, repo, comment_id: known.id, body });
  return { kind: 'updated', url: data.html_url };
}

interface KnownComment {
  id: number;
  run: CommentRun;
}

/** The newest of our comments under the marker: two jobs that raced may have left two. */
async function findComment(
  github: Octokit,
  { owner, repo, pullRequest, author }: CommentTarget,
  marker: string,
): Promise<KnownComment | undefined> {
  const signature = new RegExp(`<!-- ${marker} run (\\d+)\\.(\\d+) -->\\s*$`);
  const asked = { owner, repo, issue_number: pullRequest, per_page: PAGE_SIZE };
  let found: KnownComment | undefined;
  let pages = 0;
  for await (const { data } of github.paginate.iterator(github.rest.issues.listComments, asked)) {
    for (const { id, body = '', user } of data) {
      const signed = signature.exec(body);
      if (signed === null || user?.login !== author) continue;
      const run = { number: Number(signed[1]), attempt: Number(signed[2]) };
      if (found === undefined || isNewer(run, found.run)) found = { id, run };
    }
    if (++pages === PAGES) break;
  }
  return found;
}

function isNewer(a: CommentRun, b: CommentRun): boolean {
  return a.number > b.number || (a.number === b.number && a.attempt > b.attempt);
}

/** The fields of Octokit's `RequestError`. Without an answer it has no response, and status 500. */
interface Refusal extends Error {
  status: number;
  request: { method: string; url: string };
  response?: object;
}

function isRefusal(error: unknown): error is Refusal {
  return error instanceof Error && numberIn(error, 'status') !== undefined && 'request' in error;
}

const isLostCreation = (error: unknown): boolean =>
  isRefusal(error) && error.status >= 500 && error.request.method === 'POST';

/** A token without the right to write is an outcome; every other error is thrown as one line. */
function refusalOf(error: unknown): CommentOutcome {
  const said = describeError(error, 200);
  if (!isRefusal(error)) throw new InputError(`the answer of GitHub cannot be read: ${said}; run the job again`);
  if (error.response === undefined) throw new InputError(`GitHub does not answer: ${said}; run the job again`);
  const { status, request } = error;
  if ([401, 403, 404].includes(status)) return { kind: 'forbidden', message: `${status} ${said}` };
  throw new InputError(
    `GitHub answered ${request.method} ${new URL(request.url).pathname} with ${status}: ${said}; run the job again, or see www.githubstatus.com`,
  );
}

/**
 * One comment on a pull request, found again by its hidden marker and updated in place. The comment remembers the run that
 * wrote it, so that an older run, or a repetition of one, never overwrites a newer one.
 */
import { describeError, InputError } from '../../service/base/errors.ts';
import { fieldOf, parsedJson } from '../../service/base/json.ts';

export interface CommentTarget {
  /** `https://api.github.com`, or a GitHub Enterprise server's. */
  apiUrl: string;
  token: string;
  /** `owner/name`. */
  repository: string;
  pullRequest: number;
  /** Whose comments may be updated: a comment that somebody else wrote with our marker in it stays theirs. */
  author: string;
}

export interface CommentRun {
  /** GitHub's run number: counts up within a workflow. */
  number: number;
  /** Repetition of the same run, from 1. */
  attempt: number;
}

export type CommentOutcome =
  | { kind: 'created' | 'updated'; url: string }
  | { kind: 'newer'; run: CommentRun }
  /** The token may not write: a pull request from a fork. */
  | { kind: 'forbidden'; message: string };

/** A pause between two tries; rejects when the command is interrupted. */
type Sleep = (ms: number) => Promise<void>;

const PAGE_SIZE = 100;
/** Comments of 3,000 and more have been seen; a loop that never ends has not been asked for. */
const PAGES = 100;
const TRIES = 4;
const FIRST_PAUSE_MS = 500;

/** Creates or updates the comment. Throws `InputError` that says what GitHub answered; never with the token in it. */
export async function upsertComment(
  target: CommentTarget,
  comment: { marker: string; body: string; run: CommentRun },
  sleep: Sleep,
): Promise<CommentOutcome> {
  const { marker, run } = comment;
  const issue = `/repos/${target.repository}/issues/${target.pullRequest}/comments`;
  const call = caller(target, sleep);
  const body = `${comment.body.trimEnd()}\n<!-- ${marker} run ${run.number}.${run.attempt} -->\n`;
  const known = await findComment(call, issue, target.author, marker);
  if ('forbidden' in known) return { kind: 'forbidden', message: known.forbidden };
  if (known.comment !== undefined && isNewer(known.comment.run, run)) return { kind: 'newer', run: known.comment.run };
  const answer =
    known.comment === undefined
      ? await call('POST', issue, { body })
      : await call('PATCH', `/repos/${target.repository}/issues/comments/${known.comment.id}`, { body });
  if ('forbidden' in answer) return { kind: 'forbidden', message: answer.forbidden };
  return {
    kind: known.comment === undefined ? 'created' : 'updated',
    url: String(fieldOf(answer.json, 'html_url') ?? ''),
  };
}

interface KnownComment {
  id: number;
  run: CommentRun;
}

/** The newest of our comments under the marker: two jobs that raced may have left two. */
async function findComment(
  call: Caller,
  issue: string,
  author: string,
  marker: string,
): Promise<{ comment: KnownComment | undefined } | { forbidden: string }> {
  let found: KnownComment | undefined;
  const signature = new RegExp(`<!-- ${marker} run (\\d+)\\.(\\d+) -->\\s*$`);
  for (let page = 1; page <= PAGES; page++) {
    const answer = await call('GET', `${issue}?per_page=${PAGE_SIZE}&page=${page}`);
    if ('forbidden' in answer) return answer;
    const comments: unknown[] = Array.isArray(answer.json) ? answer.json : [];
    for (const each of comments) {
      const id = fieldOf(each, 'id');
      const signed = signature.exec(String(fieldOf(each, 'body') ?? ''));
      if (typeof id !== 'number' || signed === null || fieldOf(fieldOf(each, 'user'), 'login') !== author) continue;
      const run = { number: Number(signed[1]), attempt: Number(signed[2]) };
      if (found === undefined || isNewer(run, found.run)) found = { id, run };
    }
    if (comments.length < PAGE_SIZE) break;
  }
  return { comment: found };
}

function isNewer(a: CommentRun, b: CommentRun): boolean {
  return a.number > b.number || (a.number === b.number && a.attempt > b.attempt);
}

type Caller = (
  method: 'GET' | 'POST' | 'PATCH',
  path: string,
  body?: object,
) => Promise<{ json: unknown } | { forbidden: string }>;

function caller({ apiUrl, token }: CommentTarget, sleep: Sleep): Caller {
  return async (method, path, body) => {
    for (let attempt = 1; ; attempt++) {
      const response = await fetch(`${apiUrl}${path}`, {
        method,
        headers: {
          accept: 'application/vnd.github+json',
          authorization: `Bearer ${token}`,
          'x-github-api-version': '2022-11-28',
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      }).catch((error: unknown) => describeError(error, 200));
      const last = attempt === TRIES;
      if (typeof response === 'string') {
        // whether a lost POST was carried out is not known: a second one could comment twice
        if (last || method === 'POST') throw new InputError(`GitHub does not answer: ${response}`);
        await sleep(FIRST_PAUSE_MS * 2 ** attempt);
        continue;
      }
      const text = await response.text();
      const pauseMs = retryPauseMs(response, attempt);
      if (!last && pauseMs !== undefined) {
        await sleep(pauseMs);
        continue;
      }
      if (response.ok) return { json: parsedJson(text) };
      const said = describeError(fieldOf(parsedJson(text), 'message') ?? text, 200);
      if ([401, 403, 404].includes(response.status)) return { forbidden: `${response.status} ${said}` };
      throw new InputError(`GitHub answered ${method} ${path} with ${response.status}: ${said}`);
    }
  };
}

const LONGEST_PAUSE_MS = 60_000;

/** How long GitHub wants us to wait, when trying again may help. Nothing was carried out under these statuses. */
function retryPauseMs(response: Response, attempt: number): number | undefined {
  const after = Number(response.headers.get('retry-after') ?? NaN);
  const limited = response.status === 429 || (response.status === 403 && Number.isFinite(after));
  if (!limited && response.status < 500) return undefined;
  return Math.min(LONGEST_PAUSE_MS, Number.isFinite(after) ? after * 1000 : FIRST_PAUSE_MS * 2 ** attempt);
}

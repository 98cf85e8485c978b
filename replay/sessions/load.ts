/** Captured sessions, read from a data folder. */
import { readBundle, readSessionHeader, type Bundle } from '../../service/capture/bundle-reader.ts';
import type { SessionHeader } from '../../service/capture/format.ts';
import { createFolderStore, type CaptureStore } from '../../service/capture/store.ts';
import { foldersIn } from '../../service/base/data-folder.ts';
import { InputError } from '../../service/base/errors.ts';
import { whenUnreadable } from '../../service/base/input-file.ts';
import { numberOf, type TurnLog } from '../../service/base/events.ts';
import { fieldOf, isObject, numberIn } from '../../service/base/json.ts';
import { resolveStrategy } from '../../service/strategy/patch.ts';
import { promptHead } from '../../service/text/prompt.ts';
import { PROFILE_NAMES } from '../../sim/times/profile.ts';
import { asLongAs, historyBefore, type CapturedSession, type ChosenBy } from './captured-session.ts';
import { pickedBy, spreadSample } from './choice.ts';

export function captureStoreIn(folder: string): CaptureStore {
  return createFolderStore(foldersIn(folder).captures);
}

/** A greeting answers nobody. So it is never compared with answers: a replay takes it as history. */
const isGreeting = ({ zero }: TurnLog): boolean => zero === 'opening';

function greetingOf({ events }: TurnLog): string {
  const pieces = events.filter(({ kind }) => kind === 'piece.ready');
  return pieces.map(({ content, attrs }) => content?.text ?? asLongAs(Number(attrs?.['chars'] ?? 0))).join('');
}

export function capturedSession({ session, turns }: Bundle): CapturedSession {
  const { sessionId, language, interview, profile } = session;
  const captured: Omit<CapturedSession, 'strategy'> = {
    sessionId,
    language,
    level: session.level,
    commit: session.commit,
    systemPrompt: session.systemPrompt ?? asLongAs(session.systemPromptChars),
    history: [
      ...(session.history ??
        session.historyChars.map((chars, index) => ({
          role: index % 2 === 0 ? ('user' as const) : ('assistant' as const),
          content: asLongAs(chars),
        }))),
      ...turns.filter(isGreeting).map((log) => ({ role: 'assistant' as const, content: greetingOf(log) })),
    ],
    turns: turns.filter((log) => !isGreeting(log)),
    interview,
    profile,
  };
  const strategy = withPromptChars(session.strategy, captured);
  return { ...captured, strategy: resolveStrategy([strategy], `session ${sessionId}`) };
}

/** Early bundles hold of a prompt file its digest alone. Its length is what the first prompt has beside what was said. */
function withPromptChars(
  strategy: SessionHeader['strategy'],
  session: Omit<CapturedSession, 'strategy'>,
): SessionHeader['strategy'] {
  const { llm } = strategy;
  const prompt = fieldOf(llm, 'systemPrompt');
  if (!isObject(llm) || !isObject(prompt) || 'text' in prompt || 'chars' in prompt) return strategy;
  for (const { identity, events } of session.turns) {
    const transcript = events.find(({ kind }) => kind === 'stt.done');
    const asked = events.find(({ kind, attrs }) => kind === 'llm.start' && attrs?.['ahead'] !== true);
    if (transcript === undefined || asked === undefined) continue;
    const history = historyBefore(session, identity.turnIndex);
    const said = promptHead({ systemPrompt: '', history }, numberIn(llm, 'historyTurns') ?? 'all');
    const saidChars = said.reduce((sum, { content }) => sum + content.length, numberOf(transcript, 'chars') ?? 0);
    const chars = Math.max(1, (numberOf(asked, 'promptChars') ?? 0) - saidChars);
    return { ...strategy, llm: { ...llm, systemPrompt: { ...prompt, chars } } };
  }
  return strategy;
}

/**
 * The named sessions, or a choice among all (choice.ts). `tell` hears of problems in bundles and of unreadable sessions that were
 * not named. Throws `InputError` for a named session that cannot be read, and when no session is left.
 */
export async function loadSessions(
  store: CaptureStore,
  choice: { ids?: readonly string[]; by?: ChosenBy; sample: number; seed: string },
  tell: (problem: string) => void,
): Promise<CapturedSession[]> {
  const { ids: named, by = 'sample', sample, seed } = choice;
  const ids =
    named ?? (by === 'sample' ? spreadSample(await listSessions(store, tell), sample, seed) : await store.list());
  if (ids.length === 0)
    throw new InputError(
      'there is no captured session yet; capture some with "retake serve" and "retake send", or run "retake demo" and give --data out/demo/data',
    );
  const sessions: CapturedSession[] = [];
  for (const id of ids) {
    const session = await readSession(store, id, tell, named === undefined);
    if (session === undefined) continue;
    if (session.turns.length > 0) sessions.push(session);
    else tell(`session ${id} has no finished turn: left out`);
  }
  if (sessions.length === 0)
    throw new InputError(
      `none of the sessions ${ids.join(', ')} has a finished turn; "npx retake sessions" lists others`,
    );
  if (named !== undefined || by === 'sample') return sessions;
  const picked = pickedBy(by, sessions, sample);
  if (picked.length === 0)
    throw new InputError(
      `--choose ${by}: no captured session has a turn ${by === 'error' ? 'that failed' : 'whose end to end was measured'}; choose with --choose sample`,
    );
  return picked;
}

/** With `leaveOut`, an unreadable session is told and undefined; otherwise its error is thrown. */
async function readSession(
  store: CaptureStore,
  id: string,
  tell: (problem: string) => void,
  leaveOut: boolean,
): Promise<CapturedSession | undefined> {
  try {
    const files = await store.find(id);
    const bundle = await readBundle(files).catch(whenUnreadable(files.where));
    for (const problem of bundle.problems) tell(problem);
    return capturedSession(bundle);
  } catch (error) {
    if (!leaveOut || !(error instanceof InputError)) throw error;
    tell(`session ${id} cannot be read and is left out: ${error.message}`);
    return undefined;
  }
}

/** Headers of all sessions, in order of their start. `tell` hears of unreadable ones. */
export async function listSessions(store: CaptureStore, tell: (problem: string) => void): Promise<SessionHeader[]> {
  const headers: SessionHeader[] = [];
  for (const id of await store.list()) {
    try {
      const files = await store.find(id);
      headers.push(await readSessionHeader(files).catch(whenUnreadable(files.where)));
    } catch (error) {
      if (!(error instanceof InputError)) throw error;
      tell(`session ${id} cannot be read and is left out: ${error.message}`);
    }
  }
  return headers.sort((a, b) => a.startedEpochUs - b.startedEpochUs);
}

/**
 * The profile that the stand-ins had, or `seed`. A capture comes from anywhere, so its profile is a name, never a file. Throws `InputError`
 * for a profile that does not come with Retake.
 */
export function capturedProfile([first]: readonly CapturedSession[]): string {
  const profile = first?.profile ?? 'seed';
  if (PROFILE_NAMES.some((name) => name === profile)) return profile;
  throw new InputError(
    `session ${first?.sessionId ?? ''} was captured with profile ${JSON.stringify(profile.slice(0, 60))}, which is none of ${PROFILE_NAMES.join(', ')}: name its file with --profile`,
  );
}

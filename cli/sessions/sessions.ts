/** `retake sessions`: lists, shows, imports and erases captured sessions. */
import { readBundle } from '../../service/capture/bundle-reader.ts';
import { eraseSession, placesIn } from '../../service/capture/erase.ts';
import type { SessionHeader } from '../../service/capture/format.ts';
import { redactHeader } from '../../service/capture/redact.ts';
import { checkSessionId } from '../../service/capture/store.ts';
import { foldersIn } from '../../service/base/data-folder.ts';
import { InputError } from '../../service/base/errors.ts';
import { claimAll, holderHere } from '../../service/spool/claim.ts';
import { createRealClock } from '../../service/base/clock.ts';
import { measureTurn } from '../../service/turn-log/metrics.ts';
import { captureStoreIn, listSessions } from '../../replay/sessions/load.ts';
import { dataFolderOf } from '../../service/config.ts';
import type { CommandContext } from '../../replay/report/context.ts';
import { importSessions } from '../../replay/sessions/import-sessions.ts';
import { plain } from '../../replay/report/words.ts';
import { existingDataFolder } from '../options/data-folder.ts';

interface Options {
  data?: string;
  json?: boolean;
}

export const sessionsCommand = {
  async list(context: CommandContext, options: Options): Promise<void> {
    const folder = existingDataFolder(context, options.data);
    const sessions = await listSessions(captureStoreIn(folder), context.problem);
    if (options.json === true) {
      const rows = sessions.map(({ sessionId, startedEpochUs, world, level, language, interview }) => ({
        sessionId,
        startedEpochUs,
        world,
        level,
        language,
        interview,
      }));
      context.out(JSON.stringify(rows, null, 2));
      return;
    }
    if (sessions.length === 0)
      context.out(
        `no captured sessions yet in ${plain(folder)}; capture some with "retake serve" and "retake send", or run "retake demo" and give --data out/demo/data`,
      );
    for (const { sessionId, startedEpochUs, world, level, language, interview } of sessions) {
      const started = new Date(startedEpochUs / 1000).toISOString().slice(0, 19);
      context.out(
        plain(`${sessionId}  ${started}Z  ${world.padEnd(4)}  ${level.padEnd(6)}  ${language}  ${interview ?? ''}`),
      );
    }
  },

  async show(context: CommandContext, id: string, options: Options): Promise<void> {
    const store = captureStoreIn(existingDataFolder(context, options.data));
    const { session, turns, problems } = await readBundle(await store.find(id));
    const summaries = turns.map((log) => measureTurn(log).summary);
    for (const problem of problems) context.problem(problem);
    if (options.json === true) {
      context.out(JSON.stringify({ session: withoutText(session), turns: summaries, problems }, null, 2));
      return;
    }
    context.out(
      plain(`${session.sessionId}  ${session.world}  ${session.level}  commit ${session.commit.slice(0, 12)}`),
    );
    for (const { turnIndex, traceId, e2eUs, failure } of summaries) {
      const outcome =
        failure === undefined
          ? `${e2eUs === undefined ? '–' : (e2eUs / 1000).toFixed(1)} ms`
          : `${failure.stage} ${failure.kind}`;
      context.out(plain(`  turn ${turnIndex}  ${traceId}  ${outcome}`));
    }
  },

  async import(context: CommandContext, folder: string, options: Options): Promise<void> {
    const imported = await importSessions(
      folder,
      captureStoreIn(dataFolderOf(context.env, options.data)),
      createRealClock(),
    );
    if (options.json === true) context.out(JSON.stringify(imported, null, 2));
    else for (const { sessionId, turns } of imported) context.out(plain(`imported ${sessionId}: ${turns} turns`));
  },

  async remove(context: CommandContext, id: string, options: Options): Promise<void> {
    const folder = existingDataFolder(context, options.data);
    const clock = createRealClock();
    checkSessionId(id);
    const spools = claimAll(foldersIn(folder).spool, holderHere(clock), ({ words, url = 'http://127.0.0.1:8080' }) =>
      plain(
        `a service runs on ${folder} (${words}) and may hold the session open; let it erase the session: curl -X DELETE ${url}/v1/sessions/${id} (with -H "authorization: Bearer KEY" where RETAKE_API_KEY is set)`,
      ),
    );
    try {
      if (!(await eraseSession(placesIn(folder, clock), id)))
        throw new InputError(`there is no captured session ${id} in ${folder}; "npx retake sessions" lists them`);
    } finally {
      spools.release();
    }
    context.out(`erased ${plain(id)}`);
  },
};

/** The header without system prompt, history and other words of the conversation. */
function withoutText(session: SessionHeader): SessionHeader {
  const { systemPrompt: _systemPrompt, history: _history, ...rest } = redactHeader({ ...session, level: 'timing' });
  return { ...rest, level: session.level };
}

/** The open sessions, and figures and traces of the last turns. Bounded; holds no content. */
import { literals } from '../base/schema.ts';
import { Ajv } from 'ajv';
import { Type, type Static } from 'typebox';
import { InputError } from '../base/errors.ts';
import type { MeasuredTurn, TurnSummary } from '../turn-log/metrics.ts';
import type { Clock } from '../base/ports.ts';
import type { TurnLog } from '../base/events.ts';
import type { Session } from '../turn/session.ts';
import { otlpLineOf } from '../telemetry/otel.ts';
import { LIMITS } from './limits.ts';
import { notFound, ProblemError, sessionBusy } from './problem.ts';

/** What a session may be in: the languages of the voices, with the regions that change nothing for Retake. */
const LANGUAGES = ['tr', 'tr-TR', 'en', 'en-US', 'en-GB'] as const;

const text = (maxLength: number): Type.TString => Type.String({ maxLength });

/** Body of `POST /v1/sessions`. */
export const NewSessionSchema = Type.Object(
  {
    language: Type.Optional(literals(LANGUAGES)),
    systemPrompt: Type.Optional(text(50_000)),
    history: Type.Optional(
      Type.Array(
        Type.Object({ role: literals(['user', 'assistant']), content: text(20_000) }, { additionalProperties: false }),
        { maxItems: 400 },
      ),
    ),
    // a text without a letter or a digit is not spoken
    greeting: Type.Optional(Type.String({ pattern: '[\\p{L}\\p{N}]', maxLength: 2000 })),
    voice: Type.Optional(text(40)),
    strategy: Type.Optional(Type.Record(Type.String(), Type.Unknown())),
    interview: Type.Optional(Type.String({ pattern: '^[\\w-]{1,60}$' })),
  },
  { additionalProperties: false },
);
export type NewSession = Static<typeof NewSessionSchema>;
const isNewSession = new Ajv().compile<NewSession>(NewSessionSchema);

export interface TurnRecord {
  summary: TurnSummary;
  /** OTLP JSON. */
  trace: unknown;
}

export interface Registry {
  /** Throws `ProblemError` for a wrong body (400) and for one session too many (503). */
  create(body: unknown): Session;
  /** Throws `ProblemError` (404) when there is no such session. */
  get(id: string): Session;
  /** Undefined where there is no open session of that id. Does not count as use, which keeps a session open. */
  find(id: string): Session | undefined;
  /** Closes a session; what was kept of it stays. Throws `ProblemError`: 404 when there is none, 409 while a turn is answered. */
  close(id: string): Promise<void>;
  /** Closes a session and erases what was kept of it. False where there was nothing. Throws `ProblemError` (409) while a turn is answered. */
  erase(id: string): Promise<boolean>;
  turn(traceId: string): TurnRecord;
  /** Figures of those turns of a session that are in memory, by index, without content. */
  turnsOf(sessionId: string): readonly TurnSummary[];
  /** To be called for every turn that is over. */
  finished(log: TurnLog, measured: MeasuredTurn): void;
  count(): number;
  /** Resolves when no turn is running. */
  idle(): Promise<void>;
}

/** Finished turns that stay in memory for `GET /v1/turns/:traceId`. */
export const TURNS_LIMIT = 2000;

interface Entry {
  session: Session;
  usedUs: number;
  /** Somebody has said something in it. */
  used: boolean;
}

/** Of turns in which nobody said anything. */
const NOTHING_SAID: readonly string[] = ['no-speech', 'cancelled'];

export function createRegistry(options: {
  clock: Clock;
  open: (request: NewSession) => Session;
  /** With `known`, the session was open, or one of its turns is remembered: something may be kept of it though it was not captured. */
  eraseCapture: (sessionId: string, known: boolean) => Promise<boolean>;
  /** A session was idle for too long and has been closed; its capture stays. */
  onForgotten: (sessionId: string) => void;
}): Registry {
  const { clock } = options;
  const sessions = new Map<string, Entry>();
  const turns = new Map<string, { log: TurnLog; measured: MeasuredTurn }>();

  const dropIdle = (): void => {
    for (const [id, entry] of sessions) {
      if (entry.session.busy || leavesUs(entry) > clock.nowUs()) continue;
      sessions.delete(id);
      options.onForgotten(id);
    }
  };
  const leavesUs = ({ usedUs, used }: Entry): number =>
    usedUs + (used ? LIMITS.idleSession : LIMITS.unusedSession).value * 1000;
  /** Takes the session out, so that no turn can begin in it; one that answers nobody is cancelled. False where there is none. */
  const takeOut = async (id: string): Promise<boolean> => {
    const session = sessions.get(id)?.session;
    if (session?.answering === true) throw sessionBusy('a turn is being answered; wait for its end');
    sessions.delete(id);
    await session?.cancel(new Error('the session was closed'));
    return session !== undefined;
  };
  /** Until the first of the open sessions may leave; a minute at most, since clients may close theirs. */
  const firstLeavesS = (): number => {
    const earliestUs = Math.min(...[...sessions.values()].map(leavesUs));
    return Math.min(60, Math.max(1, Math.ceil((earliestUs - clock.nowUs()) / 1e6)));
  };
  return {
    create(body) {
      if (!isNewSession(body)) {
        const [error] = isNewSession.errors ?? [];
        const extra: unknown = error?.params['additionalProperty'];
        const allowed: unknown = error?.params['allowedValues'];
        const says = Array.isArray(allowed) ? `must be one of ${allowed.join(', ')}` : error?.message;
        const field =
          typeof extra === 'string' ? extra.slice(0, 80) : (error?.instancePath.slice(1).replaceAll('/', '.') ?? '');
        throw new ProblemError({
          status: 400,
          title: 'Bad request',
          detail: `${field === '' ? 'the body' : `field "${field}"`} ${says ?? 'is not valid'}`,
          field,
        });
      }
      dropIdle();
      const { value, unit } = LIMITS.sessions;
      if (sessions.size >= value) {
        const detail = `${value} ${unit}; close one, or try again later`;
        throw new ProblemError({
          status: 503,
          title: 'Too many sessions',
          detail,
          limit: `${value} ${unit}`,
          headers: { 'retry-after': String(firstLeavesS()) },
        });
      }
      const session = options.open(body);
      sessions.set(session.id, { session, usedUs: clock.nowUs(), used: false });
      return session;
    },
    find: (id) => sessions.get(id)?.session,
    get(id) {
      const found = sessions.get(id);
      if (found === undefined) throw noOpenSession(id);
      // whoever only asks for an unused session keeps no slot with it
      if (found.used) found.usedUs = clock.nowUs();
      return found.session;
    },
    async close(id) {
      if (!(await takeOut(id))) throw noOpenSession(id);
      options.onForgotten(id);
    },
    async erase(id) {
      // closed first: a turn that began during the search would leave traces behind
      const wasOpen = await takeOut(id);
      const ofSession = [...turns].filter(([, { log }]) => log.identity.sessionId === id);
      for (const [traceId] of ofSession) turns.delete(traceId);
      const captured = await options.eraseCapture(id, wasOpen || ofSession.length > 0).catch((error: unknown) => {
        if (error instanceof InputError) return false;
        throw error;
      });
      return wasOpen || captured;
    },
    turn(traceId) {
      const found = turns.get(traceId);
      if (found === undefined)
        throw notFound(
          `there is no turn ${JSON.stringify(traceId.slice(0, 80))} here; finished turns are in the capture`,
        );
      const trace: unknown = JSON.parse(otlpLineOf(found.log, found.measured));
      return { summary: found.measured.summary, trace };
    },
    turnsOf: (sessionId) =>
      [...turns.values()].flatMap(({ measured: { summary } }) => (summary.sessionId === sessionId ? summary : [])),
    finished(log, measured) {
      // turns over a WebSocket come by no request: without this, a session that talks would be idle
      const open = sessions.get(log.identity.sessionId);
      if (open !== undefined) {
        const { failure, zero } = measured.summary;
        const isSaid = !NOTHING_SAID.includes(failure?.kind ?? '');
        if (isSaid || open.used) open.usedUs = clock.nowUs();
        // the service said the greeting, not the user
        open.used ||= isSaid && zero !== 'opening';
      }
      // spans and ledger are made without content, which belongs in captures only
      const events = log.events.map(({ content: _content, ...event }) => event);
      turns.set(log.identity.traceId, { log: { ...log, events }, measured });
      const [oldest] = turns.keys();
      if (turns.size > TURNS_LIMIT && oldest !== undefined) turns.delete(oldest);
    },
    count() {
      dropIdle();
      return sessions.size;
    },
    idle: async () => {
      await Promise.all([...sessions.values()].map(({ session }) => session.idle()));
    },
  };
}

function noOpenSession(id: string): ProblemError {
  return notFound(`there is no open session ${JSON.stringify(id.slice(0, 80))}`);
}

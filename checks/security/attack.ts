/** What every attack is, and what attacks share. */
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { request, type Answer } from './attacker.ts';
import type { Victim } from './victim.ts';

export interface Outcome {
  /** What was sent, in words and figures. */
  load: string;
  /** What did not hold; empty where the service withstood. */
  complaints: string[];
}

export interface Attack {
  name: string;
  /** What the attack is after. */
  sentence: string;
  env?: Readonly<Record<string, string>>;
  /** A commit whose service the attack brings down or gets into. `BEFORE_THE_DOORS` where none is named. */
  control?: string;
  /** Fills the data folder before the service starts. */
  prepare?(dataFolder: string): void;
  run(victim: Victim): Promise<Outcome>;
}

/** Before the service was closed and bounded. */
export const BEFORE_THE_DOORS = 'd7f99ec';
export const RECORDING = readFileSync(new URL('../../fixtures/audio/en-frontend-1.wav', import.meta.url));
const TRIES = 6;
const COME_BACK_MS = 1000;
export const WAV = { 'content-type': 'audio/wav' };
const JSON_TYPE = { 'content-type': 'application/json' };
export const START = JSON.stringify({ type: 'start', sampleRateHz: 16_000, format: 'pcm_s16le' });

/** Asks for a new session. */
export const askSession = (url: string, body: object = { language: 'en' }): Promise<Answer> =>
  request(url, 'POST', '/v1/sessions', { headers: JSON_TYPE, body: JSON.stringify(body) });
/** The id of a new session. Comes back where a busy service says so; throws where there is none to be had. */
export async function openAttacked(url: string): Promise<string> {
  let answer = await askSession(url);
  for (let tries = 1; tries < TRIES && answer.status === 503; tries++) {
    await sleep(COME_BACK_MS);
    answer = await askSession(url);
  }
  const id = /"id":"([\w.-]+)"/.exec(answer.text)?.[1];
  if (id === undefined) throw new Error(`no session: ${answer.status} ${answer.text.slice(0, 200)}`);
  return id;
}
/** One spoken turn. */
export const postTurn = (url: string, id: string): Promise<Answer> =>
  request(url, 'POST', `/v1/sessions/${id}/turns`, { headers: WAV, body: RECORDING });
/** A complaint where another status came. */
export const expected = (what: string, { status }: Answer, ...wanted: number[]): string[] =>
  wanted.includes(status) ? [] : [`${what}: ${status}, not ${wanted.join(' or ')}`];
export const countOf = (answers: readonly Answer[], status: number): number =>
  answers.filter((answer) => answer.status === status).length;
/** Every answer that sheds work says when to come back. */
export const comeBack = (answers: readonly Answer[]): string[] =>
  answers.some(({ status, headers }) => status === 503 && headers['retry-after'] === undefined)
    ? ['a 503 does not say when to come back']
    : [];
/** A user who arrives after the attack is served, at the latest when a 503 has told him to come back. */
export async function stillServes(url: string): Promise<string[]> {
  let turn: Answer | undefined;
  for (let tries = 0; tries < TRIES && turn?.status !== 200; tries++) {
    if (tries > 0) await sleep(COME_BACK_MS);
    const id = await openAttacked(url).catch((error: unknown) => String(error));
    turn = await postTurn(url, id);
  }
  return turn === undefined ? ['no turn was tried'] : expected('a turn after the attack', turn, 200);
}

/** Attacks on a running service, one row each: what a client, a page or another program on the machine can do without a key. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ask, askMany, flood, openSocket, silentSocket, uploadUnfinished, type Answer } from './attacker.ts';
import { SECRET, type Victim } from './victim.ts';

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
  /** Fills the data folder before the service starts. */
  prepare?(dataFolder: string): void;
  run(victim: Victim): Promise<Outcome>;
}

const RECORDING = readFileSync(new URL('../../fixtures/audio/en-frontend-1.wav', import.meta.url));
const WAV = { 'content-type': 'audio/wav' };
const JSON_TYPE = { 'content-type': 'application/json' };
const START = JSON.stringify({ type: 'start', sampleRateHz: 16_000, format: 'pcm_s16le' });

const session = (url: string, body: object = { language: 'en' }): Promise<Answer> =>
  ask(url, 'POST', '/v1/sessions', { headers: JSON_TYPE, body: JSON.stringify(body) });
/** The id of a new session. Throws where there is none to be had. */
async function openSession(url: string): Promise<string> {
  const { status, text } = await session(url);
  const id = /"id":"([\w.-]+)"/.exec(text)?.[1];
  if (id === undefined) throw new Error(`no session: ${status} ${text.slice(0, 200)}`);
  return id;
}
/** A complaint where another status came. */
const expected = (what: string, { status }: Answer, ...wanted: number[]): string[] =>
  wanted.includes(status) ? [] : [`${what}: ${status}, not ${wanted.join(' or ')}`];
const countOf = (answers: readonly Answer[], status: number): number =>
  answers.filter((answer) => answer.status === status).length;
/** Every answer that sheds work says when to come back. */
const comeBack = (answers: readonly Answer[]): string[] =>
  answers.some(({ status, headers }) => status === 503 && headers['retry-after'] === undefined)
    ? ['a 503 does not say when to come back']
    : [];
/** A user who arrives after the attack is served. */
async function stillServes(url: string): Promise<string[]> {
  const id = await openSession(url).catch((error: unknown) => String(error));
  const turn = await ask(url, 'POST', `/v1/sessions/${id}/turns`, { headers: WAV, body: RECORDING });
  return expected('a turn after the attack', turn, 200);
}

export const ATTACKS: readonly Attack[] = [
  {
    name: 'named-files',
    sentence: 'A strategy names files of the server: its environment, an endless device, a pipe.',
    prepare(dataFolder) {
      mkdirSync(dataFolder, { recursive: true });
      execFileSync('mkfifo', [join(dataFolder, 'pipe')]);
    },
    async run({ url, dataFolder, log }) {
      const files = ['/proc/self/environ', '/dev/zero', join(dataFolder, 'pipe'), '/etc/passwd', '/nowhere'];
      const strategies = files.flatMap((file) => [
        { llm: { systemPrompt: { file } } },
        { llm: { systemPrompt: { file, sha256: 'a'.repeat(64) } } },
        { stt: { prompt: { file } } },
        { network: { region: `file://${file}` } },
      ]);
      const answers = await Promise.all(strategies.map((strategy) => session(url, { language: 'en', strategy })));
      const told = new Set(answers.map(({ text }) => text.replace(/"detail":"(?:[^"\\]|\\.)*"/, '')));
      return {
        load: `${strategies.length} strategies over ${files.length} files`,
        complaints: [
          ...(answers.every(({ status }) => status === 400) ? [] : ['a strategy that names a file was taken']),
          ...(answers.some(({ text }) => text.includes(SECRET)) || log().includes(SECRET)
            ? ['the secret came out']
            : []),
          ...(told.size <= 2 ? [] : ['answers tell which files there are']),
          ...(await stillServes(url)),
        ],
      };
    },
  },
  {
    name: 'foreign-pages',
    sentence:
      'A web page in the user’s browser reaches the service on loopback: rebound name, foreign origin, plain POSTs.',
    async run({ url }) {
      const evil = { origin: 'https://evil.example' };
      const id = await openSession(url);
      const rebound = await ask(url, 'GET', `/v1/sessions/${id}`, { headers: { host: 'rebound.example' } });
      const crossSite = await ask(url, 'GET', `/v1/sessions/${id}`, { headers: { 'sec-fetch-site': 'cross-site' } });
      const socket = await openSocket(url, id, evil);
      const plain = await askMany(1000, 50, () =>
        ask(url, 'POST', '/v1/sessions', {
          headers: { ...evil, 'content-type': 'text/plain' },
          body: '{"language":"en"}',
        }),
      );
      const simple = await ask(url, 'POST', '/v1/sessions', { headers: { 'content-type': 'text/plain' }, body: '{}' });
      return {
        load: '1,000 POSTs of a foreign page, 50 at once; a rebound name; a WebSocket',
        complaints: [
          ...expected('a rebound name', rebound, 403, 421),
          ...expected('a cross-site request', crossSite, 403),
          ...(socket.kind === 'refused' && socket.status === 403 ? [] : ['a foreign page opened a WebSocket']),
          ...(countOf(plain, 403) === plain.length ? [] : [`${countOf(plain, 201)} sessions opened by a foreign page`]),
          ...expected('a session as text/plain', simple, 415),
          ...(await stillServes(url)),
        ],
      };
    },
  },
  {
    name: 'uploads',
    sentence: 'Uploads that never end fill the memory.',
    async run({ url }) {
      const same = await openSession(url);
      const others = await Promise.all(Array.from({ length: 60 }, () => openSession(url)));
      const sent = await Promise.all(
        [...Array.from({ length: 60 }, () => same), ...others].map((id) =>
          uploadUnfinished(url, `/v1/sessions/${id}/turns`, { bytes: 54e6, headers: WAV, holdMs: 4000 }),
        ),
      );
      const answers = sent.flatMap(({ answer }) => answer ?? []);
      const megabytes = sent.reduce((sum, { sentBytes }) => sum + sentBytes, 0) / 1e6;
      return {
        load: `120 uploads of 54 MB, half of them on one session; ${megabytes.toFixed(0)} MB went out`,
        complaints: [
          ...(countOf(answers, 409) >= 59
            ? []
            : [`${countOf(answers, 409)} of 59 second uploads of a session were refused`]),
          ...(countOf(answers, 503) > 0 ? [] : ['no upload was shed']),
          ...comeBack(answers),
          ...(await stillServes(url)),
        ],
      };
    },
  },
  {
    name: 'empty-frames',
    sentence: 'Empty WebSocket frames cost the client nothing and the service its time.',
    async run({ url }) {
      const id = await openSession(url);
      const sent = await flood(url, id, { first: START, message: Buffer.alloc(0), count: 740_000, limitMs: 15_000 });
      return {
        load: `${sent.count} of 740,000 empty frames`,
        complaints: [...(sent.closed === undefined ? ['the connection stayed open'] : []), ...(await stillServes(url))],
      };
    },
  },
  {
    name: 'tiny-frames',
    sentence: 'Frames of one sample go on for ever, below any limit of audio.',
    async run({ url }) {
      const id = await openSession(url);
      const sent = await flood(url, id, { first: START, message: Buffer.alloc(2), count: 740_000, limitMs: 15_000 });
      return {
        load: `${sent.count} of 740,000 frames of one sample`,
        complaints: [...(sent.closed === undefined ? ['the connection stayed open'] : []), ...(await stillServes(url))],
      };
    },
  },
  {
    name: 'unread-errors',
    sentence: 'Bad messages are answered to a client that reads nothing.',
    async run({ url }) {
      const id = await openSession(url);
      const sent = await flood(url, id, { message: 'x', count: 7_400_000, limitMs: 15_000, paused: true });
      return {
        load: `${sent.count} of 7,400,000 messages of one byte, no answer read`,
        complaints: [...(sent.closed === undefined ? ['the connection stayed open'] : []), ...(await stillServes(url))],
      };
    },
  },
  {
    name: 'silent-sockets',
    sentence: 'Sockets that only start a turn take every slot.',
    async run({ url }) {
      const beganAt = performance.now();
      const sockets = await askMany(1000, 50, async () => {
        const answer = await session(url);
        const id = /"id":"([\w.-]+)"/.exec(answer.text)?.[1];
        return { answer, socket: id === undefined ? undefined : await silentSocket(url, id, START) };
      });
      const last = await askMany(20, 20, () => session(url));
      const full = [...sockets.map(({ answer }) => answer), ...last];
      const waited = async (): Promise<string[]> => {
        for (; performance.now() - beganAt < 75_000; await sleep(1000))
          if ((await session(url)).status === 201) return [];
        return ['no slot is free after 75 s'];
      };
      const complaints = [
        ...(countOf(full, 503) > 0 ? [] : ['no session was refused']),
        ...comeBack(full),
        ...(await waited()),
      ];
      const freeAfterS = ((performance.now() - beganAt) / 1000).toFixed(0);
      for (const { socket } of sockets) socket?.end();
      return { load: `1,000 sockets that start and say nothing; a slot is free after ${freeAfterS} s`, complaints };
    },
  },
  {
    name: 'reading-back',
    sentence: 'Reading captures back costs memory and disk: long sessions, unknown ids, many folders, pipes.',
    prepare(dataFolder) {
      const day = join(dataFolder, 'captures/2026/11/25');
      for (let index = 0; index < 20_000; index++)
        mkdirSync(join(day, `f${String(index).padStart(19, '0')}`), { recursive: true });
      const bundle = new URL('../../fixtures/sessions/format-1/8a06638042f98f48e9ce/', import.meta.url);
      execFileSync('cp', ['-r', bundle.pathname, join(day, '8a06638042f98f48e9ce')]);
      for (let index = 0; index < 40; index++)
        writeFileSync(
          join(day, '8a06638042f98f48e9ce/audio', `${String(index).padStart(64, '0')}.pcm`),
          Buffer.alloc(4e6),
        );
      mkdirSync(join(day, 'abcdefabcdefabcdefab'));
      execFileSync('mkfifo', [join(day, 'abcdefabcdefabcdefab/session.json')]);
      mkdirSync(join(day, 'bbcdefabcdefabcdefab'));
      symlinkSync('/proc/self/environ', join(day, 'bbcdefabcdefabcdefab/session.json'));
      mkdirSync(join(dataFolder, 'spool'), { recursive: true });
      const line = `${'x'.repeat(999)}\n`.repeat(1000);
      for (let index = 0; index < 200; index++)
        writeFileSync(join(dataFolder, 'spool', `spool-${String(index).padStart(8, '0')}.jsonl`), line);
    },
    async run({ url }) {
      const known = await askMany(64, 8, () => ask(url, 'GET', '/v1/sessions/8a06638042f98f48e9ce/turns/0'));
      const beganAt = performance.now();
      const unknown = await askMany(40, 8, (index) =>
        ask(url, 'GET', `/v1/sessions/e${String(index).padStart(19, '0')}`),
      );
      const eachMs = (performance.now() - beganAt) / unknown.length;
      const erased = await askMany(8, 2, (index) =>
        ask(url, 'DELETE', `/v1/sessions/d${String(index).padStart(19, '0')}`),
      );
      const pipes = await askMany(8, 8, () => ask(url, 'GET', '/v1/sessions/abcdefabcdefabcdefab'));
      const link = await ask(url, 'GET', '/v1/sessions/bbcdefabcdefabcdefab');
      return {
        load: `64 turns of a session with 160 MB of audio, 20,000 captures, 200 MB of spool; an unknown id ${eachMs.toFixed(0)} ms`,
        complaints: [
          ...(known.every(({ status }) => status === 200 || status === 503) && countOf(known, 200) > 0
            ? []
            : ['a turn cannot be read back']),
          ...comeBack(known),
          ...(countOf(unknown, 404) === unknown.length ? [] : ['an unknown id is not a 404']),
          ...(eachMs < 100 ? [] : [`an unknown id costs ${eachMs.toFixed(0)} ms`]),
          ...(countOf(erased, 404) === erased.length ? [] : ['an unknown id can be erased']),
          ...(countOf(pipes, 404) === pipes.length ? [] : ['a pipe is read as a session']),
          ...expected('a link as session.json', link, 404),
          ...(await stillServes(url)),
        ],
      };
    },
  },
  {
    name: 'http-odds',
    sentence: 'What clients send that is odd, not hostile: h2c, broken escapes, uploads that are given up.',
    async run({ url, log }) {
      const h2c = await ask(url, 'GET', '/healthz', {
        headers: { connection: 'Upgrade, HTTP2-Settings', upgrade: 'h2c', 'http2-settings': 'AAMAAABkAAQAAP__' },
      });
      const escape = await ask(url, 'GET', '/v1/sessions/%E0%A4%A');
      const id = await openSession(url);
      await uploadUnfinished(url, `/v1/sessions/${id}/turns`, { bytes: 1e6, headers: WAV, holdMs: 200 });
      await sleep(300);
      return {
        load: 'one of each',
        complaints: [
          ...expected('an offer of h2c', h2c, 200),
          ...expected('a broken escape', escape, 400, 404),
          ...(/"level":50/.test(log()) ? ['a client’s doing is logged as an internal error'] : []),
          ...(await stillServes(url)),
        ],
      };
    },
  },
];

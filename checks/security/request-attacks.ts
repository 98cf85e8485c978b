/** Attacks by requests: strategies, pages, uploads, reading back. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  askSession,
  comeBack,
  countOf,
  expected,
  openAttacked,
  postTurn,
  stillServes,
  WAV,
  type Attack,
} from './attack.ts';
import { askMany, askUnread, openSocket, request, uploadUnfinished } from './attacker.ts';
import { SECRET } from './victim.ts';

export const REQUEST_ATTACKS: readonly Attack[] = [
  {
    name: 'named-files',
    sentence: 'A strategy names files of the server: its environment, an endless device, a pipe.',
    control: '482cba4',
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
      const answers = await Promise.all(strategies.map((strategy) => askSession(url, { language: 'en', strategy })));
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
      const id = await openAttacked(url);
      const rebound = await request(url, 'GET', `/v1/sessions/${id}`, { headers: { host: 'rebound.example' } });
      const crossSite = await request(url, 'GET', `/v1/sessions/${id}`, {
        headers: { 'sec-fetch-site': 'cross-site' },
      });
      const socket = await openSocket(url, id, evil);
      const plain = await askMany(1000, 50, () =>
        request(url, 'POST', '/v1/sessions', {
          headers: { ...evil, 'content-type': 'text/plain' },
          body: '{"language":"en"}',
        }),
      );
      const simple = await request(url, 'POST', '/v1/sessions', {
        headers: { 'content-type': 'text/plain' },
        body: '{}',
      });
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
      const same = await openAttacked(url);
      const others = await Promise.all(Array.from({ length: 60 }, () => openAttacked(url)));
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
          ...(countOf(answers, 409) > 30 ? [] : [`${countOf(answers, 409)} second uploads of a session were refused`]),
          ...(countOf(answers, 503) > 0 ? [] : ['no upload was shed']),
          ...comeBack(answers),
          ...(await stillServes(url)),
        ],
      };
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
      const known = await askMany(64, 8, () => request(url, 'GET', '/v1/sessions/8a06638042f98f48e9ce/turns/0'));
      const beganAt = performance.now();
      const unknown = await askMany(40, 8, (index) =>
        request(url, 'GET', `/v1/sessions/e${String(index).padStart(19, '0')}`),
      );
      const eachMs = (performance.now() - beganAt) / unknown.length;
      const erased = await askMany(8, 2, (index) =>
        request(url, 'DELETE', `/v1/sessions/d${String(index).padStart(19, '0')}`),
      );
      const pipes = await askMany(8, 8, () => request(url, 'GET', '/v1/sessions/abcdefabcdefabcdefab'));
      const link = await request(url, 'GET', '/v1/sessions/bbcdefabcdefabcdefab');
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
    name: 'unread-answers',
    sentence: 'A long session is asked for again and again over one connection, and no answer is read.',
    async run({ url }) {
      const id = await openAttacked(url);
      const turns = await askMany(600, 1, () => postTurn(url, id));
      const page = await request(url, 'GET', `/v1/sessions/${id}`);
      const ended = await Promise.all(
        [1, 2].map(() => askUnread(url, `/v1/sessions/${id}`, { count: 1000, holdMs: 3000 })),
      );
      return {
        load: `twice 1,000 GETs of a session with ${countOf(turns, 200)} turns; one answer has ${(page.text.length / 1000).toFixed(0)} kB`,
        complaints: [
          ...(page.text.length < 300_000 ? [] : ['an answer grows with its session']),
          ...(ended.every(Boolean) ? [] : ['the connection stayed open']),
          ...(await stillServes(url)),
        ],
      };
    },
  },
  {
    name: 'http-odds',
    sentence: 'What clients send that is odd, not hostile: h2c, broken escapes, uploads that are given up.',
    async run({ url, log }) {
      const h2c = await request(url, 'GET', '/healthz', {
        headers: { connection: 'Upgrade, HTTP2-Settings', upgrade: 'h2c', 'http2-settings': 'AAMAAABkAAQAAP__' },
      });
      const escape = await request(url, 'GET', '/v1/sessions/%E0%A4%A');
      const id = await openAttacked(url);
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

/** Attacks by audio that is posted: long, slow, damaged. */
import { setTimeout as sleep } from 'node:timers/promises';
import { createOpusEncoder, webmOf } from '../../service/audio/opus.ts';
import { pcmAsWav } from '../../service/audio/pcm.ts';
import { keyedRandom } from '../../service/base/random.ts';
import {
  askSession,
  comeBack,
  countOf,
  expected,
  openAttacked,
  RECORDING,
  stillServes,
  WAV,
  type Attack,
} from './attack.ts';
import { request, uploadUnfinished, type Answer } from './attacker.ts';

const WEBM = { 'content-type': 'audio/webm' };
/** The attacker's address; users have 127.0.0.1. */
const FROM = '127.0.0.2';
const LONG_S = 299;
const TURN_LIMIT_MS = 3000;
const SHED_MS = 300;

interface Talked {
  slowestMs: number;
  turns: number;
  refused: Answer[];
}

/** A user who says one sentence after the other, and waits where the service sheds load. */
async function talkUntil(url: string, over: Promise<unknown>): Promise<Talked> {
  const talked: Talked = { slowestMs: 0, turns: 0, refused: [] };
  let isOver = false;
  void over.then(() => (isOver = true));
  while (!isOver) {
    const beganAt = performance.now();
    const answer = await postTurn(url, {}, { headers: WAV, body: RECORDING });
    if (answer.status === 503 && answer.text.includes('Overloaded')) {
      await sleep(SHED_MS);
      continue;
    }
    talked.turns++;
    talked.slowestMs = Math.max(talked.slowestMs, performance.now() - beganAt);
    if (answer.status !== 200) talked.refused.push(answer);
  }
  return talked;
}

function complaintsOf({ slowestMs, turns, refused }: Talked): string[] {
  return [
    ...(turns > 0 ? [] : ['another client got no turn']),
    ...(slowestMs < TURN_LIMIT_MS ? [] : [`a turn of another client took ${slowestMs.toFixed(0)} ms`]),
    ...(refused.length === 0 ? [] : [`another client got ${refused.map(({ status }) => status).join(', ')}`]),
  ];
}

async function postTurn(
  url: string,
  strategy: object,
  { headers, body, from }: { headers: Readonly<Record<string, string>>; body: Uint8Array; from?: string },
): Promise<Answer> {
  const opened = await askSession(url, { language: 'en', strategy });
  const id = /"id":"([\w.-]+)"/.exec(opened.text)?.[1];
  if (id === undefined) return opened;
  return request(url, 'POST', `/v1/sessions/${id}/turns`, { headers, body, from });
}

export const UPLOAD_ATTACKS: readonly Attack[] = [
  {
    name: 'long-audio',
    sentence: 'Five minutes of audio are resampled and encoded: the work for one client stops all others.',
    async run({ url }) {
      const silence = Array.from({ length: LONG_S * 50 }, () => new Uint8Array([0xf8, 0xff, 0xfe]));
      const webm = await webmOf(silence, 48_000);
      const wav = pcmAsWav(new Uint8Array(LONG_S * 48_000 * 4), 48_000);
      new DataView(wav.buffer).setUint16(22, 2, true);
      const stt = [{ sampleRateHz: 16_000 }, { format: 'webm-opus', sampleRateHz: 24_000 }];
      const attack = async (): Promise<Answer[]> => {
        const answers: Answer[] = [];
        for (const each of stt)
          answers.push(
            await postTurn(url, { stt: each }, { headers: WEBM, body: webm, from: FROM }),
            await postTurn(url, { stt: each }, { headers: WAV, body: wav, from: FROM }),
          );
        return answers;
      };
      const attacked = attack();
      const others = await talkUntil(url, attacked);
      const answers = await attacked;
      return {
        load: `${answers.length} uploads of ${LONG_S} s: WebM of ${(webm.length / 1e6).toFixed(2)} MB, stereo of 57 MB; another client's slowest turn ${others.slowestMs.toFixed(0)} ms`,
        complaints: [
          ...complaintsOf(others),
          ...(countOf(answers, 422) > 0 && countOf(answers, 422) + countOf(answers, 503) === answers.length
            ? []
            : [`answers ${answers.map(({ status }) => status).join()}`]),
        ],
      };
    },
  },
  {
    name: 'trickled-uploads',
    sentence: 'Uploads of one client fill the memory for audio and hold their last bytes back: all others get 503.',
    async run({ url }) {
      // 89.9 of 90 MB, in uploads that do not count as large
      const sizes = [...Array.from({ length: 22 }, () => 4e6), 3.4e6, 0.5e6];
      const ids = await Promise.all(sizes.map(() => openAttacked(url)));
      const attacked = Promise.all(
        sizes.map((bytes, index) =>
          uploadUnfinished(url, `/v1/sessions/${ids[index]}/turns`, { bytes, headers: WAV, holdMs: 8000, from: FROM }),
        ),
      );
      await sleep(2000);
      const others = talkUntil(url, attacked);
      const large = await postTurn(url, {}, { headers: WAV, body: pcmAsWav(new Uint8Array(8e6), 48_000) });
      const answers = (await attacked).flatMap(({ answer }) => answer ?? []);
      const talked = await others;
      return {
        load: `${sizes.length} uploads of 91 MB in all, never whole; another client's slowest turn ${talked.slowestMs.toFixed(0)} ms`,
        complaints: [
          ...complaintsOf(talked),
          ...expected('a large upload of another client', large, 422),
          ...comeBack(answers),
          ...(await stillServes(url)),
        ],
      };
    },
  },
  {
    name: 'damaged-webm',
    sentence: 'WebM files that send the container library in circles keep the decoder from others.',
    async run({ url }) {
      const encoder = createOpusEncoder(16_000);
      encoder.push(Int16Array.from({ length: 16_000 }, (_, at) => 8000 * Math.sin(at / 5)));
      const webm = await webmOf(encoder.packets, 16_000);
      const damaged = Array.from({ length: 16 }, (_, index) => {
        const random = keyedRandom('damaged WebM', 60 + index);
        const file = webm.slice();
        for (let hit = 0; hit < 4; hit++) file[Math.floor(random() * 400)] = random() * 256;
        return file;
      });
      const attacked = Promise.all(damaged.map((body) => postTurn(url, {}, { headers: WEBM, body, from: FROM })));
      await sleep(500);
      const beganAt = performance.now();
      const other = await postTurn(url, {}, { headers: WEBM, body: webm });
      const otherMs = performance.now() - beganAt;
      const answers = await attacked;
      const odd = answers.filter(({ status }) => ![200, 400, 415, 422, 503].includes(status));
      return {
        load: `${damaged.length} damaged files at once, ${countOf(answers, 415)} refused; another client's WebM took ${otherMs.toFixed(0)} ms`,
        complaints: [
          ...(otherMs < TURN_LIMIT_MS ? [] : [`another client's WebM waited ${otherMs.toFixed(0)} ms`]),
          ...(other.status === 200 || other.status === 422 ? [] : [`another client's WebM: ${other.status}`]),
          ...(odd.length === 0 ? [] : [`answers ${odd.map(({ status }) => status).join()}`]),
          ...(await stillServes(url)),
        ],
      };
    },
  },
];

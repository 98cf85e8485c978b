/**
 * Makes `fixtures/audio/*.wav`, `fixtures/interviews.json` and `fixtures/sessions.json` from `fixtures/scripts`. Needs espeak-ng
 * 1.51 and sox 14.4; the same versions give the same bytes (sox draws the same noise each time, nothing is dithered).
 *
 *     node scripts/make-fixtures.ts
 *
 * `speechEndMs` does not come from the detector: it is the last sample above −60 dBFS of the clean speech, before the
 * noise was mixed in.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { encodeWav, parseWav, rmsDbfs } from '../service/audio/pcm.ts';
import { interviewScripts, transcriptOf, type ScriptedInterview } from './interview-scripts.ts';

const SAMPLE_RATE_HZ = 16_000;
const LEAD_MS = 150;
const TAIL_MS = 1200;
/** A fixed instant, of every session. No figure depends on it. */
const STARTED_AT = '2026-11-25T09:00:00Z';
/** −60 dBFS as an absolute sample value. */
const QUIET_SAMPLE = 32768 * 10 ** (-60 / 20);

const root = join(import.meta.dirname, '..');
const scratch = mkdtempSync(join(tmpdir(), 'retake-fixtures-'));
const samplesOf = (ms: number): number => Math.round((ms * SAMPLE_RATE_HZ) / 1000);

/** Speaks a text, without the silence around it. */
function spokenByEspeak(text: string, interview: ScriptedInterview): Int16Array {
  const raw = join(scratch, 'raw.wav');
  const wav = join(scratch, 'speech.wav');
  execFileSync('espeak-ng', ['-v', interview.voice, '-s', String(interview.wordsPerMinute), '-w', raw, text]);
  execFileSync('sox', ['-D', raw, '-r', String(SAMPLE_RATE_HZ), '-b', '16', '-c', '1', wav, 'gain', '-6']);
  const { samples } = parseWav(readFileSync(wav));
  const loud = (sample: number): boolean => Math.abs(sample) > QUIET_SAMPLE;
  return samples.slice(samples.findIndex(loud), samples.findLastIndex(loud) + 1);
}

/** Noise of a given loudness, another stretch of it for each fixture. */
function noise(interview: ScriptedInterview, skipMs: number, count: number): Float64Array {
  const wav = join(scratch, 'noise.wav');
  const seconds = (skipMs + 1000) / 1000 + count / SAMPLE_RATE_HZ;
  const synth = ['synth', seconds.toFixed(3), interview.noise];
  execFileSync('sox', [
    '-R',
    '-D',
    '-n',
    '-r',
    String(SAMPLE_RATE_HZ),
    '-b',
    '16',
    '-c',
    '1',
    wav,
    ...synth,
    'gain',
    '-6',
  ]);
  const { samples } = parseWav(readFileSync(wav));
  const part = samples.subarray(samplesOf(skipMs), samplesOf(skipMs) + count);
  const gain = 10 ** ((interview.noiseDbfs - rmsDbfs(part, 0, part.length)) / 20);
  return Float64Array.from(part, (sample) => sample * gain);
}

function concat(parts: readonly Int16Array[]): Int16Array {
  const whole = new Int16Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

mkdirSync(join(root, 'fixtures', 'audio'), { recursive: true });
let totalBytes = 0;
const interviews = interviewScripts().map((interview) => ({
  name: interview.name,
  language: interview.language,
  systemPrompt: interview.systemPrompt,
  greeting: interview.greeting,
  turns: interview.turns.map((turn, index) => {
    const spoken = turn.utterance.map((part) =>
      typeof part === 'number' ? new Int16Array(samplesOf(part)) : spokenByEspeak(part, interview),
    );
    const speech = concat([new Int16Array(samplesOf(LEAD_MS)), ...spoken]);
    const clean = concat([speech, new Int16Array(samplesOf(TAIL_MS))]);
    const hiss = noise(interview, index * 4000, clean.length);
    const mixed = clean.map((sample, i) => Math.max(-32768, Math.min(32767, Math.round(sample + (hiss[i] ?? 0)))));
    const audio = `${interview.name}-${index + 1}.wav`;
    const bytes = encodeWav(mixed, SAMPLE_RATE_HZ);
    writeFileSync(join(root, 'fixtures', 'audio', audio), bytes);
    totalBytes += bytes.length;
    return {
      audio,
      transcript: transcriptOf(turn.utterance),
      reply: turn.reply,
      speechStartMs: LEAD_MS,
      speechEndMs: Math.round((speech.length * 1000) / SAMPLE_RATE_HZ),
    };
  }),
}));
const sessions = interviews.map(({ name, language, systemPrompt, greeting, turns }) => ({
  sessionId: name,
  startedAt: STARTED_AT,
  language,
  systemPrompt,
  history: [{ role: 'assistant', content: greeting }],
  turns: turns.map(({ audio, transcript, reply }) => ({ audio: `audio/${audio}`, transcript, reply })),
}));
const writeJson = (name: string, value: unknown): void =>
  writeFileSync(join(root, 'fixtures', name), `${JSON.stringify(value, undefined, 2)}\n`);
writeJson('interviews.json', interviews);
writeJson('sessions.json', { sessions });
rmSync(scratch, { recursive: true });
const turns = interviews.flatMap((interview) => interview.turns);
process.stdout.write(`${turns.length} turns, ${totalBytes} bytes\n`);
for (const turn of turns) {
  const first = (/^.*?[.?!](?= |$)/.exec(turn.reply) ?? [''])[0];
  const ok = turn.reply.length >= 150 && turn.reply.length <= 300 && first.includes(',') && first.length <= 110;
  process.stdout.write(
    `${turn.audio} ends ${turn.speechEndMs} ms, reply ${turn.reply.length}, first ${first.length} ${ok ? '' : 'NOT OK'}\n`,
  );
}

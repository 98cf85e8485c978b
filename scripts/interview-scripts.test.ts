/** `fixtures/interviews.json`, `fixtures/sessions.json` and `fixtures/audio` are what `fixtures/scripts` says. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { test } from 'node:test';
import { parseWav } from '../service/audio/pcm.ts';
import { loadInterviews } from '../sim/world/fixtures.ts';
import { interviewScripts, transcriptOf, type ScriptedInterview } from './interview-scripts.ts';

const FIXTURES = new URL('../fixtures/', import.meta.url);
const HINT = 'run: node_modules/.bin/node scripts/make-fixtures.ts';
const scripts = interviewScripts();
const interviews = loadInterviews();

/** The words of a script as `interviews.json` holds them. */
const wordsOf = ({ name, language, systemPrompt, greeting, turns }: ScriptedInterview): unknown => ({
  ...{ name, language, systemPrompt, greeting },
  turns: turns.map(({ utterance, reply }, index) => ({
    audio: `${name}-${index + 1}.wav`,
    transcript: transcriptOf(utterance),
    reply,
  })),
});

test('every script is spoken word for word, in both files; another word would show', () => {
  const spoken = interviews.map(({ turns, ...interview }) => ({
    ...interview,
    turns: turns.map(({ audio, transcript, reply }) => ({ audio, transcript, reply })),
  }));
  assert.deepEqual(spoken, scripts.map(wordsOf), HINT);
  const [first, ...others] = scripts;
  assert.notDeepEqual(spoken, [{ ...first!, greeting: 'Hm?' }, ...others].map(wordsOf));
  const files = readdirSync(new URL('scripts', FIXTURES)).map((file) => file.replace('.json', ''));
  assert.deepEqual(files.sort(), scripts.map(({ name }) => name).sort(), 'NAMES of scripts/interview-scripts.ts');
  const { sessions } = JSON.parse(readFileSync(new URL('sessions.json', FIXTURES), 'utf8')) as {
    sessions: { sessionId: string; turns: { audio: string }[] }[];
  };
  const said = interviews.map(({ name, turns }) => [name, ...turns.map(({ audio }) => `audio/${audio}`)]);
  assert.deepEqual(
    sessions.map(({ sessionId, turns }) => [sessionId, ...turns.map(({ audio }) => audio)]),
    said,
    HINT,
  );
});

test('recordings are 16 kHz, go on for over a second after the speech, and stay small together', () => {
  let bytes = 0;
  for (const { audio, speechEndMs } of interviews.flatMap(({ turns }) => turns)) {
    const path = new URL(`audio/${audio}`, FIXTURES);
    const { sampleRateHz, samples } = parseWav(readFileSync(path));
    assert.equal(sampleRateHz, 16_000, audio);
    assert.ok(samples.length / 16 - speechEndMs > 1000, audio);
    bytes += statSync(path).size;
  }
  assert.ok(bytes < 12e6, `${bytes} bytes`);
});

test('both languages, several lengths and paces, and more than one pause of another length', () => {
  assert.deepEqual(new Set(interviews.map(({ language }) => language)), new Set(['tr', 'en']));
  assert.deepEqual(new Set(interviews.map(({ turns }) => turns.length)), new Set([4, 5]));
  assert.ok(new Set(scripts.map(({ wordsPerMinute }) => wordsPerMinute)).size >= 6);
  const pausesMs = scripts.flatMap(({ turns }) =>
    turns.flatMap(({ utterance }) => utterance.filter((part) => typeof part === 'number')),
  );
  assert.ok(new Set(pausesMs).size >= 20 && Math.min(...pausesMs) <= 150 && Math.max(...pausesMs) < 500);
});

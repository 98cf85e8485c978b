/** `retake profile` over bundles on disk: the file it writes is a profile, and bad input is one clear error. */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { createBundleWriter } from '../../service/capture/bundle-writer.ts';
import { EXPORTER, FORMAT } from '../../service/capture/format.ts';
import { projectTurns } from '../../service/capture/projection.ts';
import { InputError } from '../../service/base/errors.ts';
import { measureTurn } from '../../service/turn-log/metrics.ts';
import { REFERENCE_DETECTOR } from '../../service/audio/speech-end.ts';
import { EXCHANGES_FILE, exchangeLine } from '../../sim/times/exchange-lines.ts';
import { observationsOf } from '../../sim/times/observed.ts';
import { loadProfile } from '../../sim/times/profile.ts';
import { capturedTurnsOf } from '../../replay/sessions/captured-session.ts';
import { captureStoreIn } from '../../replay/sessions/load.ts';
import { contextFor } from '../../testing/command-context.ts';
import { profileCommand, type ProfileCommandOptions } from './profile.ts';
import { uploadSessions } from '../../testing/sessions.ts';

const FOLDER = mkdtempSync(join(tmpdir(), 'retake-profile-'));
const DATA = join(FOLDER, 'data');
after(() => rmSync(FOLDER, { recursive: true, force: true }));
before(async () => {
  const { name, version, thresholdDbfs } = REFERENCE_DETECTOR;
  for (const session of await uploadSessions({ sessions: 5, turns: 2 })) {
    const { sessionId, language, systemPrompt, strategy, turns } = session;
    const bundle = createBundleWriter(captureStoreIn(DATA), {
      ...{ format: FORMAT, exporter: EXPORTER, level: 'full', sessionId, language, systemPrompt, world: 'sim' },
      ...{ startedEpochUs: turns[0]?.anchorUs ?? 0, commit: 'test', history: [], historyChars: [], endpoints: {} },
      ...{ systemPromptChars: systemPrompt.length, strategy: { ...strategy } },
      referenceDetector: { name, version, thresholdDbfs },
    });
    for (const log of turns) {
      const projection = projectTurns({ bundle });
      const sink = projection.opened(log.identity, log.zero, log.anchorUs);
      for (const event of log.events) sink?.(event);
      projection.closed(log, measureTurn(log));
    }
    await bundle.flushed();
  }
});

async function run(more: Partial<ProfileCommandOptions> = {}): Promise<string> {
  const lines: string[] = [];
  const context = contextFor({ out: (text) => void lines.push(text) });
  const out = join(FOLDER, 'profile.json');
  const from = more.bench === undefined ? { data: DATA } : {};
  await profileCommand(context, { sample: 100, base: 'seed', name: 'fitted', seed: '1', out, ...from, ...more });
  return lines.join('\n');
}

test('a profile fitted to bundles is read as the built-in ones are, and names its source', async () => {
  const text = await run();
  const profile = loadProfile(join(FOLDER, 'profile.json'));
  assert.equal(profile.name, 'fitted');
  assert.match(profile.description, /^Fitted to \d+ exchanges, \d{4}-.*Captured in sim\.$/);
  assert.match(
    profile.stt.waitMs.source,
    /^fitted: n 10, \d{4}-\d\d-\d\d.*left-out error of the fitted line p50 ±[\d.]+ %, p90 ±[\d.]+ %$/,
  );
  assert.equal(profile.stt.waitMs.quantiles.length, 10, 'every value that was seen');
  assert.match(text, /predicted: stand-ins/);
  assert.match(text, /stt transcriptions +10 /);
  const json = JSON.parse(await run({ json: true })) as { worlds: string[]; kinds: { kind: string }[] };
  assert.deepEqual([json.worlds, json.kinds.map(({ kind }) => kind).includes('tts stream')], [['sim'], true]);
});

test('captures that cannot be fitted, and broken profiles, are one error with its place', async () => {
  const refused = (message: RegExp) => (error: unknown) => error instanceof InputError && message.test(error.message);
  rmSync(join(FOLDER, 'profile.json'), { force: true });
  await assert.rejects(run({ sessions: 'session-0' }), refused(/nothing to fit: no kind of exchange has 8 answers/));
  await assert.rejects(run({ base: 'none' }), refused(/profile none: .*known profiles: seed, zero/));
  await assert.rejects(run({ name: 'A b' }), refused(/--name A b: use lower-case/));
  assert.equal(existsSync(join(FOLDER, 'profile.json')), false);
  await run();
  const file = join(FOLDER, 'profile.json');
  const text = readFileSync(file, 'utf8');
  writeFileSync(file, text.slice(0, 100));
  assert.throws(() => loadProfile(file), refused(/profile .*profile\.json: .*JSON/));
  writeFileSync(file, text.replaceAll('"waitMs"', '"waitS"'));
  assert.throws(() => loadProfile(file), refused(/profile\.json: profile\/stt must have required property 'waitMs'/));
});

test("a profile is fitted to a bench's folder as to captures; any other folder is refused", async () => {
  const bench = join(FOLDER, 'bench');
  mkdirSync(bench);
  const observed = (await uploadSessions({ sessions: 5, turns: 2 })).flatMap(capturedTurnsOf).flatMap(observationsOf);
  const lines = observed.map((each) => exchangeLine('sim', each));
  writeFileSync(join(bench, EXCHANGES_FILE), [...lines, ...lines].join(''));
  const text = await run({ bench });
  assert.match(text, /stt transcriptions +10 /, 'each draw once');
  const fitted = loadProfile(join(FOLDER, 'profile.json'));
  await run();
  assert.deepEqual(
    fitted.tts.stream,
    loadProfile(join(FOLDER, 'profile.json')).tts.stream,
    'the same as of the bundles',
  );
  const refused = (message: RegExp) => (error: unknown) => error instanceof InputError && message.test(error.message);
  await assert.rejects(
    run({ bench: FOLDER }),
    refused(/--bench .*exchanges\.jsonl: cannot be read \(ENOENT.*name the result folder/),
  );
});

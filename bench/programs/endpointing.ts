/**
 * `npm run bench -- endpointing`: premature ends of turn on the fixtures by silence, beside the endpointing that a shorter one saves.
 * No clock is read: every machine prints the same table.
 */
import { readFileSync } from 'node:fs';
import { parseWav } from '../../service/audio/pcm.ts';
import { createVad, type VadOptions } from '../../service/audio/vad.ts';
import { loadInterviews } from '../../sim/world/fixtures.ts';
import { commandOf } from '../../scripts/programs/options.ts';

const FIXTURES = new URL('../../fixtures/audio/', import.meta.url);
const FRAME_MS = 20;
/** Human recordings end with their speech: this much near silence is appended. */
const PADDING_MS = 1000;

interface Recording {
  samples: Int16Array;
  sampleRateHz: number;
  speechEndMs: number;
}

export interface EndpointingRow {
  engine: VadOptions['engine'];
  silenceMs: number;
  turns: number;
  /** Decisions before the speech's end: the user was cut off. */
  premature: number;
  /** Mean of speech end → decision over the other turns. */
  endpointingMs: number;
}

/** One row for each engine and silence, over all committed recordings: synthetic interviews with hesitations, and people. */
export function endpointingTable(silencesMs: readonly number[]): EndpointingRow[] {
  const recordings = [...scripted(), ...human()];
  return (['energy', 'webrtc'] as const).flatMap((engine) =>
    silencesMs.map((silenceMs) => {
      const decidedMs = recordings.map((recording) => decisionMs(recording, { engine, silenceMs }));
      const late = decidedMs.flatMap((atMs, index) => {
        const endMs = recordings[index]?.speechEndMs ?? 0;
        return atMs < endMs ? [] : [atMs - endMs];
      });
      return {
        engine,
        silenceMs,
        turns: recordings.length,
        premature: recordings.length - late.length,
        endpointingMs: Math.round(late.reduce((sum, each) => sum + each, 0) / late.length),
      };
    }),
  );
}

export function renderEndpointing(rows: readonly EndpointingRow[]): string {
  const lines = rows.map(({ engine, silenceMs, turns, premature, endpointingMs }) =>
    [engine.padEnd(7), pad(silenceMs, 10), pad(`${premature} of ${turns}`, 10), pad(endpointingMs, 14)].join('  '),
  );
  return ['engine   silence ms   premature  endpointing ms', ...lines].join('\n');
}

function pad(value: number | string, width: number): string {
  return String(value).padStart(width);
}

function decisionMs({ samples, sampleRateHz }: Recording, options: VadOptions): number {
  const vad = createVad(options, sampleRateHz);
  const frame = (sampleRateHz * FRAME_MS) / 1000;
  try {
    for (let from = 0; from < samples.length; from += frame) {
      if (vad.push(samples.subarray(from, from + frame)).ended) return ((from + frame) * 1000) / sampleRateHz;
    }
    return Infinity;
  } finally {
    vad.close();
  }
}

function scripted(): Recording[] {
  return loadInterviews().flatMap(({ turns }) =>
    turns.map(({ audio, speechEndMs }) => ({
      ...parseWav(readFileSync(new URL(audio, FIXTURES))),
      speechEndMs,
    })),
  );
}

function human(): Recording[] {
  const annotations: unknown = JSON.parse(readFileSync(new URL('human/annotations.json', FIXTURES), 'utf8'));
  if (!Array.isArray(annotations)) throw new TypeError('fixtures/audio/human/annotations.json is not a list');
  return annotations.map((annotation: unknown): Recording => {
    if (typeof annotation !== 'object' || annotation === null || !('file' in annotation && 'speechEndMs' in annotation))
      throw new TypeError('fixtures/audio/human/annotations.json: each entry needs file and speechEndMs');
    const wav = parseWav(readFileSync(new URL(`human/${String(annotation.file)}`, FIXTURES)));
    const padding = Int16Array.from(
      { length: (PADDING_MS * wav.sampleRateHz) / 1000 },
      (_, i) => ((i * 7919) % 201) - 100,
    );
    return { ...wav, samples: Int16Array.of(...wav.samples, ...padding), speechEndMs: Number(annotation.speechEndMs) };
  });
}

if (import.meta.main) {
  commandOf('npm run bench -- endpointing').parse();
  process.stdout.write(`${renderEndpointing(endpointingTable([800, 500, 400, 350, 300, 250]))}\n`);
}

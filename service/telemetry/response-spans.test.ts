import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Ledger, LedgerPart } from '../turn-log/ledger.ts';
import { PLAIN } from './draft.ts';
import { FEW_WAITS, HIDDEN_US, MAX_WAITS, responseDrafts } from './response-spans.ts';

const TURN = { ...PLAIN, name: 'turn', level: 0, startUs: 0, endUs: 1 } as const;
const WAIT_US = 50_000;

/** A wait for TTS, a moment of our code, a wait for TTS, and so on. */
function waitsWith(gapsUs: readonly number[]): { durations: number[]; hiddenUs: number } {
  const parts: LedgerPart[] = [];
  let at = 0;
  const part = (stage: LedgerPart['stage'], phase: LedgerPart['phase'], us: number): void => {
    parts.push({ stage, phase, fromUs: at, toUs: at + us } as LedgerPart);
    at += us;
  };
  part('tts', 'wait', WAIT_US);
  for (const gapUs of gapsUs) {
    part('our code', 'our code', gapUs);
    part('tts', 'wait', WAIT_US);
  }
  const [, ...waits] = responseDrafts({ zeroUs: 0, stopUs: at, parts } as unknown as Ledger, TURN, []);
  const durations = waits.map(({ startUs, endUs }) => (endUs ?? 0) - startUs + 1);
  return { durations, hiddenUs: durations.reduce((sum, us) => sum + us, 0) - WAIT_US * (gapsUs.length + 1) };
}

test('waits of a stage are joined while what they hide is short; long moments of our code stay outside', () => {
  const short = waitsWith(Array.from({ length: 9 }, () => 50));
  assert.deepEqual([short.durations.length, short.hiddenUs], [FEW_WAITS, 200]);
  const long = waitsWith(Array.from({ length: 9 }, () => 600));
  assert.deepEqual([long.durations.length, long.hiddenUs], [9, 600], 'a second one would hide more than 1 ms');
  assert.ok(long.hiddenUs <= HIDDEN_US);
  assert.equal(waitsWith(Array.from({ length: 30 }, () => 5000)).durations.length, MAX_WAITS, 'whatever they hide');
});

/** A run folder read back: span rows from its traces, and a page beside every report. */
import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { readBundle } from '../../service/capture/bundle-reader.ts';
import { filesIn } from '../../service/capture/store.ts';
import { measureTurn } from '../../service/turn-log/metrics.ts';
import type { Lane, TurnLog } from '../../service/base/events.ts';
import { otlpLineOf } from '../../service/telemetry/otel.ts';
import { buildReport } from './build.ts';
import { readRun, writePages } from './run-report.ts';

const BUNDLE = 'fixtures/sessions/format-1/52d7037fd5e995c80448';

/** The fixture's turn as two lanes of a run. */
async function runFolder(options: { traces: boolean }): Promise<string> {
  const [log = assert.fail('no turn')] = (await readBundle(filesIn(BUNDLE))).turns;
  const lane = (name: Lane, digit: string): TurnLog => ({
    ...log,
    identity: { ...log.identity, lane: name, variant: name, traceId: digit.repeat(32) },
  });
  const [a, b] = [lane('baseline', 'a'), lane('candidate', 'b')];
  const side = (turn: TurnLog) => ({
    arm: { lane: turn.identity.lane, variant: turn.identity.lane, commit: 'unknown', strategyHash: 'x' },
    turns: [measureTurn(turn).summary],
  });
  const report = buildReport({ world: 'sim', a: side(a), b: side(b) });
  const folder = mkdtempSync(join(tmpdir(), 'retake-run-'));
  for (const name of ['report.json', 'report-other.json']) writeFileSync(join(folder, name), JSON.stringify(report));
  const lines = [a, b].map((turn) => otlpLineOf(turn, measureTurn(turn)));
  if (options.traces) writeFileSync(join(folder, 'trace.otlp.jsonl'), lines.join(''));
  return folder;
}

test('span rows come from the traces beside the report; every report gets a page', async () => {
  const folder = await runFolder({ traces: true });
  const { report } = await readRun(folder);
  const row = report.spans?.find(({ path }) => path === 'turn › llm › http POST › http.wait');
  assert.ok(row !== undefined && row.n === 1 && row.deltaMs === 0 && row.onlyA === 0, JSON.stringify(row));
  assert.deepEqual(await writePages(folder), [join(folder, 'report-other.html'), join(folder, 'report.html')]);
  assert.match(readFileSync(join(folder, 'report.html'), 'utf8'), /Spans of 1 of 1 pairs are in this page/);
});

test("a page takes the place of a link, and the link's target stays as it is", async () => {
  const folder = await runFolder({ traces: false });
  const elsewhere = join(mkdtempSync(join(tmpdir(), 'retake-run-')), 'profile');
  writeFileSync(elsewhere, 'mine');
  symlinkSync(elsewhere, join(folder, 'report.html'));
  await writePages(folder);
  assert.equal(readFileSync(elsewhere, 'utf8'), 'mine');
  assert.match(readFileSync(join(folder, 'report.html'), 'utf8'), /^<!doctype html>/i);
});

test('without traces a report is a report', async () => {
  const folder = await runFolder({ traces: false });
  const { report, spans } = await readRun(folder);
  assert.deepEqual([report.spans, spans], [undefined, undefined]);
  await writePages(folder);
  assert.ok(existsSync(join(folder, 'report.html')));
});

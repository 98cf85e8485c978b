/** A report.json in which any one value is another: it is refused in one line, or every format of it can be read. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { InputError } from '../../service/base/errors.ts';
import { isObject } from '../../service/base/json.ts';
import { FASTER, reportOf } from '../../testing/sample-report.ts';
import { REPORT_FORMATS, renderReport, type ReportFormat } from './formats.ts';
import { readReport } from './json.ts';

const folder = mkdtempSync(join(tmpdir(), 'retake-mangled-'));
after(() => rmSync(folder, { recursive: true, force: true }));
const path = join(folder, 'report.json');

type Path = readonly (string | number)[];

/** Paths of all values, of a list those of its first entry. */
function pathsOf(value: unknown, here: Path = []): Path[] {
  const inside = Array.isArray(value)
    ? value.slice(0, 1).flatMap((each, index) => pathsOf(each, [...here, index]))
    : isObject(value)
      ? Object.entries(value).flatMap(([key, each]) => pathsOf(each, [...here, key]))
      : [];
  return here.length === 0 ? inside : [here, ...inside];
}

/** `value` with another one at `path`. */
function changed(value: unknown, [key, ...rest]: Path, to: unknown): unknown {
  if (key === undefined) return to;
  if (Array.isArray(value)) return value.map((each, index) => (index === key ? changed(each, rest, to) : each));
  return { ...Object(value), [key]: changed(Object(value)[key], rest, to) };
}

const FAILED = {
  ...reportOf({
    ...FASTER,
    captured: (FASTER.captured ?? []).map((turn) => ({
      ...turn,
      failure: { stage: 'stt', kind: 'timeout', message: 'late' },
      model: { requested: 'a', served: 'b', provider: 'c' },
    })),
  }),
  texts: [{ traceId: 'a'.repeat(32), turnIndex: 0, transcript: 'heron', reply: 'stork' }],
};

async function outcomeOf(json: unknown): Promise<'read' | 'refused' | string> {
  writeFileSync(path, JSON.stringify(json));
  try {
    const report = readReport(path);
    for (const format of REPORT_FORMATS) await renderReport(format as ReportFormat, report);
    return 'read';
  } catch (error) {
    return error instanceof InputError ? 'refused' : String(error);
  }
}

const OTHERS = ['heron', { heron: null }, [null], -1];

test('null, or a value of another type, in the place of any value', async () => {
  const places = pathsOf(JSON.parse(JSON.stringify(FAILED)));
  assert.equal(await outcomeOf(FAILED), 'read', 'control');
  const count: Record<string, number> = {};
  for (const [index, place] of places.entries())
    for (const to of [null, OTHERS[index % OTHERS.length]]) {
      const outcome = await outcomeOf(changed(FAILED, place, to));
      count[outcome] = (count[outcome] ?? 0) + 1;
      assert.match(outcome, /^(read|refused)$/, `${place.join('.')}: ${JSON.stringify(to)}`);
    }
  assert.ok((count['read'] ?? 0) > 50 && (count['refused'] ?? 0) > 50, JSON.stringify(count));
});

/** The mutations find faults that are planted in toy parsers, and the same seed finds the same. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fieldOf } from '../../service/base/json.ts';
import { InputError } from '../../service/base/errors.ts';
import { caseOf, complaintOf, fuzz, type ParserRow } from './fuzz.ts';
import { REPLAY_ROWS } from './replay-rows.ts';
import { serviceRows } from './service-rows.ts';

const textOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString('utf8');
const SAMPLE = Buffer.from('{"type":"start","list":[1,2,{"name":"x"}]}');

/** Reads `list` of an object, as a careful parser does. */
function careful(bytes: Uint8Array): number {
  let json: unknown;
  try {
    json = JSON.parse(textOf(bytes));
  } catch {
    throw new InputError('not JSON');
  }
  const list: unknown = Object(json).list;
  if (!Array.isArray(list)) throw new InputError('no list');
  return list.length;
}

const row = (name: string, parse: ParserRow['parse'], more: Partial<ParserRow> = {}): ParserRow => ({
  ...{ name, samples: [SAMPLE, Buffer.from('{"list":[]}')], parse },
  isDeclared: (error) => error instanceof InputError,
  ...more,
});

const depthOf = (value: unknown): number =>
  Array.isArray(value)
    ? 1 + Math.max(0, ...value.map(depthOf))
    : typeof value === 'object' && value !== null
      ? 1 + Math.max(0, ...Object.values(value).map(depthOf))
      : 0;

/** Each breaks in one way that the careful parser does not. */
const PLANTED: readonly [what: string, row: ParserRow, found: RegExp][] = [
  [
    'a type that is believed',
    row('believes', (bytes) => (careful(bytes), Object(JSON.parse(textOf(bytes))).type.length as number)),
    /TypeError/,
  ],
  ['recursion', row('recurses', (bytes) => (careful(bytes), depthOf(JSON.parse(textOf(bytes))))), /RangeError/],
  [
    'JSON that is not expected to be none',
    row('parses', (bytes) => JSON.parse(textOf(bytes)) as unknown),
    /SyntaxError/,
  ],
  [
    'time that grows with the square',
    row(
      'dawdles',
      (bytes) => {
        const endMs = performance.now() + (bytes.length > 15_000 ? 15 : 0);
        while (performance.now() < endMs);
      },
      { limitMs: 10 },
    ),
    /takes \d+ ms, more than 10/,
  ],
  [
    'a promise that rejects late',
    row('rejects', async (bytes) => (await Promise.resolve(), Object(JSON.parse(textOf(bytes))).type.length as number)),
    /TypeError|SyntaxError/,
  ],
];

for (const [what, planted, found] of PLANTED) {
  test(`found in 500 cases: ${what}`, async () => {
    const { findings } = await fuzz([planted], 'planted', { isOver: (done) => done >= 500 });
    assert.ok(
      findings.some((finding) => found.test(finding.what)),
      JSON.stringify(findings),
    );
    const [first] = findings;
    assert.deepEqual(
      caseOf([planted], 'planted', first?.index ?? -1),
      caseOf([planted], 'planted', first?.index ?? -1),
    );
  });
}

test('control: a careful parser holds, and the damage reaches what it guards against', async () => {
  let [lists, refused] = [0, 0];
  const counted = row('counts', (bytes) => {
    try {
      careful(bytes);
      lists++;
    } catch (error) {
      refused++;
      throw error;
    }
  });
  const { cases, findings } = await fuzz([counted], 'control', { isOver: (done) => done >= 1000 });
  assert.deepEqual([cases, findings], [1000, []]);
  assert.ok(lists > 100 && refused > 100, `${lists} read, ${refused} refused`);
});

/** Samples that are refusals themselves. */
const REFUSED = /"error"|^...$/s;

test('every row reads its samples undamaged, and damage changes what it reads', async () => {
  const rows = [...(await serviceRows()), ...REPLAY_ROWS];
  for (const each of rows) {
    for (const sample of each.samples.filter((bytes) => !REFUSED.test(textOf(bytes).slice(0, 200))))
      await assert.doesNotReject(async () => each.parse(sample), `${each.name}: ${textOf(sample).slice(0, 80)}`);
    assert.equal(await complaintOf(each, Buffer.alloc(0)), undefined, each.name);
  }
  const events = rows.find(({ name }) => name.startsWith('events.jsonl')) ?? assert.fail('no such row');
  const turnsIn = async (bytes: Uint8Array): Promise<unknown> =>
    fieldOf(fieldOf(await events.parse(bytes), 'turns'), 'length');
  const [sample = Buffer.alloc(0)] = events.samples;
  assert.deepEqual([await turnsIn(sample), await turnsIn(sample.subarray(0, 900))], [1, 0]);
});

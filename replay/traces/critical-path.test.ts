/** Each case has its drawing; numbers are ms. `█` is on the path. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { criticalPath } from './critical-path.ts';
import { treesOf, type PlainSpan, type TraceNode } from './trace-tree.ts';

type Row = [name: string, parent: string, startUs: number, endUs: number];

function tree(rows: readonly Row[]): TraceNode {
  const spans = rows.map(([name, parent, startUs, endUs]): PlainSpan => ({
    spanId: name,
    parentSpanId: parent,
    name,
    startUs,
    endUs,
  }));
  const [root] = treesOf(spans, Infinity).roots;
  return root ?? assert.fail('no root');
}

function pathOf(rows: readonly Row[], window?: { fromUs: number; toUs: number }): string {
  return criticalPath(tree(rows), window)
    .map(({ node, fromUs, toUs }) => `${node.span.name} ${fromUs}–${toUs}`)
    .join(', ');
}

const CASES: readonly [what: string, rows: Row[], expected: string, window?: { fromUs: number; toUs: number }][] = [
  [
    // turn ├─────────────────────┤
    // stt  ███████
    // llm         ███████
    // tts                █████████   Jaeger skips llm: it ends where tts starts
    'touching siblings are all on the path',
    [
      ['turn', '', 0, 2001],
      ['stt', 'turn', 1, 801],
      ['llm', 'turn', 801, 1501],
      ['tts', 'turn', 1501, 2001],
    ],
    'turn 0–1, stt 1–801, llm 801–1501, tts 1501–2001',
  ],
  [
    // llm     ██████──────┤          a stream feeds its successor
    // tts           ███████████
    'streaming overlap: until the successor starts, the stream is what it waits for',
    [
      ['turn', '', 0, 2000],
      ['stt', 'turn', 0, 801],
      ['llm', 'turn', 801, 1700],
      ['tts', 'turn', 1100, 2000],
    ],
    'stt 0–801, llm 801–1100, tts 1100–2000',
  ],
  [
    'a gap between children is the parent’s own',
    [
      ['turn', '', 0, 100],
      ['stt', 'turn', 10, 40],
      ['tts', 'turn', 60, 90],
    ],
    'turn 0–10, stt 10–40, turn 40–60, tts 60–90, turn 90–100',
  ],
  [
    'a span without length is not on the path and does not end the walk, at 0 either',
    [
      ['turn', '', 0, 100],
      ['mark', 'turn', 0, 0],
      ['also', 'turn', 50, 50],
      ['end', 'turn', 100, 100],
      ['stt', 'turn', 0, 50],
      ['llm', 'turn', 50, 100],
    ],
    'stt 0–50, llm 50–100',
  ],
  [
    // turn   ├────────────────┤
    // llm       ████
    // flush       ──█████───      child of llm, ends after it
    'what a child does after its parent ended is still its own',
    [
      ['turn', '', 0, 100],
      ['llm', 'turn', 10, 40],
      ['flush', 'llm', 30, 70],
      ['tts', 'turn', 70, 100],
    ],
    'turn 0–10, llm 10–30, flush 30–70, tts 70–100',
  ],
  [
    'a child that starts before its parent keeps its early part, one that overflows the root ends with it',
    [
      ['turn', '', 0, 100],
      ['late', 'turn', 40, 120],
      ['early', 'late', 20, 60],
    ],
    'turn 0–20, early 20–60, late 60–100',
  ],
  [
    'a child wholly before or after its parent is not charged to the parent',
    [
      ['turn', '', 0, 100],
      ['llm', 'turn', 50, 100],
      ['before', 'llm', 10, 30],
    ],
    'turn 0–10, before 10–30, turn 30–50, llm 50–100',
  ],
  [
    // other   ├───┤              finished, and nobody waited for it
    // slow    ████████████
    'of two that run side by side the one that finishes last is waited for; ties go to the longer one',
    [
      ['turn', '', 0, 100],
      ['other', 'turn', 0, 30],
      ['slow', 'turn', 0, 100],
      ['tied', 'turn', 50, 100],
    ],
    'slow 0–100',
  ],
  [
    'grandchildren: the walk goes down to whoever held the instant',
    [
      ['turn', '', 0, 100],
      ['llm', 'turn', 0, 100],
      ['http', 'llm', 5, 95],
      ['tls', 'http', 5, 25],
      ['wait', 'http', 25, 95],
    ],
    'llm 0–5, tls 5–25, wait 25–95, llm 95–100',
  ],
  [
    'a window inside a conversation: only the wait counts',
    [
      ['turn', '', 0, 1000],
      ['stt', 'turn', 100, 300],
      ['tts', 'turn', 300, 900],
    ],
    'stt 200–300, tts 300–400',
    { fromUs: 200, toUs: 400 },
  ],
  ['a turn without length has no parts', [['turn', '', 5, 5]], ''],
];
for (const [what, rows, expected, window] of CASES) {
  test(what, () => assert.equal(pathOf(rows, window), expected));
}

const spans = fc.array(
  fc.record({
    parent: fc.nat(30),
    startUs: fc.oneof(fc.nat(1000), fc.constantFrom(0, 500)),
    lengthUs: fc.oneof(fc.nat(600), fc.constant(0)),
  }),
  { maxLength: 25 },
);

test('parts are contiguous and add up to the window, for any spans', () => {
  let many = 0;
  fc.assert(
    fc.property(spans, fc.nat(300), fc.integer({ min: 301, max: 1200 }), (drawn, fromUs, toUs) => {
      const rows: Row[] = drawn.map(({ parent, startUs, lengthUs }, index) => [
        `s${index}`,
        index === 0 ? 'root' : parent % (index + 1) === index ? 'root' : `s${parent % index}`,
        startUs,
        startUs + lengthUs,
      ]);
      const parts = criticalPath(tree([['root', '', 0, 1000], ...rows]), { fromUs, toUs });
      let atUs = fromUs;
      for (const part of parts) {
        assert.equal(part.fromUs, atUs);
        assert.ok(part.toUs > part.fromUs);
        if (part.node.span.name !== 'root') {
          assert.ok(part.fromUs >= part.node.span.startUs && part.toUs <= part.node.span.endUs, 'while its span ran');
        }
        atUs = part.toUs;
      }
      assert.equal(atUs, toUs);
      if (parts.length > 3) many++;
    }),
    { seed: 1, numRuns: 2000 },
  );
  assert.ok(many > 300, `control: ${many} paths with more than three parts`);
});

test('a chain of 20,000 levels does not overflow the stack', () => {
  const rows = Array.from({ length: 20_000 }, (_, index): Row => [
    `s${index}`,
    index === 0 ? '' : `s${index - 1}`,
    0,
    20_000 - index,
  ]);
  const parts = criticalPath(tree(rows));
  assert.equal(parts.length, 20_000);
});

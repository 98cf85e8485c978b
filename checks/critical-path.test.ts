/** Jaeger's critical path is the ledger, under every named variant and where calls fail, are repeated or are interrupted. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { spansOf, type SpanRecord, type TraceView, DEFAULT_VIEW } from '../service/telemetry/spans.ts';
import { resolveStrategy } from '../service/strategy/patch.ts';
import { measureTurn } from '../service/turn-log/metrics.ts';
import { namedVariants } from '../replay/variants/variants.ts';
import { jaegerCriticalPath, pathByStageUs, pathComplaints, type PathSpan } from '../testing/jaeger-critical-path.ts';
import { flatProfile } from '../testing/flat-profile.ts';
import { tones, turnByHand } from '../testing/turn-by-hand.ts';
import { play } from './random-turns/combined-turn.ts';

/** Each wait is a microsecond short of its ledger part; what moments of our code a wait may hold is less. */
const SLACK_US = 2000;

const VIEWS: readonly TraceView[] = [DEFAULT_VIEW, { ...DEFAULT_VIEW, playback: 'full' }];

test('the rule, on spans that can be followed by eye', () => {
  const span = (name: string, parentSpanId: string | undefined, startUs: number, endUs: number): PathSpan => ({
    spanId: name,
    parentSpanId,
    name,
    startUs,
    endUs,
    links: [],
  });
  const path = (...spans: PathSpan[]): string[] =>
    jaegerCriticalPath(spans).map(({ span: { name }, fromUs, toUs }) => `${name} ${fromUs}-${toUs}`);
  const root = span('root', undefined, 0, 100);
  assert.deepEqual(path(root, span('a', 'root', 10, 40), span('b', 'root', 50, 90)), [
    'root 90-100',
    'b 50-90',
    'root 40-50',
    'a 10-40',
    'root 0-10',
  ]);
  assert.deepEqual(
    path(root, span('a', 'root', 10, 50), span('b', 'root', 50, 100)),
    ['b 50-100', 'root 0-50'],
    'they touch',
  );
  assert.deepEqual(path(root, span('a', 'root', 10, 150)), ['a 10-100', 'root 0-10'], 'cut to its parent');
  assert.deepEqual(path({ ...root, links: [{}] }, span('a', 'root', 10, 40)), [], 'the root is linked');
});

test('every named variant: the path has the ledger’s stages, and nothing that nobody waited for', async () => {
  for (const { name, patch } of namedVariants()) {
    const { turn } = await play(resolveStrategy([patch], name), name);
    const measured = measureTurn(turn.log);
    for (const view of VIEWS) {
      const spans = spansOf(turn.log, measured, view);
      assert.deepEqual(pathComplaints(spans, measured.summary.ledger, SLACK_US), [], name);
      assert.equal(errorsIn(spans), 0, name);
    }
  }
});

const PROFILE = flatProfile({ stt: 300, llm: 400, tts: 200, deltaGap: 30, deltaChars: 12 });
test('control: spans that touch, or a link on the root, tell another story', async () => {
  const { log, summary } = await turnByHand({ profile: PROFILE, tones: tones(2500, [[200, 1200]]) });
  const spans = spansOf(log, measureTurn(log));
  assert.deepEqual(pathComplaints(spans, summary.ledger, 10), []);
  assert.equal(pathByStageUs(spans).get('llm'), (summary.ledger.find(({ stage }) => stage === 'llm')?.us ?? 0) - 1);
  const touching = spans.map((span) => (span.name.startsWith('wait') ? { ...span, endUs: span.endUs + 1 } : span));
  assert.notDeepEqual(pathComplaints(touching, summary.ledger, SLACK_US), []);
  const [root, ...rest] = spans;
  assert.ok(root !== undefined);
  const linked = [{ ...root, links: [{ traceId: 'a'.repeat(32), spanId: 'b'.repeat(16) }] }, ...rest];
  assert.notDeepEqual(pathComplaints(linked, summary.ledger, SLACK_US), []);
});

function errorsIn(spans: readonly SpanRecord[]): number {
  return spans.filter(({ status }) => status.code === 'error').length;
}

import assert from 'node:assert/strict';
import test from 'node:test';
import * as conventions from '@opentelemetry/semantic-conventions/incubating';
import { readFileSync } from 'node:fs';
import { InputError } from '../base/errors.ts';
import { measureTurn } from '../turn-log/metrics.ts';
import type { Attrs } from '../base/events.ts';
import { ATTRIBUTES, MAX_SPANS, SERVICE_VERSION, SPANS, type AttributeSpec } from './names.ts';
import { failedTurn, wholeTurn, writeTurn } from '../../testing/sample-turn.ts';
import { spansOf, type SpanRecord } from './spans.ts';
import { spanIdOf } from './span-ids.ts';
import { identityAttributes, summaryOf } from './turn-attributes.ts';

/** Spans as a tree: times relative to the turn, what every span carries left out. */
function tree(spans: readonly SpanRecord[], shared: readonly string[]): string {
  const [root] = spans;
  const lines: string[] = [];
  const show = (span: SpanRecord, indent: string): void => {
    const own = Object.entries(span.attributes).filter(([key]) => !shared.includes(key));
    const error = span.status.code === 'error' ? ` ERROR(${span.status.message})` : '';
    const events = span.events.map(({ name, atUs }) => ` ${name}@${atUs - (root?.startUs ?? 0)}`).join('');
    const at = `[${span.startUs - (root?.startUs ?? 0)} ${span.endUs - (root?.startUs ?? 0)}]`;
    lines.push(`${indent}${span.name} ${span.kind} ${at}${error}${span.links.length > 0 ? ' linked' : ''}${events}`);
    if (span.name.startsWith('http ') || span.name === 'turn') {
      for (const [key, value] of own) lines.push(`${indent}    ${key}=${String(value)}`);
    }
    for (const child of spans) if (child.parentSpanId === span.spanId) show(child, `${indent}  `);
  };
  if (root !== undefined) show(root, '');
  return lines.join('\n');
}

const { log, measured } = wholeTurn();
const shared = Object.keys(identityAttributes(log));

/** What a person reads of the sample turn's wait: each stage's exchange takes 1 to 7 ms a phase. */
const WAIT = Object.fromEntries([
  ['endpointing detect', '500.0 ms'],
  ['our code', '1.1 ms'],
  ...['stt', 'llm', 'tts'].flatMap((stage) =>
    ['queue', 'dns', 'connect', 'tls', 'send', 'wait', 'body'].map((phase, index) => [
      `${stage} ${phase}`,
      `${index + 1}.0 ms`,
    ]),
  ),
  ['deliver silence', '20.0 ms'],
]);

test('a whole turn, as golden text', () => {
  const phases = (startUs: number): string =>
    ['http.queue', 'dns', 'tcp.connect', 'tls', 'http.send', 'http.wait', 'http.body']
      .map((name, index) => {
        const lengths = [1, 2, 3, 4, 5, 6, 15].map((ms) => ms * 1000);
        const fromUs = startUs + lengths.slice(0, index).reduce((sum, us) => sum + us, 0);
        return `      ${name} internal [${fromUs} ${fromUs + (lengths[index] ?? 0)}]`;
      })
      .join('\n');
  const exchange = (host: string, startUs: number): string => `    http POST client [${startUs} ${startUs + 36_000}]
        http.request.method=POST
        url.full=https://${host}.example:8443/v1/${host}
        server.address=${host}.example
        server.port=8443
        retake.http.attempt=0
        retake.http.fetch=0
        retake.http.reused=false
        network.protocol.version=1.1
        network.peer.address=192.0.2.1
        http.request.body.size=640
        retake.http.sent_known=true
        http.response.status_code=200
        http.response.body.size=100
        retake.http.chunks=1
        retake.http.complete=true
        retake.http.drained=true
        retake.stage=${host}
        peer.service=${host === 'llm' ? 'openrouter' : 'fal'}
${phases(startUs)}`;
  assert.equal(
    tree(spansOf(log, measured), shared),
    `turn server [0 1605103]
    retake.wait=${JSON.stringify(WAIT)}
    retake.e2e=605.1 ms
    retake.e2e_class=under-1s
    retake.e2e_us=605100
    retake.first_audio_byte_us=85100
    retake.first_content_audible_us=605100
    retake.reply_end_us=985100
    retake.stall_us=0
    retake.ledger=${JSON.stringify(measured.summary.ledger.map(({ stage, phase, us }) => [stage, phase, us]))}
    retake.service.endpointing_us=500000
    retake.service.stt_us=28200
    retake.service.llm_ttft_us=28200
    retake.service.tts_ttfb_us=28200
    retake.premature=false
    retake.model.requested=google/gemini-2.5-flash
    retake.model.served=google/gemini-2.5-flash-001
    retake.model.provider=Google
    retake.transcript_chars=12
    retake.reply_chars=9
    retake.reply_audio_ms=400
    retake.reused_first=false
    retake.cost_usd=0.00012
    retake.tts_chars=9
    retake.stt.uploads=1
    retake.stt.uploaded_bytes=48044
    retake.stt.uploads_wasted=0
    retake.stt.wasted_bytes=0
    retake.endpointing.decision=vad
    retake.new_connection=true
  speech internal [0 999999]
  response server [1000000 1605100]
    wait endpointing internal [1000000 1499999]
    wait stt internal [1500200 1528199]
    wait llm internal [1528500 1556499]
    wait tts internal [1556900 1584899]
    wait deliver internal [1585100 1605099]
  chunk internal [1556600 1556600]
  playback internal [1605101 1605102]
  stt client [1500100 1536200]
${exchange('stt', 1_500_200)}
  llm client [1528400 1564500] first token@1556600 piece to TTS@1556600
    llm.ttft internal [1528400 1556600]
${exchange('llm', 1_528_500)}
  tts client [1556800 1593000]
    tts.ttfb internal [1556800 1585000]
${exchange('tts', 1_556_900)}`,
  );
});

test('a failed turn: the last attempt, its phase and the call say so; unmeasured figures are absent', () => {
  const failed = failedTurn();
  const spans = spansOf(failed.log, failed.measured);
  assert.equal(
    tree(spans, shared)
      .split('\n')
      .filter((line) => !line.includes('='))
      .join('\n'),
    `turn server [0 2600] ERROR(STT cannot be reached)
  speech internal [0 99]
  stt client [200 2500] ERROR(connection refused)
    http POST client [300 900]
      http.queue internal [300 400]
      tcp.connect internal [400 900]
    http POST client [2000 2500] ERROR(connection refused) linked
      http.queue internal [2000 2500] ERROR(connection refused)
    backoff internal [900 1900]`,
  );
  const typed = spans.filter(({ attributes }) => attributes['error.type'] !== undefined);
  const red = spans.filter(({ status }) => status.code === 'error');
  assert.ok(red.every((span) => typed.includes(span)));
  assert.deepEqual(
    typed.filter((span) => !red.includes(span)).map(({ name }) => name),
    ['http POST', 'tcp.connect'],
    'the attempt that was made again',
  );
  const [, retry] = spans.filter((span) => span.name === 'http POST');
  assert.deepEqual(
    retry?.links.map((link) => link.spanId),
    [spans.find((span) => span.name === 'http POST')?.spanId],
  );
});

test('response lasts exactly as long as end-to-end, and no child leaves its parent', () => {
  const spans = spansOf(log, measured);
  const response = spans.find((span) => span.name === 'response');
  assert.equal((response?.endUs ?? 0) - (response?.startUs ?? 0), measured.summary.e2eUs);
  assert.deepEqual(strays(spans), []);
  // control: the check sees a stray
  const [turn, ...rest] = spans;
  assert.ok(turn !== undefined);
  assert.notDeepEqual(strays([{ ...turn, endUs: turn.endUs - 2 }, ...rest]), []);
});

function strays(spans: readonly SpanRecord[]): string[] {
  const byId = new Map(spans.map((span) => [span.spanId, span]));
  return spans
    .filter((span) => {
      if (span.parentSpanId === undefined) return span.name !== 'turn';
      const parent = byId.get(span.parentSpanId);
      return parent === undefined || span.startUs < parent.startUs || span.endUs > parent.endUs;
    })
    .map((span) => span.name);
}

test('ids depend on the trace and the ordinal only, are unique, and link a replay to its captured turn', () => {
  const ids = spansOf(log, measured).map((span) => span.spanId);
  assert.equal(new Set(ids).size, ids.length);
  assert.deepEqual(
    spansOf(log, measured).map((span) => span.spanId),
    ids,
  );
  for (const id of ids) assert.match(id, /^(?!0{16})[0-9a-f]{16}$/);
  const captured = spansOf(log, measured)[0];
  const replay = wholeTurn({ traceId: 'f'.repeat(32), linkedTraceId: log.identity.traceId });
  const spans = spansOf(replay.log, replay.measured);
  const linked = spans.filter(({ links }) => links.some(({ traceId }) => traceId === log.identity.traceId));
  // on the root the link would count as a parent
  assert.deepEqual(
    linked.map(({ name, links }) => [name, links]),
    [['response', [{ traceId: log.identity.traceId, spanId: captured?.spanId }]]],
  );
  assert.equal(spans[0]?.attributes[ATTRIBUTES.capturedTraceId.key], log.identity.traceId);
  const failed = failedTurn();
  const other = 'e'.repeat(32);
  const again = { ...failed.log, identity: { ...failed.log.identity, linkedTraceId: other } };
  assert.deepEqual(
    spansOf(again, failed.measured).flatMap(({ name, links }) =>
      links.some(({ traceId }) => traceId === other) ? [name] : [],
    ),
    ['speech'],
    'a failed replay has no response',
  );
  assert.notEqual(spans[0]?.spanId, captured?.spanId);
  assert.notEqual(spanIdOf('a', 1), spanIdOf('a', 2));
});

test('every emitted key is registered with its type; semantic conventions know the rest', () => {
  const registry = new Map<string, AttributeSpec>(Object.values(ATTRIBUTES).map((spec) => [spec.key, spec]));
  assert.equal(registry.size, Object.keys(ATTRIBUTES).length, 'keys are unique');
  const failed = failedTurn();
  for (const span of [...spansOf(log, measured), ...spansOf(failed.log, failed.measured)]) {
    assert.ok(span.name in SPANS);
    for (const [key, value] of Object.entries({ ...span.identity, ...span.attributes })) {
      const spec = registry.get(key);
      const type = Array.isArray(value) ? 'string[]' : typeof value === 'number' ? spec?.type : typeof value;
      assert.equal(type, spec?.type, key);
      assert.ok(spec?.type !== 'int' || Number.isSafeInteger(value), key);
    }
  }
  const known = new Set<unknown>(Object.values(conventions));
  for (const { key, source, unit } of registry.values()) {
    if (source === 'semconv') assert.ok(known.has(key), key);
    else assert.match(key, /^retake\./);
    const suffix = { us: /_us$/, ms: /_ms$/, usd: /_usd$/, dbfs: /_dbfs$/, By: /(_bytes|\.size)$/, s: /./, '': /./ };
    assert.match(key, suffix[unit]);
  }
  assert.ok(!known.has('retake.e2e_us'), 'control: the conventions do not know everything');
});

test('text, audio, queries and credentials never reach a span', () => {
  const everything = JSON.stringify(spansOf(log, measured));
  assert.doesNotMatch(everything, /secret/);
  assert.match(JSON.stringify(log), /secret words.*/, 'control: the log has them');
});

test('a turn span reads back as the summary that was measured', () => {
  const premature = writeTurn('audio', (at) => {
    const start = at('speech.start', 'endpointing', 0);
    const quiet = at('speech.quiet', 'endpointing', 10, start);
    at('turn.ended', 'endpointing', 20, quiet);
    at('speech.end', 'endpointing', 500);
  });
  for (const turn of [wholeTurn(), failedTurn(), premature]) {
    const [record] = spansOf(turn.log, turn.measured);
    assert.ok(record !== undefined);
    const span = { traceId: record.traceId, attributes: { ...record.identity, ...record.attributes } };
    assert.deepEqual(summaryOf(span), turn.measured.summary);
    assert.throws(() => summaryOf({ traceId: span.traceId, attributes: {} }), InputError);
    const { [ATTRIBUTES.premature.key]: flag, ...rest } = span.attributes;
    assert.equal(summaryOf({ traceId: span.traceId, attributes: rest }).premature, undefined, 'not told');
    assert.equal(flag, turn.measured.summary.premature);
  }
  assert.equal(premature.measured.summary.premature, true);
  assert.throws(
    () => summaryOf({ traceId: 'a', attributes: { ...identityAttributes(log), 'retake.ledger': '[["stt","x",1]]' } }),
    /not one of/,
  );
});

test('a turn of many pieces stays below the limit, parents before children, and counts the spans left out', () => {
  const { log: many, measured: figures } = writeTurn('audio', (at) => {
    const start = at('speech.start', 'endpointing', 0);
    const quiet = at('speech.quiet', 'endpointing', 10, start);
    const ended = at('turn.ended', 'endpointing', 20, quiet);
    const stt = at('stt.start', 'stt', 30, ended, { exchange: 'stt.0' });
    for (let fetch = 0; fetch < 120; fetch++) {
      for (let attempt = 0; attempt < 40; attempt++) {
        const exchange = `stt.0.${attempt}.${fetch}`;
        const attrs = { method: 'GET', url: 'https://a.example/poll' };
        const sent = at('http.start', 'stt', 40, stt, { exchange, attrs });
        at('http.queued', 'stt', 50, sent, { exchange, attrs: { reused: true } });
      }
    }
  });
  const spans = spansOf(many, measureTurn(many));
  assert.equal(spans.length, MAX_SPANS);
  assert.equal(spans[0]?.attributes[ATTRIBUTES.spansOmitted.key], 2 + 40 * 11 - MAX_SPANS);
  assert.deepEqual(strays(spans), []);
  const polls = spans.filter((span) => span.attributes[ATTRIBUTES.httpCount.key] !== undefined);
  assert.ok(polls.every((span) => span.attributes[ATTRIBUTES.httpCount.key] === 115));
  const [{ traceId, identity, attributes } = assert.fail()] = spans;
  assert.deepEqual(summaryOf({ traceId, attributes: { ...identity, ...attributes } }), figures.summary);
});

test('the registry names the version of the package', () => {
  const manifest: unknown = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
  assert.ok(typeof manifest === 'object' && manifest !== null && 'version' in manifest);
  assert.equal(manifest.version, SERVICE_VERSION);
});

test('a reused connection links to who paid for it: an exchange of this turn, or another turn', () => {
  const other = 'b'.repeat(32);
  const { log, measured } = writeTurn('audio', (at) => {
    const start = at('speech.start', 'endpointing', 0);
    const call = (id: string, fromUs: number, attrs: Attrs, more: Attrs = {}): void => {
      const exchange = `${id}.0.0`;
      const begun = at('tts.start', 'tts', fromUs, start, { exchange: id, attrs: { index: Number(id.slice(4)) } });
      const http = at('http.start', 'tts', fromUs, begun, { exchange, attrs: { method: 'POST', attempt: 0, ...more } });
      const queued = at('http.queued', 'tts', fromUs + 10, http, { exchange, attrs });
      at('http.failed', 'tts', fromUs + 20, queued, { exchange, attrs: { errorKind: 'x', message: 'x' } });
    };
    call('tts.0', 100, { reused: false, paidBy: 'own' });
    call('tts.1', 200, { reused: true, paidBy: 'tts.0.0.0' });
    call('tts.2', 300, { reused: true, paidBy: 'tts.1.0.0', paidTraceId: other });
    call('tts.3', 400, { reused: true, paidBy: 'ahead' }, { repeats: 'tts.2.0.0' });
  });
  const http = spansOf(log, measured).filter(({ name }) => name === 'http POST');
  const [own, sameTurn, otherTurn, repeat] = http.map(({ links }) => links);
  const idOf = (index: number): string => http[index]?.spanId ?? '';
  assert.deepEqual(own, []);
  assert.deepEqual(sameTurn, [{ traceId: log.identity.traceId, spanId: idOf(0) }]);
  assert.deepEqual(otherTurn, [{ traceId: other, spanId: spanIdOf(other, 0) }]);
  assert.deepEqual(repeat, [{ traceId: log.identity.traceId, spanId: idOf(2) }]);
});

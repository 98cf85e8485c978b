/** A stream whose events are JSON of another shape is a malformed answer, whoever reads it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { callBy, fetchOf } from '../../bench/programs/stream-bodies.ts';
import { StageError } from '../base/errors.ts';
import { LIVE_ENDPOINTS } from '../world.ts';
import { createOpenRouter } from './openrouter.ts';
import { eventText } from './sse.ts';

const llm = createOpenRouter({ ...LIVE_ENDPOINTS, openRouterKey: 'k', keys: ['k'] });
// the client reads a field of each choice before it hands the event on
const ODD: readonly unknown[] = [{ choices: [null] }, { choices: [3, null] }, { choices: null }, null, [null]];

for (const sse of ['sdk', 'parser'] as const) {
  test(`events of another shape, read by ${sse}, are malformed and no internal error`, async () => {
    for (const odd of ODD) {
      const request = { model: 'm', messages: [], maxTokens: 9, sessionId: 's', fallback: [], sse };
      const call = callBy(fetchOf([Buffer.from(eventText(odd))]));
      await assert.rejects(
        llm.stream(request, call, () => undefined),
        (error) => {
          assert.ok(error instanceof StageError);
          assert.deepEqual([error.kind, error.retryable], ['malformed', true], JSON.stringify(odd));
          return true;
        },
      );
    }
  });
}

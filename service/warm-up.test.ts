import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createRealClock } from './base/clock.ts';
import type { TurnPorts } from './calls/stage.ts';
import { resolveStrategy } from './strategy/patch.ts';
import { warmUp } from './warm-up.ts';
import { createProviders, LIVE_ENDPOINTS } from './world.ts';

/** A world whose network is never to be touched. */
function worldThatCounts(): { turns: number; replies: string[]; world: Parameters<typeof warmUp>[0] } {
  const clock = createRealClock();
  const providers = createProviders({
    endpoints: LIVE_ENDPOINTS,
    falKey: 'none',
    openRouterKey: 'none',
    audioHosts: [],
  });
  const seen = { turns: 0, replies: [] as string[] };
  const world = {
    clock,
    endpoints: LIVE_ENDPOINTS,
    ports: (): TurnPorts => {
      seen.turns++;
      return {
        clock,
        transport: {
          send: () => assert.fail('the network was touched'),
          openAhead: async () => undefined,
          close: async () => undefined,
        },
        ...providers,
        llm: {
          stream: (request, call, onDelta) =>
            providers.llm.stream(request, call, (text) => {
              seen.replies.push(text);
              onDelta(text);
            }),
        },
        random: () => 0,
      };
    },
    close: async () => undefined,
  };
  return Object.assign(seen, { world });
}

for (const method of ['stream', 'speech'] as const) {
  test(`warm-up runs whole turns through the real clients without a network, tts.method ${method}`, async () => {
    const seen = worldThatCounts();
    await warmUp(seen.world, resolveStrategy([{ tts: { method } }], 'test'));
    assert.equal(seen.turns, 24);
    assert.equal(seen.replies.join(''), 'Yes. I do, and so on.'.repeat(24));
  });
}

/** What becomes of a turn beside the turn itself. */
import { sampleIdentity } from '../../testing/sample-turn.ts';
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { flatProfile } from '../../testing/flat-profile.ts';
import { createSimWorld } from '../../sim/world/world.ts';
import { OPENING } from './greeting.ts';
import type { Clock } from '../base/ports.ts';
import { observeTurn } from './observe.ts';
import { resolveStrategy } from '../strategy/patch.ts';
import { strategyHash } from '../strategy/strategy.ts';

test('a turn has one anchor: its capture opens with the one that its log and spans close with', async () => {
  const strategy = resolveStrategy([], 'test');
  const world = createSimWorld({ profile: flatProfile({ tts: 400 }), seed: 'anchor' });
  const ports = world.ports(strategy, 's', 0);
  // as on a real clock, some time passes between a reading of the epoch and one of the turn's clock
  let readings = 0;
  const clock: Clock = {
    nowUs: () => ports.clock.nowUs(),
    epochUs: () => ports.clock.epochUs() - readings++,
    sleep: (ms, signal) => ports.clock.sleep(ms, signal),
    giveWay: (piecesDone, signal) => ports.clock.giveWay(piecesDone, signal),
  };
  const anchors: number[] = [];
  await world.clock.run(() =>
    observeTurn(
      { ...ports, clock },
      {
        identity: sampleIdentity({ strategyHash: strategyHash(strategy) }),
        strategy,
        conversation: { systemPrompt: '', history: [] },
        language: 'tr',
        audio: OPENING,
        greeting: 'Merhaba.',
        reply: { audio: async () => undefined },
        sinks: [],
        onSinkError: assert.ifError,
      },
      [
        {
          opened: (_identity, _zero, anchorUs) => void anchors.push(anchorUs),
          closed: ({ anchorUs }) => void anchors.push(anchorUs),
        },
      ],
    ),
  );
  assert.equal(anchors.length, 2);
  assert.equal(anchors[0], anchors[1]);
  // control: read twice, it would be another
  assert.notEqual(clock.epochUs() - clock.nowUs(), clock.epochUs() - clock.nowUs());
});

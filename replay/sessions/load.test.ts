/** A captured session's strategy as a replay takes it, where the capture kept less than the prompt's text. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readBundle } from '../../service/capture/bundle-reader.ts';
import { resolveStrategy } from '../../service/strategy/patch.ts';
import { promptOf } from '../../service/strategy/prompt-text.ts';
import { loadProfile } from '../../sim/times/profile.ts';
import { fixtureAudio, loadInterviews } from '../../sim/world/fixtures.ts';
import { createSimSession } from '../../sim/world/session.ts';
import { createSimWorld } from '../../sim/world/world.ts';
import { capturedSession } from './load.ts';

const TEXT = 'You interview herons. Ask one question at a time, and never two.\n';
const PROFILE = 'zero';

for (const level of ['full', 'timing'] as const) {
  for (const historyTurns of ['all', 0] as const) {
    test(`the length of a prompt that a capture names by its digest alone is that of its text: ${level}, historyTurns ${historyTurns}`, async () => {
      const interviews = loadInterviews();
      const [interview] = interviews;
      assert.ok(interview !== undefined);
      const { name, language, systemPrompt } = interview;
      const world = createSimWorld({ profile: loadProfile(PROFILE), seed: '1', interviews });
      const strategy = resolveStrategy([{ llm: { systemPrompt: { text: TEXT }, historyTurns } }], 'test');
      const about = {
        world,
        sessionId: name,
        strategy,
        language,
        systemPrompt,
        profile: PROFILE,
        interview: name,
        level,
      };
      const session = createSimSession(about);
      for (const { audio } of interview.turns.slice(0, 2))
        await session.turn({ audio: fixtureAudio(audio), reply: { audio: () => Promise.resolve() } });
      const bundle = await readBundle(await session.store.find(name));
      const { sha256, chars, text } = promptOf(TEXT);
      assert.deepEqual(bundle.session.strategy['llm'], {
        ...strategy.llm,
        systemPrompt: level === 'full' ? { sha256, chars, text } : { sha256, chars },
      });
      const early = {
        ...bundle.session,
        strategy: { ...strategy, llm: { ...strategy.llm, systemPrompt: { sha256 } } },
      };
      for (const turns of [bundle.turns, bundle.turns.slice(1)].slice(0, historyTurns === 'all' ? 1 : 2))
        assert.deepEqual(capturedSession({ ...bundle, session: early, turns }).strategy.llm.systemPrompt, {
          sha256,
          chars,
        });
      const unasked = capturedSession({ ...bundle, session: early, turns: [] });
      assert.deepEqual(unasked.strategy.llm.systemPrompt, { sha256 });
    });
  }
}

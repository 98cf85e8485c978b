/** docs/strategies.md says what the code says; `npm run verify -- strategies` compares every figure. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { runFixtureTurn, fixtureAudio, loadInterviews } from '../sim/world/fixtures.ts';
import { loadProfile } from '../sim/times/profile.ts';
import { createSimWorld } from '../sim/world/world.ts';
import { resolveStrategy } from '../service/strategy/patch.ts';
import { measureGains, gainRow, sectionOf } from './strategies-doc.ts';
import { namedVariants, variantPatch } from '../replay/variants/variants.ts';

const HINT = 'out of date: run "npm run docs -- strategies" and commit it';
const squeezed = (text: string): string => text.replace(/[\s\\*_]+/g, '').replace(/-{2,}/g, '');
const committed = squeezed(readFileSync(new URL('../docs/strategies.md', import.meta.url), 'utf8'));
const variants = namedVariants();

test('every named variant has its section, word for word', () => {
  for (const variant of variants) {
    assert.ok(committed.includes(squeezed(sectionOf(variant))), `docs/strategies.md on ${variant.name} is ${HINT}`);
  }
});

test('figures computed again are the committed ones; control: another draw of them is not there', async () => {
  const names = ['clause-chunking', 'keep-alive-drain'];
  const found = await measureGains(names);
  for (const variant of variants.filter(({ name }) => names.includes(name))) {
    const gain = found.get(variant.name) ?? assert.fail(variant.name);
    assert.ok(committed.includes(squeezed(gainRow(variant, gain))), `docs/strategies.md is ${HINT}`);
    const other = { ...gain, firstAudibleMs: (gain.firstAudibleMs ?? 0) + 1 };
    assert.ok(!committed.includes(squeezed(gainRow(variant, other))));
  }
});

test('prefetch-partial: no hit on seed, whose STT answers after the end of turn; with a fifth of its time every turn hits', async () => {
  const seed = loadProfile('seed');
  const interviews = loadInterviews();
  const [interview = assert.fail('no interview')] = interviews;
  const strategy = resolveStrategy([variantPatch('prefetch-partial'), variantPatch('keep-alive-drain')], 'test');
  const hits = async (share: number): Promise<number> => {
    const scaled = ({ source, quantiles }: typeof seed.stt.waitMs): typeof seed.stt.waitMs => ({
      source,
      quantiles: quantiles.map(([p, value]) => [p, value * share]),
    });
    const { waitMs, perAudioSecondMs } = seed.stt;
    const stt = { ...seed.stt, waitMs: scaled(waitMs), perAudioSecondMs: scaled(perAudioSecondMs) };
    const world = createSimWorld({ profile: { ...seed, stt }, seed: '1', interviews });
    let count = 0;
    for (const [turnIndex, { audio }] of interview.turns.entries()) {
      const options = { strategy, audio: fixtureAudio(audio, 100), profile: 'seed' };
      const { summary } = await world.clock.run(() => runFixtureTurn(world, interview, turnIndex, options));
      if (summary.bets?.some(({ kind, outcome }) => kind === 'partial' && outcome === 'hit')) count++;
    }
    return count;
  };
  assert.deepEqual([await hits(1), await hits(0.2)], [0, interview.turns.length]);
});

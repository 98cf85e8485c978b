/** Captures drawn anew: sessions whole, places kept, and one random number draws alike from each. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fitTo } from './fit.ts';
import { fittedPlans } from './fitted.ts';
import { exchangeKind } from './observed.ts';
import { isData } from './plan.ts';
import { loadProfile } from './profile.ts';
import { redrawnSessions } from './redraw.ts';
import { observedSpeech, speechFacts, speechPlace } from '../../testing/observed-speech.ts';

const profile = loadProfile('seed');
const observed = observedSpeech({ sessions: 12, turns: 3, key: 'redraw' });

test('sessions are drawn whole, one fewer than there are, and again alike by the same key; another key draws others', () => {
  const drawn = redrawnSessions(observed, 's', 1).sample(observed);
  assert.equal(drawn.length, 11 * 3);
  for (const [, same] of Map.groupBy(drawn, ({ sessionId }) => sessionId)) assert.equal(same.length % 3, 0);
  assert.deepEqual(redrawnSessions(observed, 's', 1).sample(observed), drawn);
  assert.notDeepEqual(redrawnSessions(observed, 's', 2).sample(observed), drawn);
  const one = observed.slice(0, 3);
  assert.equal(redrawnSessions(one, 's', 1).sample(one), one, 'one session is drawn as itself');
});

test('in place, the sorted times keep their order: the exchange that was the quickest meets the quickest that was drawn', () => {
  const waitUs = (each: (typeof observed)[number]): number => each.plan.waitUs;
  const redraw = redrawnSessions(observed, 's', 1);
  const there = redraw.inPlace(observed, waitUs);
  assert.equal(there.length, observed.length);
  const order = observed.map((_, index) => index).sort((a, b) => waitUs(observed[a]!) - waitUs(observed[b]!));
  const sorted = order.map((index) => waitUs(there[index]!));
  assert.deepEqual(
    sorted,
    sorted.toSorted((a, b) => a - b),
  );
  const least = Math.min(...redraw.sample(observed).map(waitUs));
  assert.equal(sorted[0], least);
});

test('under a refit captured exchanges keep their places, and the growth with size is another one', () => {
  const fits = [undefined, 1, 2].map((refit) =>
    fitTo(observed, profile, refit === undefined ? undefined : redrawnSessions(observed, 's', refit)),
  );
  const [first] = observed;
  assert.ok(first !== undefined);
  const kinds = fits.map((fit) => fit.kind(exchangeKind(first)));
  assert.equal(new Set(kinds.map((kind) => kind?.slopeUs)).size, 3);
  assert.equal(new Set(kinds.map((kind) => kind?.sizes.join())).size, 1, 'what is fitted stays fitted');
  const firstDataUs = fits.map((fit) => {
    const plan = fittedPlans(fit, { profile, seed: 's' }).planOf(speechPlace(first), speechFacts(first.size));
    return (plan?.waitUs ?? 0) + (plan?.items.find(isData)?.gapUs ?? 0);
  });
  assert.equal(new Set(firstDataUs).size, 1, 'of the captured size nothing is fitted');
});

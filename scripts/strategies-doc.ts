/** docs/strategies.md: every named variant with what it gains on profile `seed`, and all of them together. */
import type { BetTotals } from '../service/turn-log/bets.ts';
import type { TurnSummary } from '../service/turn-log/metrics.ts';
import { gainOf, primaryMs, runFixtures, WORTH_USD_PER_100_MS, type Gain } from './gains.ts';
import { targetRows } from '../replay/diff/targets.ts';
import { namedVariants, variantPatch, type Variant } from '../replay/variants/variants.ts';

const PROFILE = 'seed';
const SEEDS = 2;

/** Where a gain is measured that cannot show in virtual time: by the start of the variant's name. */
const ELSEWHERE: readonly (readonly [name: string, where: string])[] = [
  ['llm-sse-parser', 'CPU, which takes no virtual time: `npm run bench:parsers`.'],
  [
    'tts-sse-parser',
    'CPU, which takes no virtual time (what shows here is the fal client’s own waiting): `npm run bench:parsers`.',
  ],
  ['route-latency', 'No stand-in knows what other providers take: `retake replay --world live`.'],
  ['reasoning-none', 'The stand-ins do not reason: `retake replay --world live`.'],
  [
    'prefetch-prompt',
    'The fixtures’ prompts are below the provider’s cache minimum, so every bet is refused: on captures of long interviews, in live.',
  ],
  [
    'history-4-turns',
    'The fixtures have five turns and the profile charges 0.01 ms a prompt character: on captures of long interviews.',
  ],
  [
    'prefetch-partial',
    'A hit needs STT within silenceMs − pauseMs = 300 ms. On `seed` it takes some 800, so the text of the last pause comes after the end of turn and is the final transcript: only pauses in the middle, whose bets are lost, begin a reply. With a fifth of that time every fixture turn hits (scripts/strategies-doc.test.ts); by hand, with STT of 50 ms, the gain is 250 ms (service/turn/pipeline.test.ts).',
  ],
  ['cache-greeting', 'No fixture turn is a greeting: service/turn/greeting.test.ts, by hand.'],
  [
    'cache-responses',
    'The scripted replies repeat no sentence: service/calls/speech-cache.test.ts, by hand, and captures.',
  ],
  ['llm-fallback', 'Shows only when the model fails: `retake bench` scenarios and the fault matrix.'],
  [
    'http2',
    'Loopback has no round trips to save; the modelled network has assumed ones: `retake replay --world live`.',
  ],
];

/** All together, one step after the other; each keeps the steps before it. */
const STEPS = [
  'model-llama-3.1-8b-nitro',
  'clause-chunking',
  'keep-alive-drain',
  'preconnect',
  'stt-at-pause',
  'prefetch-partial',
  'speculation-predict',
  'tts-concurrency-4',
  'cache-responses',
] as const;

/** What it would take beyond the strategies, where a target is missed. */
const NEEDED: Readonly<Record<string, string>> = {
  STT: 'Freya itself must answer that much sooner, or hear the user while he speaks: every strategy here sends whole requests, and what they save lies before and beside its time',
  'LLM time to first token': 'a model or provider that begins that much sooner',
  'TTS time to first byte':
    'Freya must begin to send that much sooner: pieces are short already and connections open; what remains is synthesis before the first chunk',
  'seed-comparable total': 'the sum of the three above: it is met when they are, or nearly',
  'first audio byte': 'an opener that is ready at the end of turn, or less of everything above',
};

const ms = (value: number | undefined): string =>
  value === undefined ? '–' : Math.round(value) === 0 ? '0' : `${value > 0 ? '+' : '−'}${Math.abs(Math.round(value))}`;

/** Gains of the named variants. */
export async function gains(names: readonly string[]): Promise<Map<string, Gain>> {
  const baseline = await runFixtures([], PROFILE, SEEDS);
  const found = new Map<string, Gain>();
  for (const name of names) found.set(name, gainOf(baseline, await runFixtures([variantPatch(name)], PROFILE, SEEDS)));
  return found;
}

/** One row of the table: what a test can compute again alone. */
export function rowOf({ name, primary }: Variant, gain: Gain): string {
  const cells = [
    `[${name}](#${name.replaceAll('.', '')})`,
    primary,
    ms(primaryMs(gain, primary)),
    ms(gain.firstAudibleMs),
    ms(gain.contentAudibleMs),
    ms(gain.replyEndMs),
    ms(gain.stallMs),
    String(gain.premature),
  ];
  return `| ${cells.join(' | ')} |`;
}

export function sectionOf(variant: Variant, bets: readonly BetTotals[] = []): string {
  const { name, title, patch, effect, risk } = variant;
  const elsewhere = ELSEWHERE.find(([start]) => name.startsWith(start))?.[1];
  return [
    `### ${name}`,
    '',
    `${title}. \`${JSON.stringify(patch)}\``,
    '',
    `- Effect: ${effect}`,
    `- Risk: ${risk}`,
    ...(elsewhere === undefined ? [] : [`- Measured elsewhere: ${elsewhere}`]),
    ...bets.map((each) => `- Bets: ${betText(each)}`),
    '',
  ].join('\n');
}

function betText(bet: BetTotals): string {
  const about = bet.estimated ? ' (estimated)' : '';
  const parts = [
    `${bet.kind}: ${bet.attempts} attempts in ${bet.turns} turns, ${bet.hits} hits, ${bet.misses} misses, ${bet.refused} refused`,
    `off the critical path ${bet.savedMs === undefined ? 'not known from one turn' : `${Math.round(bet.savedMs)} ms`}`,
    `wasted ${bet.wastedTokens} tokens, ${bet.wastedChars} characters (unpriced)`,
    bet.wastedUsd === undefined ? 'money unpriced' : `$${bet.wastedUsd.toFixed(6)}${about}`,
    ...(bet.breakEvenHitRate === undefined ? [] : [`break-even hit rate ${(100 * bet.breakEvenHitRate).toFixed(1)} %`]),
    ...(bet.usdPer100Ms === undefined ? [] : [`$${bet.usdPer100Ms.toFixed(6)} per 100 ms saved`]),
  ];
  return parts.join('; ');
}

/** The whole document. */
export async function strategiesDocument(): Promise<string> {
  const variants = namedVariants();
  const gained = await gains(variants.map(({ name }) => name));
  const gainFor = (name: string): Gain => {
    const gain = gained.get(name);
    if (gain === undefined) throw new TypeError(`no gain of ${name}`);
    return gain;
  };
  const n = [...gained.values()][0]?.n ?? 0;
  return `# Strategies

Generated by \`npm run docs:strategies\`; \`npm run docs:strategies -- --check\` fails when it is out of date. Do not edit.

**Predicted**, not measured: every turn of the committed interviews in \`sim\` with profile \`${PROFILE}\`, ${SEEDS} seeds, the same draws
for every strategy (n = ${n} turns each). Figures are mean differences to today's strategy in ms; negative is earlier. *Primary* is the
metric that the variant is judged by. First content audible leaves out words that were cached, predicted or prefilled, so a strategy
that inserts words is late there; – : not measured in at least half of the turns. *Premature*: turns that were cut off while the user went on.

| variant | primary metric | primary | first audible | first content | reply end | stalls | premature |
| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |
${variants.map((variant) => rowOf(variant, gainFor(variant.name))).join('\n')}

What a bet has cost and won: tokens of stopped requests are estimated at the winner's full length, characters have no known price, and
a break-even hit rate assumes that 100 ms are worth $${WORTH_USD_PER_100_MS} (docs/metrics.md#bets).

${await togetherSection()}
## One by one

${variants.map((variant) => sectionOf(variant, gainFor(variant.name).bets)).join('\n')}`;
}

/** Every target of the field, today → now, and which step bought what. */
async function togetherSection(): Promise<string> {
  const today = await runFixtures([], PROFILE, SEEDS);
  const patches: Record<string, unknown>[] = [];
  const rows: string[] = [];
  let before: readonly TurnSummary[] = today;
  let now = today;
  const step = async (name: string, patch: Record<string, unknown>): Promise<void> => {
    patches.push(patch);
    now = await runFixtures(patches, PROFILE, SEEDS);
    const own = gainOf(before, now);
    const all = gainOf(today, now);
    rows.push(
      `| ${name} | ${ms(own.firstAudibleMs)} | ${ms(own.contentAudibleMs)} | ${ms(all.firstAudibleMs)} | ${stageDeltas(before, now)} | ${all.premature} |`,
    );
    before = now;
  };
  for (const name of STEPS) await step(name, { ...variantPatch(name) });
  const targets = targetRows(today, now).map(({ name, targetMs, a, b }) => {
    const missing =
      b?.met === false && targetMs !== undefined
        ? `${Math.round(b.medianMs - targetMs)} ms less: ${NEEDED[name] ?? ''}`
        : '';
    const verdict =
      targetMs === undefined
        ? ''
        : b?.met === true
          ? 'met'
          : b === undefined
            ? 'not measured'
            : `missed: needs ${missing}`;
    return `| ${name} | ${a === undefined ? '–' : Math.round(a.medianMs)} | ${b === undefined ? '–' : Math.round(b.medianMs)} | ${targetMs ?? ''} | ${verdict} |`;
  });
  return `## All together

Each step keeps those before it; a shorter silence is left out, since it cuts these speakers off. Differences of means in ms, and in which stages of the ledger they lie.

| step | first audible | first content | all so far | where (ledger) | premature |
| --- | ---: | ---: | ---: | --- | ---: |
${rows.join('\n')}

Medians, today → now, against the field's targets:

| target | today | now | target | |
| --- | ---: | ---: | ---: | --- |
${targets.join('\n')}

${gainOf(today, now)
  .bets.map((bet) => `- ${betText(bet)}`)
  .join('\n')}

`;
}

/** Stages whose mean contribution changed by a millisecond or more. */
function stageDeltas(before: readonly TurnSummary[], now: readonly TurnSummary[]): string {
  const means = (turns: readonly TurnSummary[]): Map<string, number> => {
    const sums = new Map<string, number>();
    for (const { ledger } of turns) for (const { stage, us } of ledger) sums.set(stage, (sums.get(stage) ?? 0) + us);
    return new Map([...sums].map(([stage, us]) => [stage, us / turns.length / 1000]));
  };
  const [a, b] = [means(before), means(now)];
  const deltas = [...new Set([...a.keys(), ...b.keys()])].flatMap((stage) => {
    const delta = (b.get(stage) ?? 0) - (a.get(stage) ?? 0);
    return Math.abs(delta) < 1 ? [] : [`${stage} ${ms(delta)}`];
  });
  return deltas.join(', ');
}

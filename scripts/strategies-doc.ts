/**
 * `npm run docs -- strategies` writes docs/strategies.md: every named variant with what it gains on profile `seed`, and all of them
 * together. With `--check` the exit code is 1 where the page is out of date.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { format, resolveConfig } from 'prettier';
import type { BetTotals } from '../service/turn-log/bets.ts';
import type { TurnSummary } from '../service/turn-log/metrics.ts';
import { gainOf, primaryMs, runFixtures, WORTH_USD_PER_100_MS, type Gain } from './gains.ts';
import { targetRows } from '../replay/diff/targets.ts';
import { namedVariants, variantPatch, type Variant } from '../replay/variants/variants.ts';
import { commandOf } from './programs/options.ts';

const PROFILE = 'seed';
const SEEDS = 2;

/** Where a gain is measured that cannot show in virtual time: by the start of the variant's name. */
const ELSEWHERE: readonly (readonly [name: string, where: string])[] = [
  ['llm-sse-parser', 'CPU takes no virtual time: `npm run bench -- parsers`.'],
  [
    'tts-sse-parser',
    'CPU takes no virtual time: `npm run bench -- parsers`. The gain shown here is the fal client’s own waiting.',
  ],
  ['route-latency', 'Stand-ins have one provider: `retake replay --world live`.'],
  ['reasoning-none', 'The stand-ins do not reason: `retake replay --world live`.'],
  [
    'prefetch-prompt',
    'The fixtures’ prompts are below the provider’s cache minimum, so every bet is refused. Measure in live, on captures of long interviews.',
  ],
  [
    'history-4-turns',
    'The fixtures have five turns, and the profile charges 0.01 ms a prompt character. Measure on captures of long interviews.',
  ],
  [
    'prefetch-partial',
    'A hit needs STT within silenceMs − pauseMs = 300 ms. On `seed` STT takes some 800 ms, so the last pause’s text comes after the end of turn. Only pauses in the middle begin a reply, and lose their bets. With a fifth of that STT time every fixture turn hits (scripts/strategies-doc.test.ts). With STT of 50 ms the gain is 250 ms (service/turn/pipeline.test.ts).',
  ],
  ['cache-greeting', 'No fixture turn is a greeting: see service/turn/greeting.test.ts.'],
  [
    'cache-responses',
    'The scripted replies repeat no sentence: see service/calls/speech-cache.test.ts, and measure on captures.',
  ],
  ['llm-fallback', 'Shows only when the model fails: `retake bench` scenarios and the fault matrix.'],
  [
    'http2',
    'Loopback has no round trips to save, and those of the modelled network are assumed: `retake replay --world live`.',
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

/** Where a target is missed: what must change besides the strategies. */
const NEEDED: Readonly<Record<string, string>> = {
  STT: 'Freya itself must answer sooner, or hear the user while he speaks. Every strategy here sends whole requests and saves time before or beside them',
  'LLM time to first token': 'a model or provider that begins sooner',
  'TTS time to first byte':
    'Freya must begin to send sooner. Pieces are short and connections open already; the rest is synthesis before the first chunk',
  'seed-comparable total': 'the sum of the three targets above',
  'first audio byte': 'an opener that is ready at the end of turn, or less of everything above',
};

const ms = (value: number | undefined): string =>
  value === undefined ? '–' : Math.round(value) === 0 ? '0' : `${value > 0 ? '+' : '−'}${Math.abs(Math.round(value))}`;

/** Gains of the named variants. */
export async function measureGains(names: readonly string[]): Promise<Map<string, Gain>> {
  const baseline = await runFixtures([], PROFILE, SEEDS);
  const found = new Map<string, Gain>();
  for (const name of names) found.set(name, gainOf(baseline, await runFixtures([variantPatch(name)], PROFILE, SEEDS)));
  return found;
}

/** One row of the table: what a test can compute again alone. */
export function gainRow({ name, primary }: Variant, gain: Gain): string {
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
    ...bets.map((each) => `- Bets: ${betRow(each)}`),
    '',
  ].join('\n');
}

function betRow(bet: BetTotals): string {
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
  const gained = await measureGains(variants.map(({ name }) => name));
  const gainFor = (name: string): Gain => {
    const gain = gained.get(name);
    if (gain === undefined) throw new TypeError(`no gain of ${name}`);
    return gain;
  };
  const n = [...gained.values()][0]?.n ?? 0;
  return `# Strategies

This page is for whoever looks for a faster setting. Each variant has a name, a predicted gain, an effect and a risk. Try one on your captures:

    npx retake replay --variant preconnect

\`npm run docs -- strategies\` writes this page; do not edit it. \`npm run verify -- strategies\` says whether it is up to date.

Figures are **predicted**, not measured: every turn of three committed interviews in \`sim\`, profile \`${PROFILE}\`, ${SEEDS} seeds (n = ${n} turns each).
Every strategy meets the same draws. A figure is the mean difference to today's strategy in ms; negative is earlier.

- *primary*: the metric that the variant is judged by.
- *first content*: first audible of words that this turn's LLM generated. A strategy that inserts other words is late here.
- *premature*: turns cut off while the user went on.
- –: measured in less than half of the turns.

| variant | primary metric | primary | first audible | first content | reply end | stalls | premature |
| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |
${variants.map((variant) => gainRow(variant, gainFor(variant.name))).join('\n')}

A *bet* is work done before it is certain to be needed ([Bets](metrics.md#bets)). Tokens of stopped requests are estimated at the winner's full length.
Characters have no known price. A break-even hit rate assumes that 100 ms are worth $${WORTH_USD_PER_100_MS}.

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
        ? `${Math.round(b.medianMs - targetMs)} ms: ${NEEDED[name] ?? ''}`
        : '';
    const verdict =
      targetMs === undefined ? '' : b?.met === true ? 'met' : b === undefined ? 'not measured' : `missed by ${missing}`;
    return `| ${name} | ${a === undefined ? '–' : Math.round(a.medianMs)} | ${b === undefined ? '–' : Math.round(b.medianMs)} | ${targetMs ?? ''} | ${verdict} |`;
  });
  return `## All together

Each step keeps the steps before. A shorter silence is left out, because it cuts these speakers off.
Figures are differences of means in ms; *where* names the stages of the ledger that changed.

| step | first audible | first content | all so far | where (ledger) | premature |
| --- | ---: | ---: | ---: | --- | ---: |
${rows.join('\n')}

Medians, today → now, against the field's targets:

| target | today | now | target | |
| --- | ---: | ---: | ---: | --- |
${targets.join('\n')}

${gainOf(today, now)
  .bets.map((bet) => `- ${betRow(bet)}`)
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

if (import.meta.main) {
  const { check } = commandOf('npm run docs -- strategies')
    .option('--check', 'write nothing: exit code 1 when the page is out of date')
    .parse()
    .opts<{ check?: boolean }>();
  const path = new URL('../docs/strategies.md', import.meta.url);
  const text = await format(await strategiesDocument(), { ...(await resolveConfig(path)), parser: 'markdown' });
  if (check !== true) {
    writeFileSync(path, text);
    console.log('written: docs/strategies.md');
  } else if (readFileSync(path, 'utf8') === text) {
    console.log('docs/strategies.md is up to date');
  } else {
    console.error('docs/strategies.md is out of date: run "npm run docs -- strategies" and commit it');
    process.exitCode = 1;
  }
}

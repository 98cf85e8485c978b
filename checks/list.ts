/** The slow checks: what must hold and takes longer than `npm test` may. `checks/verify.ts` runs them. */
import type { Named, Program } from '../scripts/programs/named.ts';

/** `ci`: part of .ci/run, in all at most 35 minutes, 55 where Jaeger and the Collector are still to be built. `hand`: the others. */
export const TIERS = ['ci', 'hand'] as const;
export type Tier = (typeof TIERS)[number];

export interface Check extends Program {
  tier: Tier;
}

const RANDOM = 'checks/random-turns';
const TESTS = 'scripts/programs/run-tests.mjs';

export const CHECKS: readonly Check[] = [
  {
    name: 'demo',
    sentence: 'Ledgers of the demo add up, captures replay as they were, and traces are OTLP JSON of the registry.',
    minutes: 0.8,
    basis: 'measured',
    tier: 'ci',
    first: ['cli/main.ts', 'demo'],
    run: ['checks/demo.ts'],
    repeatBecause:
      'one bar is a time (our code in wire, p95 of 24 turns), and a machine that was busy for a moment misses it',
  },
  {
    name: 'profile',
    sentence:
      'Profile seed has the means of the field: STT 800, LLM first token 1500, TTS first byte 500 ms, within 10 %.',
    minutes: 0.6,
    basis: 'measured',
    tier: 'ci',
    run: ['checks/profile.ts'],
  },
  {
    name: 'causality',
    sentence:
      'Each provider event and timer of 200 random turns is delayed alone, and the wait grows as the ledger says.',
    minutes: 2,
    basis: 'measured',
    tier: 'ci',
    run: [`${RANDOM}/causality-main.ts`],
  },
  {
    name: 'statistics',
    sentence:
      'Coverage of intervals, false verdicts, power and guards are what the reports claim, in 48 simulated worlds (by hand: 20,000 runs each).',
    minutes: 1.8,
    basis: 'measured',
    tier: 'ci',
    run: ['checks/statistics/main.ts', '--runs', '400'],
  },
  {
    name: 'sequential',
    sentence:
      'A run until decided is as often right as one of fixed size, and saves sessions, in imagined runs of 8 to 60.',
    minutes: 4,
    basis: 'estimated',
    tier: 'hand',
    run: ['checks/sequential.ts'],
  },
  {
    name: 'strategies',
    sentence: 'docs/strategies.md shows what the strategies gain in this code.',
    minutes: 0.4,
    basis: 'measured',
    tier: 'ci',
    run: ['scripts/strategies-doc.ts', '--check'],
  },
  {
    name: 'null-knobs',
    sentence: 'A knob that does nothing changes no simulated time, on captures of four worlds; a knob that acts does.',
    minutes: 1.8,
    basis: 'measured',
    tier: 'ci',
    run: ['checks/null-knobs.ts'],
  },
  {
    name: 'trust-page',
    sentence: 'The page of predictions and measurements shows what replay/run/trust.json holds.',
    minutes: 0.1,
    basis: 'measured',
    tier: 'ci',
    run: ['checks/trust.ts', '--check'],
  },
  {
    name: 'honesty',
    sentence: 'A delay put into DNS, TLS, headers or body shows in the span of that phase and in no other.',
    minutes: 0.6,
    basis: 'measured',
    tier: 'ci',
    run: ['checks/honesty/main.ts'],
  },
  {
    name: 'read-lag',
    sentence:
      'With its read lag, end to end is what an outside client measures, also when the service was stopped across speech end.',
    minutes: 0.8,
    basis: 'measured',
    tier: 'ci',
    run: ['checks/honesty/read-lag.ts'],
    repeatBecause: 'the bars are times, and a machine that was busy for a moment misses them',
  },
  {
    name: 'security',
    sentence: 'Attacks on a running service leave it answering within 250 ms, below 600 MB, and serving the next user.',
    minutes: 4.4,
    basis: 'measured',
    tier: 'ci',
    run: ['checks/security/main.ts'],
    repeatBecause: 'one bar is the time of an answer, and a machine that was busy for a moment misses it',
  },
  {
    name: 'integration',
    sentence:
      'The real Jaeger and Collector take, keep and give back every span, and Prometheus their metrics; built first where they are not yet.',
    minutes: 5.2,
    basis: 'measured',
    tier: 'ci',
    first: ['scripts/infra/main.ts', 'build'],
    run: [TESTS, '--no-skips', '--test-concurrency=1', 'checks/integration/*.integration.ts'],
  },
  {
    name: 'combinations',
    sentence: '2,000 turns under random strategies keep the ledger’s rules, cancelled or not.',
    minutes: 0.8,
    basis: 'measured',
    tier: 'ci',
    run: [`${RANDOM}/combinations-main.ts`],
  },
  {
    name: 'planted',
    sentence: 'The soak finds three bugs that are planted in the code.',
    minutes: 0.3,
    basis: 'measured',
    tier: 'ci',
    run: [TESTS, '--no-skips', `${RANDOM}/planted-bugs.ts`],
  },
  {
    name: 'soak',
    sentence: 'Random sessions in virtual time break no rule, and memory and CPU a turn do not grow.',
    minutes: 1.6,
    basis: 'measured',
    tier: 'ci',
    run: [`${RANDOM}/soak.ts`, '--turns', '10000', '--seed', 'ci', '--workers', '2'],
  },
  {
    name: 'mutations',
    sentence:
      'Damaged frames, bodies, bundles, traces, imports, reports and answers end in a result or a declared error.',
    minutes: 1,
    basis: 'measured',
    tier: 'ci',
    run: ['checks/mutations/main.ts'],
  },
  {
    name: 'resume',
    sentence: 'A replay that is killed and resumed repeats no journaled call, and in sim ends in the same bytes.',
    minutes: 0.6,
    basis: 'measured',
    tier: 'ci',
    run: ['checks/resume.ts'],
  },
  {
    name: 'faults',
    sentence: 'Every fault of every provider comes to what docs/operating.md says; npm test has these tests too.',
    minutes: 0.3,
    basis: 'measured',
    tier: 'hand',
    run: [TESTS, '--no-skips', 'checks/fault-matrix.test.ts', 'checks/fault-matrix-wire.test.ts'],
  },
  {
    name: 'loose-promises',
    sentence:
      'Every way to a provider gives odd answers while turns are cancelled, over sockets, and nothing reaches the process.',
    minutes: 0.4,
    basis: 'measured',
    tier: 'ci',
    run: ['checks/loose-promises.ts'],
  },
  {
    name: 'baseline-ref',
    sentence: 'Commits that make a turn 150, 50 and 0 ms slower are measured as that much slower than their baseline.',
    minutes: 8,
    basis: 'estimated',
    tier: 'hand',
    run: ['checks/baseline-ref.ts'],
  },
  {
    name: 'trust',
    sentence:
      'Strategies predicted in sim from a capture are measured in wire, in a kind world and in five others; writes what it finds.',
    minutes: 20,
    basis: 'estimated',
    tier: 'hand',
    run: ['checks/trust.ts'],
  },
  {
    name: 'outage',
    sentence: 'Collector and Jaeger are away for 75 s each under load: no turn is slower and every span arrives.',
    minutes: 5,
    basis: 'measured',
    tier: 'hand',
    first: ['scripts/infra/main.ts', 'build'],
    run: [TESTS, '--no-skips', 'checks/integration/outage.integration.ts'],
    env: { INTEGRATION_OUTAGE_S: '75' },
  },
  {
    name: 'openapi',
    sentence: 'schemathesis finds no 5xx and no answer that docs/openapi.yaml does not describe; PyPI has the program.',
    minutes: 2,
    basis: 'estimated',
    tier: 'hand',
    run: ['checks/openapi.ts'],
  },
  {
    name: 'resume-50',
    sentence: 'The check resume with 50 kills in each world.',
    minutes: 7.5,
    basis: 'measured',
    tier: 'hand',
    run: ['checks/resume.ts', '--kills', '50'],
  },
  {
    name: 'soak-200000',
    sentence: 'The soak with 200,000 turns of another seed.',
    minutes: 35,
    basis: 'estimated',
    tier: 'hand',
    run: [`${RANDOM}/soak.ts`, '--turns', '200000', '--seed', 'release', '--workers', '2'],
  },
  {
    name: 'mutations-sockets',
    sentence: 'A running service survives 10,000 damaged requests, bodies and WebSocket frames, and keeps its memory.',
    minutes: 1.9,
    basis: 'measured',
    tier: 'hand',
    run: ['checks/mutations/sockets-main.ts'],
  },
  {
    name: 'mutations-2000000',
    sentence: 'The check mutations with 2,000,000 cases of another seed.',
    minutes: 45,
    basis: 'estimated',
    tier: 'hand',
    run: ['checks/mutations/main.ts', '--turns', '2000000', '--seed', 'release'],
  },
];

const tierOf = (tier: Tier): readonly Check[] => CHECKS.filter((check) => check.tier === tier);

export const VERIFY: Named<Check> = {
  command: 'npm run verify',
  kind: 'check',
  programs: CHECKS,
  groups: { all: CHECKS, ...Object.fromEntries(TIERS.map((tier) => [tier, tierOf(tier)])) },
};

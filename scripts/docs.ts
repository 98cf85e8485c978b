/** `npm run docs -- NAME… | all`: writes the pages and lists that are generated; alone it lists them. */
import { runNamed, type Named, type Program } from './programs/named.ts';

const DOCUMENTS: readonly Program[] = [
  {
    name: 'strategies',
    sentence: 'Writes docs/strategies.md: what each strategy gains on profile seed.',
    minutes: 1,
    basis: 'estimated',
    run: ['scripts/strategies-doc.ts'],
  },
  {
    name: 'settings',
    sentence: 'Writes docs/settings.md: every variable that the service reads.',
    minutes: 0.1,
    basis: 'estimated',
    run: ['scripts/settings-doc.ts'],
  },
  {
    name: 'limits',
    sentence: 'Writes into docs/security.md what clients may ask of the service.',
    minutes: 0.1,
    basis: 'estimated',
    run: ['scripts/limits-doc.ts'],
  },
  {
    name: 'allow-list',
    sentence: 'Writes the keys that spans may carry into collector/config.yaml.',
    minutes: 0.1,
    basis: 'estimated',
    run: ['scripts/infra/allow-list.ts'],
  },
  {
    name: 'ui-config',
    sentence: "Writes jaeger/ui-config.json: the menu, tags and links of Jaeger's page.",
    minutes: 0.1,
    basis: 'estimated',
    run: ['scripts/infra/ui-config.ts'],
  },
  {
    name: 'performance',
    sentence: 'Runs the benches of docs/performance.md and writes what they print into it; for a quiet machine.',
    minutes: 25,
    basis: 'estimated',
    run: ['scripts/docs-performance.ts'],
  },
  {
    name: 'fault-matrix',
    sentence: 'Writes into docs/operating.md what each fault is, and what each comes to with each provider.',
    minutes: 0.3,
    basis: 'estimated',
    run: ['checks/fault-matrix.test.ts', '--update'],
  },
  {
    name: 'trust-page',
    sentence: 'Writes the table of predictions that replay/run/trust.json holds into its page.',
    minutes: 0.1,
    basis: 'estimated',
    run: ['checks/trust.ts', '--page'],
  },
];

export const DOCS: Named = {
  command: 'npm run docs',
  kind: 'document',
  programs: DOCUMENTS,
  groups: { all: DOCUMENTS },
};

if (import.meta.main) process.exitCode = await runNamed(process.argv.slice(2), DOCS);

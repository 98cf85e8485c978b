/** `npm run docs -- settings`: writes docs/settings.md from the rows that the configuration reads; a test holds them equal. */
import { writeFileSync } from 'node:fs';
import { format, resolveConfig } from 'prettier';
import { SETTINGS } from '../service/settings.ts';
import { commandOf } from './programs/options.ts';

export const SETTINGS_PAGE = new URL('../docs/settings.md', import.meta.url);

const HEAD = `# Settings

For whoever runs the service. It reads the variables below from its environment, and from a file \`.env\` in the folder where it is started.

    RETAKE_PORT=9090 RETAKE_DATA=/srv/interviews npx retake serve

An empty variable counts as absent. An unknown variable that begins with \`RETAKE_\` ends the start with exit code 2, so that a typo shows.
[.env.example](../.env.example) is a file to copy. \`npx retake doctor\` checks the settings, and asks each endpoint for an answer.

`;

const TAIL = `
## Beside the service

| variable | read by | meaning |
| --- | --- | --- |
| \`NO_COLOR\` | every command | any value but the empty one: no colours ([no-color.org](https://no-color.org)) |
| \`XDG_CACHE_HOME\` | \`retake\`, \`npm run infra:build\` | where compiled code, checkouts, Jaeger, the Collector and Prometheus are kept; default \`~/.cache\` |

Limits of work and size are no settings: [security](security.md) lists them. What a turn does is a matter of the [strategy](strategies.md).
`;

/** The whole page, formatted as the repository is. */
export async function settingsPage(): Promise<string> {
  const groups = [...new Set(SETTINGS.map(({ group }) => group))];
  const tables = groups.map((group) => {
    const rows = SETTINGS.filter((setting) => setting.group === group).map(
      ({ name, takes, otherwise, meaning }) => `| \`${name}\` | ${takes} | ${otherwise} | ${meaning} |`,
    );
    return [`## ${group}`, '', '| variable | takes | without it | meaning |', '| --- | --- | --- | --- |', ...rows, ''];
  });
  const options = await resolveConfig(SETTINGS_PAGE);
  return await format(HEAD + tables.flat().join('\n') + TAIL, { ...options, parser: 'markdown' });
}

if (import.meta.main) {
  commandOf('npm run docs -- settings').parse();
  writeFileSync(SETTINGS_PAGE, await settingsPage());
  console.log('written: docs/settings.md');
}

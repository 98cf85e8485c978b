/** `npm run docs:strategies`: writes docs/strategies.md; with `--check` only says whether it is up to date (exit code 1). */
import { readFileSync, writeFileSync } from 'node:fs';
import { format, resolveConfig } from 'prettier';
import { strategiesDocument } from './strategies-doc.ts';

const path = new URL('../docs/strategies.md', import.meta.url);
const text = await format(await strategiesDocument(), {
  ...(await resolveConfig(path)),
  parser: 'markdown',
});
if (!process.argv.includes('--check')) {
  writeFileSync(path, text);
  console.log('docs/strategies.md is written');
} else if (readFileSync(path, 'utf8') === text) {
  console.log('docs/strategies.md is up to date');
} else {
  console.error('docs/strategies.md is out of date: run "npm run docs:strategies" and commit it');
  process.exitCode = 1;
}

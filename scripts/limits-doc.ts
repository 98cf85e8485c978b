/** `npm run docs -- limits`: writes into docs/security.md what clients may ask of the service; a test holds them equal. */
import { readFileSync, writeFileSync } from 'node:fs';
import { LIMITS } from '../service/http/limits.ts';
import { commandOf } from './programs/options.ts';

export const SECURITY_PAGE = new URL('../docs/security.md', import.meta.url);
const [BEGIN, END] = ['<!-- limits:begin -->', '<!-- limits:end -->'];

/** The page with its table of limits made anew. */
export function withLimits(page: string): string {
  const rows = Object.values(LIMITS).map(
    ({ of, value, unit, answer }) => `| ${of} | ${value.toLocaleString('en')} ${unit} | ${answer} |`,
  );
  const table = ['| bounds | limit | beyond it |', '| --- | --- | --- |', ...rows].join('\n');
  const text = `${BEGIN}\n<!-- prettier-ignore-start -->\n\n${table}\n\n<!-- prettier-ignore-end -->\n${END}`;
  const [from, to] = [page.indexOf(BEGIN), page.indexOf(END)];
  if (from < 0 || to < from) throw new Error(`docs/security.md needs the lines ${BEGIN} and ${END}, in this order`);
  return page.slice(0, from) + text + page.slice(to + END.length);
}

if (import.meta.main) {
  commandOf('npm run docs -- limits').parse();
  writeFileSync(SECURITY_PAGE, withLimits(readFileSync(SECURITY_PAGE, 'utf8')));
  console.log('written: docs/security.md');
}

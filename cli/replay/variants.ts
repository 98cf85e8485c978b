/** `retake variants`: lists the named variants. */
import type { CommandContext } from '../../replay/report/context.ts';
import { wrapped } from '../../replay/report/words.ts';
import { namedVariants } from '../../replay/variants/variants.ts';

/** As wide as the longest label and its gap: a continued line begins below the text. */
const INDENT = ' '.repeat('primary  '.length);

export function variantsCommand({ out, columns }: CommandContext, options: { json?: boolean }): void {
  const variants = namedVariants();
  if (options.json === true) {
    const rows = variants.map(({ name, title, patch, effect, risk, primary }) => ({
      name,
      title,
      patch,
      effect,
      risk,
      primary,
    }));
    out(JSON.stringify(rows, null, 2));
    return;
  }
  for (const { name, title, patch, effect, risk, primary } of variants) {
    const rows = [title, ...Object.entries({ patch: spacedJson(patch), effect, risk, primary }).map(labelled)];
    const lines = rows.flatMap((row) => wrapped(row, ' ', columns - 2, INDENT));
    out(`${[name, ...lines.map((line) => `  ${line}`)].join('\n')}\n`);
  }
}

const labelled = ([label, text]: [string, string]): string => `${label.padEnd(INDENT.length)}${text}`;

/** On one line, with blanks at which it can be broken. */
const spacedJson = (value: object): string => JSON.stringify(value, null, 1).replaceAll(/\n */g, ' ');

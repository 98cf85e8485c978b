/** `retake variants`: lists the named variants. */
import type { CommandContext } from '../../replay/report/context.ts';
import { namedVariants } from '../../replay/variants/variants.ts';

export function variantsCommand({ out }: CommandContext, options: { json?: boolean }): void {
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
    out(
      `${name}\n  ${title}\n  patch    ${JSON.stringify(patch)}\n  effect   ${effect}\n  risk     ${risk}\n  primary  ${primary}\n`,
    );
  }
}

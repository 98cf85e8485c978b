/** A report as a pull request comment: one screen, the rest folded, never longer than GitHub's limit. */
import type { Report } from './build.ts';
import { FOLDED_TABLES, markdownLedger, markdownTargets } from './markdown-tables.ts';
import { code, escapeMarkdown, fenced } from './markdown-text.ts';
import { primaryText, rerunText, settleText, shownReasons, validityLine, verdictSign } from './words.ts';

/** GitHub refuses comments beyond about 65,536 characters. */
const LIMIT_CHARS = 60_000;

/** A part of the report. One without a title is always open; the others are folded. */
interface Section {
  title?: string;
  /** What the notice of parts that were left out calls it. */
  name: string;
  text: string;
}

export interface MarkdownOptions {
  /** By which the Action finds the comment again, to update it. */
  marker?: string;
  /** Base URL of a Jaeger UI that has the traces. */
  jaegerUi?: string;
}

export function markdownReport(report: Report, { marker = 'retake-report', jaegerUi }: MarkdownOptions = {}): string {
  const tail = `<!-- ${marker.replace(/[^\w-]/g, '')} -->\n`;
  const open = (name: string, text: string): Section => ({ name, text });
  let sections: Section[] = [
    open('Reasons', reasonLine(report)),
    open('Ledger', markdownLedger(report)),
    open('Targets', markdownTargets(report)),
    open('Validity', escapeMarkdown(validityLine(report), 8000)),
    open('Arms', `A: \`${armText(report.arms.a)}\` · B: \`${armText(report.arms.b)}\``),
    open('Command', report.rerun === undefined ? '' : fenced(rerunText(report) ?? '')),
    ...FOLDED_TABLES.map(({ title, render }) => ({ title, name: title, text: render(report, jaegerUi) })),
  ].filter(({ text }) => text !== '');
  const shed: string[] = [];
  for (;;) {
    const notice =
      shed.length === 0
        ? []
        : [`Left out, to stay below ${LIMIT_CHARS} characters: ${shed.join(', ')} (see report.json).\n`];
    const text = [verdictLine(report), '', ...sections.map(sectionText), ...notice, tail].join('\n');
    if (text.length <= LIMIT_CHARS || sections.length === 0) return text;
    const largest = sections.reduce((a, b) => (b.text.length > a.text.length ? b : a));
    sections = sections.filter((section) => section !== largest);
    shed.push(largest.name);
  }
}

function verdictLine(report: Report): string {
  return `### ${verdictSign(report)} ${report.verdict}: ${primaryText(report)}`;
}

/** Where the figures come from, and why the verdict is what it is. */
function reasonLine(report: Report): string {
  const { profile } = report.validity;
  return [
    `*${report.basis}* · world \`${report.world}\``,
    ...(profile === undefined ? [] : [`profile \`${code(profile)}\``]),
    ...(report.asks ?? []).map((ask) => `asks for ${escapeMarkdown(ask)}`),
    shownReasons(report)
      .map((reason) => escapeMarkdown(reason))
      .join('; '),
    ...[settleText(report)].flatMap((text) => (text === undefined ? [] : [escapeMarkdown(text)])),
  ].join(' · ');
}

function sectionText({ title, text }: Section): string {
  return title === undefined ? `${text}\n` : `<details><summary>${title}</summary>\n\n${text}\n\n</details>\n`;
}

function armText({ variant, commit, strategyHash }: Report['arms']['a']): string {
  return code(`${variant} ${commit.slice(0, 12)} strategy ${strategyHash}`);
}

/** The formats of a report, one row a format. `retake report` and `retake diff` print any of them; a run folder holds those with a file. */
import type { Report } from './build.ts';
import type { MarkdownOptions } from './markdown.ts';
import type { PageOptions } from './page-data.ts';
import type { TerminalOptions } from './terminal.ts';

/** A format takes what it needs. Without columns a terminal has 80, without `color` none. */
export type FormatOptions = Partial<TerminalOptions> & MarkdownOptions & PageOptions;

interface ReportFormatRow {
  /** Ends the name of the format's file in a run folder. */
  extension?: string;
  render(report: Report, options: FormatOptions): Promise<string>;
}

// each row loads its format by itself: the command line lists the formats without any of them
const FORMATS = {
  terminal: {
    render: async (report, { columns = 80, color = false, jaegerUi }) =>
      (await import('./terminal.ts')).terminalReport(report, { columns, color, jaegerUi }),
  },
  json: {
    extension: 'json',
    render: async (report) => `${(await import('./words.ts')).inertJson(report)}\n`,
  },
  markdown: {
    extension: 'md',
    render: async (report, options) => (await import('./markdown.ts')).markdownReport(report, options),
  },
  html: {
    extension: 'html',
    render: async (report, options) => {
      const { withSpanRows } = await import('./build.ts');
      return (await import('./html.ts')).htmlReport(withSpanRows(report, options.spans), options);
    },
  },
} as const satisfies Readonly<Record<string, ReportFormatRow>>;

export type ReportFormat = keyof typeof FORMATS;
export const REPORT_FORMATS = Object.keys(FORMATS);

const ROWS: Readonly<Record<ReportFormat, ReportFormatRow>> = FORMATS;
/** In the order in which a run folder gets them. */
export const FILE_EXTENSIONS: readonly string[] = Object.values(ROWS).flatMap(({ extension }) => extension ?? []);

/** The report as text. Throws what the format throws. */
export function renderReport(format: ReportFormat, report: Report, options: FormatOptions = {}): Promise<string> {
  return ROWS[format].render(report, options);
}

/** Every format that has a file, as the file's extension and text, one after the other. */
export async function* renderFiles(
  report: Report,
  options: FormatOptions,
): AsyncGenerator<[extension: string, text: string]> {
  for (const { extension, render } of Object.values(ROWS))
    if (extension !== undefined) yield [extension, await render(report, options)];
}

/** A report as one HTML page. Figures are finished SVG. The script finds pairs and draws their waterfalls. */
import { LEDGER_STAGES } from '../../service/base/events.ts';
import { isOnlyPredicted, type Report } from './build.ts';
import { measuredPairs } from './charts.ts';
import { guardTable, knobTable, percentileTables, spanTable, targetTable } from './html-tables.ts';
import { asset, htmlPage } from './html-page.ts';
import { deltaBar, html, htmlSection, htmlTable, escapeHtml, twinBar, type Cell } from './html-text.ts';
import { differenceFigure, distributionFigure } from './figures.ts';
import { pageData, scriptJson, type PageData, type PageOptions } from './page-data.ts';
import { intervalTitle, printedLedger } from './rows.ts';
import { primaryText, rerunText, settleText, shownReasons, validityLine, verdictSign } from './words.ts';

/** The whole page. Spans that do not fit are left out, and the page says so. */
export function htmlReport(report: Report, options: PageOptions = {}): string {
  const data = pageData(report, options);
  return htmlPage({
    title: `Retake: ${report.verdict}, ${primaryText(report)}`,
    data: { id: 'pairs-data', json: scriptJson(data) },
    script: asset('page.js'),
    style: isOnlyPredicted(report) ? 'predicted' : undefined,
    sections: [
      reportHeader(report),
      ledgerSection(report),
      htmlSection('targets', 'Targets', targetTable(report), 'Median below target is “met”.'),
      figureSection(report),
      pairSection(data),
      htmlSection('percentiles', 'Parts of the median and of the 95th percentile', percentileTables(report)),
      htmlSection('knobs', 'What differs', knobTable(report)),
      htmlSection('guards', 'Guards', guardTable(report), 'Harm that a faster candidate must not have done.'),
      htmlSection(
        'spans',
        'Spans',
        spanTable(report),
        'Aligned by path and ordinal over all pairs. Unpaired spans are counted.',
      ),
      validitySection(report),
    ],
  });
}

function reportHeader(report: Report): string {
  const { verdict, validity, arms } = report;
  const badge = (content: string, more = ''): string => `<span class="badge${more}">${escapeHtml(content)}</span>`;
  const arm = ({ lane, variant, commit, strategyHash }: Report['arms']['a']): string =>
    escapeHtml(
      `${lane}${variant === lane ? '' : ` · ${variant}`} · commit ${commit.slice(0, 12)} · strategy ${strategyHash}`,
      400,
    );
  return (
    `<header class="exit-${report.exitCode}">` +
    `<div>${badge(report.basis, ' basis')}${badge(`world ${report.world}`)}` +
    (validity.profile === undefined ? '' : badge(`profile ${validity.profile.slice(0, 80)}`)) +
    (report.asks ?? []).map((ask) => badge(`asks for ${ask}`)).join('') +
    `${badge(`${validity.observational === true ? 'no shared turn' : `${validity.turns} turns`} · ${validity.sessions} sessions`)}</div>` +
    `<h1><span class="sign">${verdictSign(report)} ${verdict}</span>: ${escapeHtml(primaryText(report))}</h1>` +
    `<p>${report.primary === undefined ? '' : '95 % interval in brackets · '}margin ${validity.marginMs.toFixed(1)} ms</p>` +
    [...shownReasons(report), ...[settleText(report)].filter((text) => text !== undefined)]
      .map((reason) => `<p class="note">${escapeHtml(reason)}</p>`)
      .join('') +
    `<div class="arms"><b class="key-a">A</b><span>${arm(arms.a)}</span><b class="key-b">B</b><span>${arm(arms.b)}</span></div>` +
    '</header>'
  );
}

function ledgerSection({ stages, endToEnd }: Report): string {
  const phases = stages.filter(({ phase }) => phase !== undefined);
  const scaleMs = Math.max(...phases.map(({ aMs, bMs }) => Math.max(aMs, bMs)), 0);
  if (endToEnd === undefined) return '';
  const deltaScaleMs = Math.max(
    ...[...phases, endToEnd].map((row) =>
      Math.max(Math.abs(row.deltaMs), Math.abs(row.lowMs ?? 0), Math.abs(row.highMs ?? 0)),
    ),
    0,
  );
  const rows = printedLedger(stages, endToEnd).map(({ stage, phase, a, b, delta, interval }, index): Cell[] => {
    const row = phases[index];
    return [
      index > 0 && phases[index - 1]?.stage === stage ? html(`<span class="again">${escapeHtml(stage)}</span>`) : stage,
      phase,
      a,
      b,
      row === undefined ? '' : twinBar(row.aMs, row.bMs, scaleMs),
      delta,
      interval,
      deltaBar(row ?? endToEnd, deltaScaleMs),
    ];
  });
  const columns = [
    { title: 'stage' },
    { title: 'phase' },
    { title: 'A ms', isNumber: true },
    { title: 'B ms', isNumber: true },
    { title: 'A over B', isWideOnly: true },
    { title: 'Δ ms', isNumber: true },
    { title: intervalTitle(stages) },
    { title: '← faster · slower →', isWideOnly: true },
  ];
  return htmlSection(
    'ledger',
    'Where the wait went',
    htmlTable(columns, rows, {
      caption: 'Means of turns. Every column adds up to its last line.',
      hasTotal: true,
    }),
  );
}

function figureSection(report: Report): string {
  const pairs = measuredPairs(report);
  if (pairs.length === 0) return '';
  const lanes = {
    a: pairs.map(({ a }) => (a.e2eUs ?? 0) / 1000),
    b: pairs.map(({ b }) => (b.e2eUs ?? 0) / 1000),
  };
  const { svg, shown } = differenceFigure(lanes, report.validity.marginMs);
  const faster = pairs.filter(({ a, b }) => (b.e2eUs ?? 0) < (a.e2eUs ?? 0)).length;
  const slower = pairs.filter(({ a, b }) => (b.e2eUs ?? 0) > (a.e2eUs ?? 0)).length;
  const sampled = shown < pairs.length ? ` ${shown} of ${pairs.length} drawn.` : '';
  return htmlSection(
    'figures',
    'Every turn',
    `<figure>${distributionFigure(lanes)}<figcaption>End to end of the paired turns, A over B.</figcaption></figure>` +
      `<figure>${svg}<figcaption>Each pair’s difference, in order of size: ${faster} faster, ${slower} slower, ${pairs.length - faster - slower} equal. The band is the margin.${sampled}</figcaption></figure>`,
  );
}

function pairSection(data: PageData): string {
  if (data.pairs.length === 0) return '';
  const legend = LEDGER_STAGES.map((stage, index) => `<span><i class="s${index}"></i>${stage}</span>`).join('');
  const spans =
    data.withSpans === 0
      ? ''
      : `<p class="note">A is pale and above, B full and below. Spans of ${data.withSpans} of ${data.pairs.length} pairs are in this page.</p>`;
  return htmlSection(
    'pairs',
    'Any pair, A over B',
    '<div class="pairs"><div>' +
      '<label class="note" for="find">Find a turn: session, “turn 3”, trace id ( / )</label>' +
      '<input class="find" id="find" type="search" autocomplete="off" spellcheck="false">' +
      '<p class="note" id="count" role="status"></p><ul class="list" id="list" aria-label="pairs"></ul></div>' +
      `<div><div class="legend">${legend}</div><div id="panel" aria-live="polite"></div></div></div>${spans}`,
  );
}

function validitySection(report: Report): string {
  const rerun =
    report.rerun === undefined ? '' : `<h3>Repeat the run</h3><pre>${escapeHtml(rerunText(report) ?? '')}</pre>`;
  const lines = validityLine(report).split(' · ');
  return htmlSection(
    'validity',
    'Validity',
    `<ul>${lines.map((line) => `<li>${escapeHtml(line)}</li>`).join('')}</ul>${rerun}`,
  );
}

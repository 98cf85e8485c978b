/** Words that all forms of a report share, and untrusted text made harmless. Pure. */
import type { TurnSummary } from '../../service/turn-log/metrics.ts';
import type { Verdict } from '../diff/diff.ts';
import type { Report } from './build.ts';
import { intervalText, signed } from './rows.ts';

export const VERDICT_SIGN: Readonly<Record<Verdict, string>> = {
  faster: '✓',
  slower: '✗',
  same: '=',
  inconclusive: '?',
};

/** One line on how far the figures carry. */
export function validityLine({ validity, sameWords }: Report): string {
  const { pairs, sessions, noiseFloorMs, marginMs, dropped, draws, drift, generalizes, seed } = validity;
  const parts = [
    validity.observational === true
      ? `no turn in common; ${sessions} session${sessions === 1 ? '' : 's'} or more a side: observational`
      : `${pairs} turns in ${sessions} session${sessions === 1 ? '' : 's'}`,
    `margin ${marginMs.toFixed(1)} ms`,
    noiseFloorMs === undefined ? 'noise floor not measured' : `noise floor ${noiseFloorMs.toFixed(1)} ms`,
    draws === 'common' ? 'common draws: the interval is over sessions only' : `draws ${draws}`,
    ...(drift === undefined
      ? []
      : [
          `captured → baseline ${signed(drift.deltaMs)} ms (error median ${drift.medianErrorPct.toFixed(2)} %, p95 ${drift.p95ErrorPct.toFixed(2)} %)`,
        ]),
    ...(sameWords === undefined
      ? []
      : [
          `on the captured words ${sameWords.stage} ${signed(sameWords.deltaMs)} ms ${intervalText(sameWords)}, n ${sameWords.n}: shown beside, not judged`,
        ]),
    ...(generalizes ? [] : ['one conversation: does not generalize']),
    ...dropped.map(({ lane, cause, turns }) => `${turns} dropped (${lane.toUpperCase()}: ${cause})`),
    ...(seed === undefined ? [] : [`seed ${shown(seed)}`]),
    ...(validity.notes ?? []).map((note) => shown(note)),
  ];
  return parts.join(' · ');
}

/** Beyond this, one text would crowd out the report that it stands in. */
const SHOWN_CHARS = 1000;

/** Untrusted text as `plain`, and no more of it than a reader takes in; a cut says how long it was. */
export function shown(text: string, limitChars = SHOWN_CHARS): string {
  return plain(text.length > limitChars ? `${text.slice(0, limitChars)}… (${text.length} characters)` : text);
}

/** A knob's value; one arm may not know the knob. */
export function knobText(value: unknown): string {
  return JSON.stringify(value) ?? 'absent';
}

/** A command is shown whole or not at all: cut, it would be another one. */
export function rerunText({ rerun }: Report): string | undefined {
  if (rerun === undefined) return undefined;
  return rerun.length > RERUN_CHARS ? '# the command is long: it stands in report.json, field rerun' : plain(rerun);
}

const RERUN_CHARS = 4000;

/** Untrusted text on one line: control, bidirectional and zero-width characters are made visible. */
export function plain(text: string): string {
  return text.replace(
    /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

/** JSON whose texts are the same texts, and which a terminal prints as it stands: what could steer it is escaped. */
export function inertJson(value: unknown): string {
  return JSON.stringify(value, null, 2)
    .split('\n')
    .map((line) => plain(line))
    .join('\n');
}

/** Jaeger's comparison of two traces; undefined when an id is none of ours. */
export function compareUrl(jaegerUi: string, traceIdA: string, traceIdB: string): string | undefined {
  const isId = (id: string): boolean => /^[0-9a-f]{32}$/.test(id);
  const base = URL.parse(jaegerUi);
  if (base === null || !/^https?:$/.test(base.protocol) || !isId(traceIdA) || !isId(traceIdB)) return undefined;
  const path = base.pathname.replace(/\/+$/, '').replace(/[()]/g, (mark) => `%${mark.charCodeAt(0).toString(16)}`);
  return `${base.origin}${path}/trace/${traceIdA}...${traceIdB}`;
}

/** How much longer B's turn waited than A's. */
export function deltaUsOf({ a, b }: { a: TurnSummary; b: TurnSummary }): number {
  return (b.e2eUs ?? 0) - (a.e2eUs ?? 0);
}

/** Text on as many lines as it needs, broken at `gap`, then at blanks; continued lines are indented, by two unless it is said. */
export function wrapped(text: string, gap: string, columns: number, indent = '  '): string[] {
  const lines: string[] = [];
  for (const part of text.split(gap)) {
    const line = lines.at(-1);
    if (line !== undefined && line.length + gap.length + part.length <= columns) {
      lines[lines.length - 1] = `${line}${gap}${part}`;
    } else {
      lines.push(line === undefined ? part : `${indent}${part}`);
    }
  }
  return gap === ' ' ? lines : lines.flatMap((line) => wrapped(line, ' ', columns, indent));
}

/** Lines that all formats of a report share, and untrusted text made harmless. Pure. */
import { UNSEEN } from '../../service/base/unseen.ts';
import type { TurnPair } from '../diff/align.ts';
import { VERDICT_TABLE } from '../diff/verdict.ts';
import type { Report } from './build.ts';
import { percentText, signed } from '../statistics/rounding.ts';
import { intervalText } from './rows.ts';

/** The primary figure, its interval and Δ/A; or that there is none. */
export function primaryText({ primary }: Pick<Report, 'primary'>): string {
  if (primary === undefined) return 'no turn measured in both';
  const percent = primary.deltaPct === undefined ? '' : ` (${signed(primary.deltaPct)} %)`;
  return `${primary.stage} ${signed(primary.deltaMs)} ms ${intervalText(primary)}${percent}`;
}

/** Where the figures come from, and what they ask of the world. */
export function basisLine({ basis, world, validity, asks = [] }: Report): string {
  return [
    `${basis}: world ${world}`,
    ...(validity.profile === undefined ? [] : [`profile ${shown(validity.profile)}`]),
    ...(asks.length === 0 ? [] : [`asks for ${asks.map((ask) => shown(ask)).join(' and ')}`]),
  ].join(', ');
}

export const verdictSign = ({ verdict }: Pick<Report, 'verdict'>): string => VERDICT_TABLE[verdict].sign;

/** A guard's figures, and what they leave open. */
export const guardText = ({ detail, limit }: Report['guards'][number]): string =>
  limit === undefined ? detail : `${detail}; not ruled out: ${limit}`;

/** `broken`, or `broken (predicted)` where a simulation's model made the figures. */
export const guardState = ({ state, predicted }: Report['guards'][number]): string =>
  predicted === true ? `${state} (predicted)` : state;

/** What would settle an open verdict. Undefined where nothing is to settle. */
export function settleText({ settle }: Pick<Report, 'settle'>): string | undefined {
  if (settle === undefined) return undefined;
  const price = settle.usd === undefined ? '' : `, about ${settle.usd.toFixed(4)} USD for replies`;
  const command = settle.command === undefined ? '' : `: ${plain(settle.command)}`;
  return `would be settled by about ${settle.sessions} sessions in all${price}${command}`;
}

/** How a run until decided ended. */
function lookText({ looks, sessions, maxSessions, level }: NonNullable<Report['validity']['look']>): string {
  const at = looks === 0 ? 'no look yet' : `look ${looks}`;
  return `until decided: ${at}, ${sessions} of at most ${maxSessions} sessions, nominal level ${level.toPrecision(2)}: intervals are repeated ones, 95 % over all looks`;
}

/** Less is the jitter of timers. */
const LEAST_LAG_SHOWN_MS = 1;

/** How far the figures carry, in one line. */
export function validityLine({ validity, sameWords, matched, primary }: Report): string {
  const { turns, pairs, sessions, repetition, trend, readLag, marginMs, draws, drift, generalizes, seed, model } =
    validity;
  const parts = [
    validity.observational === true
      ? `no shared turn; ${sessions} session${sessions === 1 ? '' : 's'} or more a side (observational)`
      : `${turns} turns${pairs === turns ? '' : ` (${pairs} pairs, repetitions averaged)`} in ${sessions} session${sessions === 1 ? '' : 's'}, matched share ${percentText(matched.share)}`,
    `margin ${marginMs.toFixed(1)} ms`,
    ...(validity.look === undefined ? [] : [lookText(validity.look)]),
    ...(primary?.shiftPct === undefined ? [] : [`relative shift ${signed(primary.shiftPct)} %${shiftRange(primary)}`]),
    ...(repetition === undefined
      ? []
      : [
          `baseline repeated ${signed(repetition.deltaMs)} ms, 99 % interval [${signed(repetition.lowMs)}, ${signed(repetition.highMs)}]`,
        ]),
    ...(trend === undefined || (trend.lowMs <= 0 && trend.highMs >= 0)
      ? []
      : [
          `a trend common to both lanes, ${signed(trend.deltaMs)} ms [${signed(trend.lowMs)}, ${signed(trend.highMs)}] from first to last turn: pairing removes it`,
        ]),
    ...(readLag === undefined || Math.max(readLag.aMs, readLag.bMs) < LEAST_LAG_SHOWN_MS
      ? []
      : [`read lag A ${readLag.aMs.toFixed(1)} ms, B ${readLag.bMs.toFixed(1)} ms: no part of end to end`]),
    draws === 'common'
      ? `common draws: the interval is over sessions ${model === undefined ? 'only' : "and the model's refits"}`
      : `draws ${draws}`,
    ...(model === undefined
      ? []
      : [`model uncertainty included: ${model.refits} refits, ${model.variancePct.toFixed(0)} % of the variance`]),
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
    ...matched.lost.map(
      ({ lane, cause, turns: lost, otherMeanMs }) =>
        `${lost} left out (${lane.toUpperCase()}: ${cause}${otherMeanMs === undefined ? '' : `; they took ${otherMeanMs.toFixed(1)} ms in ${lane === 'a' ? 'B' : 'A'}`})`,
    ),
    ...(seed === undefined ? [] : [`seed ${shown(seed)}`]),
    ...(validity.notes ?? []).map((note) => shown(note)),
  ];
  return parts.join(' · ');
}

function shiftRange({ lowPct, highPct }: { lowPct?: number; highPct?: number }): string {
  return lowPct === undefined || highPct === undefined ? '' : ` [${signed(lowPct)}, ${signed(highPct)}]`;
}

/** More of them would crowd out the figures. */
const REASONS_SHOWN = 10;

/** The reasons of the verdict that a reader takes in, untrusted as they are; the last says how many more there are. */
export function shownReasons({ reasons }: Pick<Report, 'reasons'>): readonly string[] {
  if (reasons.length <= REASONS_SHOWN) return reasons;
  return [...reasons.slice(0, REASONS_SHOWN), `${reasons.length - REASONS_SHOWN} more reasons: see report.json`];
}

/** A longer text would crowd out the report around it. */
const SHOWN_CHARS = 1000;

/** Untrusted text as `plain`, cut to what a reader takes in. A cut text ends with its length. */
export function shown(text: string, limitChars = SHOWN_CHARS): string {
  return plain(text.length > limitChars ? `${text.slice(0, limitChars)}… (${text.length} characters)` : text);
}

/** `absent`: the arm's commit does not know the knob. */
export function knobText(value: unknown): string {
  return JSON.stringify(value) ?? 'absent';
}

/** The whole command, or where it stands: a cut command would be another command. */
export function rerunText({ rerun }: Report): string | undefined {
  if (rerun === undefined) return undefined;
  return rerun.length > RERUN_CHARS
    ? '# the command is too long to print: see field rerun of report.json'
    : plain(rerun);
}

const RERUN_CHARS = 4000;

/** Untrusted text on one line, with every unseen character as JSON escapes it. */
export function plain(text: string): string {
  return text.replace(UNSEEN, (character) =>
    character
      .split('')
      .map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
      .join(''),
  );
}

/** JSON that is safe on a terminal: what could steer the terminal is escaped, and parses to the same text. */
export function inertJson(value: unknown): string {
  return JSON.stringify(value, null, 2)
    .split('\n')
    .map((line) => plain(line))
    .join('\n');
}

/** The page of Jaeger that compares two traces. Undefined for an id that is no trace id. */
export function compareUrl(jaegerUi: string, traceIdA: string, traceIdB: string): string | undefined {
  const isId = (id: string): boolean => /^[0-9a-f]{32}$/.test(id);
  const base = URL.parse(jaegerUi);
  if (base === null || !/^https?:$/.test(base.protocol) || !isId(traceIdA) || !isId(traceIdB)) return undefined;
  const path = base.pathname.replace(/\/+$/, '').replace(/[()]/g, (mark) => `%${mark.charCodeAt(0).toString(16)}`);
  return `${base.origin}${path}/trace/${traceIdA}...${traceIdB}`;
}

/** How much longer the user waited in B's turn than in A's. */
export function deltaUsOf({ a, b }: TurnPair): number {
  return (b.e2eUs ?? 0) - (a.e2eUs ?? 0);
}

/** Text in lines of at most `columns`, broken at `gap`, then at blanks. Continued lines begin with `indent`. */
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

/** The data of the HTML page's waterfalls: the ledgers of every pair, and spans as far as the page may grow. Pure. */
import type { TurnSummary } from '../../service/turn-log/metrics.ts';
import { tracedTurnKey, type SpansByTurn, type TurnSpans } from '../traces/trace-tree.ts';
import { LEDGER_STAGES } from '../../service/base/events.ts';
import type { TurnPair } from '../diff/align.ts';
import { pairsIn, type Report } from './build.ts';
import { compareUrl, deltaUsOf, shown } from './words.ts';

/** No more spans than these are in the page. The ledgers of all pairs are. */
const SPAN_LIMIT = 60_000;
const TEXT_LIMIT_CHARS = 20_000;

/** Parts are `[stage index, phase, µs]`, spans `[path index, start µs, µs]`. */
interface PageTurn {
  e2eUs?: number;
  failure?: string;
  parts: readonly (readonly [stage: number, phase: string, us: number])[];
  spans?: readonly (readonly [path: number, startUs: number, us: number])[];
  transcript?: string;
  reply?: string;
}

export interface PageData {
  stages: readonly string[];
  paths: readonly string[];
  pairs: readonly {
    session: string;
    turn: number;
    traces: readonly [a: string, b: string];
    url?: string;
    a: PageTurn;
    b: PageTurn;
  }[];
  /** Pairs whose spans are in the page. */
  withSpans: number;
}

export interface PageOptions {
  spans?: { a: SpansByTurn; b: SpansByTurn };
  jaegerUi?: string;
}

/** Pairs in order of their difference, the slowest last. Pairs without a difference follow. */
export function pageData(report: Report, { spans, jaegerUi }: PageOptions): PageData {
  const paths = new Map<string, number>();
  const texts = new Map((report.texts ?? []).map((each) => [tracedTurnKey(each), each]));
  let spansLeft = SPAN_LIMIT;
  let withSpans = 0;
  const pairs = pairsIn(report);
  const rank = (pair: TurnPair): number =>
    pair.a.e2eUs === undefined || pair.b.e2eUs === undefined ? Infinity : deltaUsOf(pair);
  const turnOf = (turn: TurnSummary, own: TurnSpans | undefined): PageTurn => {
    const { transcript, reply } = texts.get(tracedTurnKey(turn)) ?? {};
    return {
      e2eUs: turn.e2eUs,
      failure: turn.failure && pageText(`${turn.failure.stage} ${turn.failure.kind}`),
      parts: merged(turn),
      spans: own && pageSpans(own, paths),
      transcript: transcript && pageText(transcript),
      reply: reply && pageText(reply),
    };
  };
  const drawn = pairs
    .sort((x, y) => (rank(x) === rank(y) ? 0 : rank(x) - rank(y)))
    .map(({ a, b }) => {
      const [ownA, ownB] = [spans?.a.get(tracedTurnKey(a)), spans?.b.get(tracedTurnKey(b))];
      const count = (ownA?.paths.length ?? 0) + (ownB?.paths.length ?? 0);
      const fits = count > 0 && count <= spansLeft;
      if (fits) {
        spansLeft -= count;
        withSpans++;
      }
      const url = jaegerUi === undefined ? undefined : compareUrl(jaegerUi, a.traceId, b.traceId);
      return {
        session: pageText(a.sessionId),
        turn: a.turnIndex,
        traces: [pageText(a.traceId), pageText(b.traceId)] as const,
        url,
        a: turnOf(a, fits ? ownA : undefined),
        b: turnOf(b, fits ? ownB : undefined),
      };
    });
  return { stages: LEDGER_STAGES, paths: [...paths.keys()], pairs: drawn, withSpans };
}

/** JSON for a script element: nothing in it can end the element or begin another. */
export function scriptJson(value: unknown): string {
  return JSON.stringify(value).replace(
    /[<>&\u2028\u2029]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

const pageText = (untrusted: string): string => shown(untrusted, TEXT_LIMIT_CHARS);

/** Consecutive parts of one stage and phase become one part. */
function merged({ ledger }: TurnSummary): [stage: number, phase: string, us: number][] {
  const parts: [number, string, number][] = [];
  for (const { stage, phase, us } of ledger) {
    if (us === 0) continue;
    const at = LEDGER_STAGES.indexOf(stage);
    const last = parts.at(-1);
    if (last !== undefined && last[0] === at && last[1] === phase) last[2] += us;
    else parts.push([at, phase, us]);
  }
  return parts;
}

function pageSpans({ paths, times }: TurnSpans, index: Map<string, number>): [number, number, number][] {
  return paths.map((path, at) => {
    const name = pageText(path);
    const known = index.get(name) ?? index.size;
    index.set(name, known);
    return [known, times[at * 2] ?? 0, times[at * 2 + 1] ?? 0];
  });
}

/**
 * The critical path as Jaeger's UI draws it, by the rule that it documents: from a span's end to the child that ended last, and so on
 * back. From a child's start the walk goes on in its parent, with the child that ended last strictly before that start.
 *
 * A child is cut to its parent, and left out where it lies outside. A root whose first reference is a link to another trace counts as
 * somebody's child, and the trace then has no path.
 */
export interface PathSpan {
  spanId: string;
  parentSpanId?: string;
  name: string;
  startUs: number;
  endUs: number;
  links: readonly unknown[];
}

export interface PathSection<Span extends PathSpan> {
  span: Span;
  fromUs: number;
  toUs: number;
}

/** In order of the walk, the last one first. Sections without length are left out. */
export function jaegerCriticalPath<Span extends PathSpan>(spans: readonly Span[]): PathSection<Span>[] {
  const root = spans.find(({ parentSpanId }) => parentSpanId === undefined);
  if (root === undefined || root.links.length > 0) return [];
  const below = Map.groupBy(spans, ({ parentSpanId }) => parentSpanId ?? '');
  const path: PathSection<Span>[] = [];
  const walk = (span: Span, startUs: number, endUs: number): void => {
    const children = (below.get(span.spanId) ?? [])
      .map((child) => ({
        child,
        fromUs: Math.max(child.startUs, startUs),
        toUs: Math.min(child.endUs, endUs),
        isOutside: child.startUs > endUs || child.endUs < startUs,
      }))
      .filter(({ isOutside }) => !isOutside)
      .toSorted((a, b) => b.toUs - a.toUs);
    let cursorUs = endUs;
    // at the span's own end a child may end with it
    let last = children[0];
    while (last !== undefined) {
      if (last.toUs < cursorUs) path.push({ span, fromUs: last.toUs, toUs: cursorUs });
      walk(last.child, last.fromUs, last.toUs);
      cursorUs = last.fromUs;
      last = children.find(({ toUs }) => toUs < cursorUs);
    }
    if (startUs < cursorUs) path.push({ span, fromUs: startUs, toUs: cursorUs });
  };
  walk(root, root.startUs, root.endUs);
  return path;
}

/**
 * How long each stage is on the path, in µs: the stages of `wait …` spans, `our code` for `response` itself, else the span's name. What was
 * blocked counts as its parent.
 */
export function pathByStageUs(spans: readonly PathSpan[]): ReadonlyMap<string, number> {
  const totals = new Map<string, number>();
  for (const { span, fromUs, toUs } of jaegerCriticalPath(spans)) {
    const { name = '' } =
      span.name === 'blocked' ? (spans.find(({ spanId }) => spanId === span.parentSpanId) ?? span) : span;
    const stage = name === 'response' ? 'our code' : name.replace(/^wait /, '');
    totals.set(stage, (totals.get(stage) ?? 0) + toUs - fromUs);
  }
  return totals;
}

/** What may be on the path of a turn that has a response, beside the stages of its ledger. */
const AROUND: ReadonlySet<string> = new Set(['turn', 'speech', 'playback']);

/**
 * Where the path of a turn with a response tells another story than its ledger: a stage that differs by more than `slackUs`, or work that
 * nobody waited for.
 */
export function pathComplaints(
  spans: readonly PathSpan[],
  ledger: readonly { stage: string; us: number }[],
  slackUs: number,
): string[] {
  const left = new Map(pathByStageUs(spans));
  const own = new Map<string, number>();
  for (const { stage, us } of ledger) own.set(stage, (own.get(stage) ?? 0) + us);
  const complaints: string[] = [];
  for (const stage of new Set([...own.keys(), 'our code'])) {
    const [pathUs, ledgerUs] = [left.get(stage) ?? 0, own.get(stage) ?? 0];
    left.delete(stage);
    if (Math.abs(pathUs - ledgerUs) > slackUs)
      complaints.push(`${stage}: ${pathUs} µs on the path, ${ledgerUs} in the ledger`);
  }
  for (const [name, us] of left)
    if (!AROUND.has(name)) complaints.push(`${name}: ${us} µs on the path, nothing in the ledger`);
  return complaints;
}

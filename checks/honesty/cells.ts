/** The combinations that are measured: every pair of values of any two factors, in as few cells as a greedy search finds. */

export const INJECTIONS = ['dns', 'tls', 'wait', 'first', 'between', 'tail'] as const;
export type Injection = (typeof INJECTIONS)[number];
export const CLIENTS = ['fetch', 'fal', 'openai'] as const;
export type Client = (typeof CLIENTS)[number];
/** Two sizes, so that a figure that never changes is found; both above the 40 ms of Linux's delayed acknowledgement. */
export const SIZES_MS = [70, 150] as const;
export const PROTOCOLS = ['1.1', '2'] as const;
export const CONNECTIONS = ['new', 'reused'] as const;

export interface Cell {
  injection: Injection;
  injectedMs: (typeof SIZES_MS)[number];
  protocol: (typeof PROTOCOLS)[number];
  connection: (typeof CONNECTIONS)[number];
  client: Client;
}

export function allCells(): Cell[] {
  const cells: Cell[] = [];
  for (const injection of INJECTIONS)
    for (const injectedMs of SIZES_MS)
      for (const protocol of PROTOCOLS)
        for (const connection of CONNECTIONS)
          for (const client of CLIENTS) cells.push({ injection, injectedMs, protocol, connection, client });
  return cells;
}

/** The pairs of factor values that a cell shows. */
export function factorPairs(cell: Cell): string[] {
  const values = Object.entries(cell).map(([factor, value]) => `${factor}=${value}`);
  return values.flatMap((one, index) => values.slice(index + 1).map((other) => `${one} ${other}`));
}

/** Takes the cell that shows most pairs not yet shown, until none is left. The same cells give the same cover. */
export function pairwiseCover(cells: readonly Cell[]): Cell[] {
  const missing = new Set(cells.flatMap(factorPairs));
  const cover: Cell[] = [];
  const news = (cell: Cell): number => factorPairs(cell).filter((pair) => missing.has(pair)).length;
  while (missing.size > 0) {
    const best = cells.reduce((a, b) => (news(b) > news(a) ? b : a));
    cover.push(best);
    for (const pair of factorPairs(best)) missing.delete(pair);
  }
  return cover;
}

export function cellName({ injection, injectedMs, protocol, connection, client }: Cell): string {
  return `${injection} ${injectedMs} ms, HTTP/${protocol}, ${connection} socket, ${client}`;
}

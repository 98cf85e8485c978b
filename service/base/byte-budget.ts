/**
 * Memory that many share. Whoever wants more than is left is told so, instead of the process growing. A client who holds much
 * makes room for clients who hold less.
 */

export interface ByteBudget {
  /** Bytes that shares hold now. */
  readonly usedBytes: number;
  share(holder: Holder): Share;
}

/** Whose bytes a share holds, and how they are taken away. */
export interface Holder {
  client: string;
  /** Ends the work that needs the bytes, which count as free at once. Called at most once until they are given back. */
  evict(): void;
  /** The work will not be done in time. Then others of the same client may have the bytes too. */
  isHopeless?(): boolean;
}

/** What one holder has taken. */
export interface Share {
  /** Takes bytes for later use. False where no room can be made for them; then nothing is taken. */
  take(bytes: number): boolean;
  /** From now on nobody takes the bytes away: their work ends by itself. */
  settle(): void;
  /** Gives back all that was taken. */
  giveBack(): void;
}

interface Held {
  holder: Holder;
  bytes: number;
  state: 'evictable' | 'settled' | 'evicted';
}

export function createByteBudget(limitBytes: number): ByteBudget {
  const shares = new Set<Held>();
  let usedBytes = 0;
  /** Who makes room for `own`, which would then hold `wantedBytes`: hopeless work first, then the largest of the client with the most. */
  const toEvict = (own: Held, wantedBytes: number): Held | undefined => {
    const totals = new Map<string, number>();
    for (const { holder, bytes } of shares) totals.set(holder.client, (totals.get(holder.client) ?? 0) + bytes);
    const totalOf = ({ holder }: Held): number => totals.get(holder.client) ?? 0;
    const clientBytes = totalOf(own) - own.bytes + wantedBytes;
    const candidates = [...shares]
      .filter((each) => each !== own && each.bytes > 0 && each.state === 'evictable')
      .map((each) => ({ each, isHopeless: each.holder.isHopeless?.() === true, total: totalOf(each) }))
      .filter(({ each, isHopeless, total }) =>
        each.holder.client === own.holder.client ? isHopeless && each.bytes > wantedBytes : total > clientBytes,
      )
      .sort((a, b) => Number(b.isHopeless) - Number(a.isHopeless) || b.total - a.total || b.each.bytes - a.each.bytes);
    return candidates[0]?.each;
  };
  const release = (held: Held): void => {
    shares.delete(held);
    usedBytes -= held.bytes;
    held.bytes = 0;
  };
  return {
    get usedBytes() {
      return usedBytes;
    },
    share(holder) {
      const own: Held = { holder, bytes: 0, state: 'evictable' };
      return {
        take(bytes) {
          if (own.state === 'evicted') return false;
          while (usedBytes + bytes > limitBytes) {
            const largest = toEvict(own, own.bytes + bytes);
            if (largest === undefined) return false;
            release(largest);
            largest.state = 'evicted';
            largest.holder.evict();
          }
          shares.add(own);
          usedBytes += bytes;
          own.bytes += bytes;
          return true;
        },
        settle: () => void (own.state = own.state === 'evicted' ? 'evicted' : 'settled'),
        giveBack() {
          release(own);
          own.state = 'evictable';
        },
      };
    },
  };
}

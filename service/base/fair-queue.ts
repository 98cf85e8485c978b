/** Work that is done one piece at a time, for owners who take turns: one who asks for much does not make the others wait. */

export interface FairQueue {
  /** Does the work when it is its owner's turn. Rejects with `refusal()` where too much waits, or when others with less take its place. */
  run<T>(owner: string, work: () => Promise<T>): Promise<T>;
}

interface Waiting {
  begin(): Promise<void>;
  refuse(): void;
}

/** At most `limit` pieces wait. When as many do, a newcomer takes the place of the owner who has the most, unless that is himself. */
export function createFairQueue(limit: number, refusal: () => Error): FairQueue {
  /** The owner whose turn is next stands first. */
  const queues = new Map<string, Waiting[]>();
  let isWorking = false;

  const next = (): Waiting | undefined => {
    for (const [owner, queue] of queues) {
      const first = queue.shift();
      queues.delete(owner);
      if (queue.length > 0) queues.set(owner, queue);
      return first;
    }
    return undefined;
  };
  const workOff = async (): Promise<void> => {
    if (isWorking) return;
    isWorking = true;
    for (let each = next(); each !== undefined; each = next()) await each.begin();
    isWorking = false;
  };
  const makeRoom = (owner: string): boolean => {
    const sizes = [...queues].map(([name, { length }]) => ({ name, length }));
    if (sizes.reduce((sum, { length }) => sum + length, 0) < limit) return true;
    const most = sizes.reduce((a, b) => (b.length > a.length ? b : a), { name: owner, length: 0 });
    const mine = queues.get(owner)?.length ?? 0;
    if (most.length <= mine + 1) return false;
    queues.get(most.name)?.pop()?.refuse();
    return true;
  };
  return {
    run(owner, work) {
      if (!makeRoom(owner)) return Promise.reject(refusal());
      return new Promise((resolve, reject) => {
        const queue = queues.get(owner) ?? [];
        queue.push({ begin: () => work().then(resolve, reject), refuse: () => reject(refusal()) });
        queues.set(owner, queue);
        void workOff();
      });
    },
  };
}

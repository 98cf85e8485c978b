/** Memory that many share: whoever wants more than is left is told so, instead of the process growing. */

export interface ByteBudget {
  /** Bytes that shares hold now. */
  readonly usedBytes: number;
  share(): Share;
}

/** What one holder has taken. */
export interface Share {
  /** Takes bytes for later use. False where the budget has less left; then nothing is taken. */
  take(bytes: number): boolean;
  /** Gives back all that was taken. */
  giveBack(): void;
}

export function createByteBudget(limitBytes: number): ByteBudget {
  let usedBytes = 0;
  return {
    get usedBytes() {
      return usedBytes;
    },
    share() {
      let heldBytes = 0;
      return {
        take(bytes) {
          if (usedBytes + bytes > limitBytes) return false;
          usedBytes += bytes;
          heldBytes += bytes;
          return true;
        },
        giveBack() {
          usedBytes -= heldBytes;
          heldBytes = 0;
        },
      };
    },
  };
}

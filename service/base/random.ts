/** Seeded, named random streams: one consumer's draw moves no other's. */
import { hash, randomBytes } from 'node:crypto';
import type { Random } from './ports.ts';

/**
 * A stream of uniform numbers in [0, 1) that depends on nothing but the key's parts.
 * Hashing: FNV-1a (http://www.isthe.com/chongo/tech/comp/fnv/); generator: mulberry32 (Tommy Ettinger, public domain).
 */
export function keyedRandom(...key: readonly (string | number)[]): Random {
  return mulberry32(fnv1a(key.join('\u0000')));
}

/** `keyedRandom` for many keys that differ in their last part alone: the others are hashed once. */
export function keyedRandoms(...key: readonly (string | number)[]): (last: string) => Random {
  const hash = fnv1a([...key, ''].join('\u0000'));
  return (last) => mulberry32(fnv1a(last, hash));
}

function mulberry32(seed: number): Random {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

function fnv1a(text: string, from = 0x811c9dc5): number {
  let hash = from;
  for (let index = 0; index < text.length; index++) {
    hash ^= text.charCodeAt(index);
    hash = Math.imul(hash, 0x01000193) >>> 0;
  }
  return hash;
}

/** `length` hex digits that depend on nothing but the key's parts: trace, span and run ids. */
export function keyedHex(length: number, ...key: readonly (string | number)[]): string {
  return hash('sha256', key.join('\u0000'), 'hex').slice(0, length);
}

/** `length` hex digits that no one can predict: session and run ids outside of simulation. */
export function unpredictableHex(length: number): string {
  return randomBytes(Math.ceil(length / 2))
    .toString('hex')
    .slice(0, length);
}

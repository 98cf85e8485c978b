/** Damages a sample: bytes that flip, go, come twice or come from another sample, and JSON of the wrong shape. The same chance gives the same damage. */
import type { Random } from '../../service/base/ports.ts';
import { isObject, parsedJson } from '../../service/base/json.ts';

/** Larger samples are cut: the parsers' own limits have tests of their own. */
const MOST_BYTES = 200_000;
const MOST_ROUNDS = 4;

/** `others` are the samples whose parts may be spliced in. */
export function mutated(sample: Uint8Array, others: readonly Uint8Array[], random: Random): Uint8Array {
  let bytes = sample;
  for (let rounds = 1 + below(random, MOST_ROUNDS); rounds > 0; rounds--) {
    const json = random() < 0.7 ? withJsonDamage(bytes, random) : undefined;
    bytes = json ?? pick(random, BYTE_DAMAGE)(bytes, pick(random, others), random);
  }
  return bytes.subarray(0, MOST_BYTES);
}

const below = (random: Random, count: number): number => Math.floor(random() * count);

function pick<Item>(random: Random, items: readonly Item[]): Item {
  const item = items[below(random, items.length)];
  if (item === undefined) throw new Error('nothing to pick from');
  return item;
}

type ByteDamage = (bytes: Uint8Array, other: Uint8Array, random: Random) => Uint8Array;

const ENDS = [0, 1, 0x7f, 0x80, 0xff] as const;

const BYTE_DAMAGE: readonly ByteDamage[] = [
  // flips
  (bytes, _, random) => {
    const copy = Uint8Array.from(bytes);
    for (let flips = 1 + below(random, 8); flips > 0; flips--)
      copy[below(random, copy.length)] = random() < 0.5 ? below(random, 256) : pick(random, ENDS);
    return copy;
  },
  // a 32-bit length or count
  (bytes, _, random) => {
    const copy = Buffer.from(bytes);
    const word = pick(random, [0, 1, 0x7fffffff, 0x80000000, 0xffffffff, copy.length]);
    if (copy.length >= 4) copy.writeUInt32LE(word, below(random, copy.length - 3));
    return copy;
  },
  // cuts: the end, the beginning, the middle
  (bytes, _, random) => bytes.subarray(0, below(random, bytes.length + 1)),
  (bytes, _, random) => bytes.subarray(below(random, bytes.length + 1)),
  (bytes, _, random) => {
    const [from, to] = range(bytes, random);
    return Buffer.concat([bytes.subarray(0, from), bytes.subarray(to)]);
  },
  // repeats
  (bytes, _, random) => {
    const [from, to] = range(bytes, random);
    const part = bytes.subarray(from, Math.min(to, from + 2000));
    return Buffer.concat([
      bytes.subarray(0, to),
      ...Array.from({ length: 1 + below(random, 20) }, () => part),
      bytes.subarray(to),
    ]);
  },
  // splices
  (bytes, other, random) => {
    const [from, to] = range(bytes, random);
    const [begin, end] = range(other, random);
    return Buffer.concat([bytes.subarray(0, from), other.subarray(begin, end), bytes.subarray(to)]);
  },
];

function range(bytes: Uint8Array, random: Random): [from: number, to: number] {
  const [one, two] = [below(random, bytes.length + 1), below(random, bytes.length + 1)];
  return [Math.min(one, two), Math.max(one, two)];
}

/** Written in place of texts once the value is JSON again: what `JSON.stringify` never writes. */
const RAW: Readonly<Record<string, string>> = {
  '@digits': '9'.repeat(400),
  '@infinite': '1e400',
  '@negative': '-1e308',
  '@arrays': '['.repeat(5000) + ']'.repeat(5000),
  '@objects': '{"a":'.repeat(5000) + '1' + '}'.repeat(5000),
  '@values': '{"arrayValue":{"values":['.repeat(1000) + ']}}'.repeat(1000),
  '@twice': '{"type":"a","type":"b","id":1,"id":2}',
};

const WRONG: readonly unknown[] = [
  ...[null, true, false, 0, -1, 1.5, 1e21, 2 ** 53, '', 'x', '0', '-1', '\u0000', '\ud800', [], {}, [[]], [null]],
  ...['9'.repeat(400), 'x'.repeat(20_000), '../../etc/passwd', 'toString', '1790000000000000000'],
  ...Object.keys(RAW),
];
const KEYS = ['__proto__', 'constructor', 'length', 'toString', '', 'a'.repeat(1000), '0'] as const;

/** One value of the JSON, or of one of its lines, changed; undefined where the bytes are no JSON. */
function withJsonDamage(bytes: Uint8Array, random: Random): Uint8Array | undefined {
  const lines = Buffer.from(bytes).toString('utf8').split('\n');
  const at = below(random, lines.length);
  // lines of server-sent events have a field name before their JSON
  const [, head = '', text = ''] = /^((?:data: ?)?)(.*)$/s.exec(lines[at] ?? '') ?? [];
  const json = parsedJson(text);
  if (typeof json !== 'object' || json === null) return undefined;
  try {
    damage(json, random);
    lines[at] = head + JSON.stringify(json).replace(/"(@[a-z]+)"/g, (whole, name: string) => RAW[name] ?? whole);
  } catch (error) {
    if (error instanceof RangeError) return undefined; // an earlier round nested it too deep to be written
    throw error;
  }
  return Buffer.from(lines.join('\n'));
}

function damage(json: object, random: Random): void {
  const containers: object[] = [json];
  for (let index = 0; index < containers.length && containers.length < 2000; index++)
    for (const value of Object.values(containers[index] ?? {}))
      if (typeof value === 'object' && value !== null) containers.push(value);
  const into = pick(random, containers);
  const keys = Object.keys(into);
  const isList = Array.isArray(into);
  const isNew = keys.length === 0 || random() < 0.15;
  const key = isNew ? (isList ? String(keys.length) : pick(random, KEYS)) : pick(random, keys);
  const set = (value: unknown): void =>
    void Object.defineProperty(into, key, { value, enumerable: true, configurable: true, writable: true });
  switch (below(random, 5)) {
    case 0:
      Reflect.deleteProperty(into, key);
      return;
    case 1:
      // a value of another place, or the whole in itself
      set(structuredClone(pick(random, containers)));
      return;
    case 2:
      if (isList) for (let more = below(random, 200); more > 0; more--) into.push(into[0]);
      else set(Object.values(isObject(into) ? into : {})[0]);
      return;
    default:
      set(pick(random, WRONG));
  }
}

/** Benches of the service itself and of the machinery around it; the six benches of a turn are `npx retake bench`. */
import type { Named, Program } from '../../scripts/programs/named.ts';

const BENCHES: readonly Program[] = [
  {
    name: 'overhead',
    sentence: 'What the service adds to a turn whose providers answer at once: path, CPU, tracing and capture.',
    minutes: 2,
    basis: 'estimated',
    run: ['bench/programs/overhead.ts'],
  },
  {
    name: 'load',
    sentence: 'One to 500 people talk to one service process at once, over WebSocket, in real time.',
    minutes: 5,
    basis: 'estimated',
    run: ['bench/load/main.ts'],
  },
  {
    name: 'chaos',
    sentence:
      'Two hundred people talk at once, hang up at random instants and come back: no turn lost, overload refused.',
    minutes: 1.5,
    basis: 'estimated',
    run: ['bench/load/chaos.ts'],
  },
  {
    name: 'parsers',
    sentence: 'CPU of our readers of provider streams, beside that of the libraries.',
    minutes: 1,
    basis: 'estimated',
    run: ['bench/programs/parsers.ts'],
  },
  {
    name: 'sim',
    sentence: 'Turns a second in virtual time on one core, and whether cost and memory stay flat.',
    minutes: 1,
    basis: 'estimated',
    nodeFlags: ['--expose-gc'],
    run: ['bench/programs/sim.ts'],
  },
  {
    name: 'diff',
    sentence: 'Time and peak memory of retake diff on two files of 10,000 turns with 60 spans each.',
    minutes: 1,
    basis: 'estimated',
    run: ['bench/programs/diff.ts'],
  },
  {
    name: 'endpointing',
    sentence: 'How many users a shorter silence cuts off on the committed recordings, and what it saves.',
    minutes: 0.1,
    basis: 'estimated',
    run: ['bench/programs/endpointing.ts'],
  },
];

export const BENCH: Named = { command: 'npm run bench', kind: 'bench', programs: BENCHES, groups: { all: BENCHES } };

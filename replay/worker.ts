/**
 * The process of one arm: reads captured turns line by line on stdin, runs them with this commit's `runTurn`, and answers with their
 * logs (worker-protocol.ts). Order, pairing and figures are the scheduler's.
 */
import { createInterface } from 'node:readline';
import { describeError, InputError } from '../service/base/errors.ts';
import { exitOnStray } from '../service/base/stray-exit.ts';
import { DEFAULT_STRATEGY, type Strategy } from '../service/strategy/strategy.ts';
import { resolveStrategy } from '../service/strategy/patch.ts';
import { warmUp } from '../service/warm-up.ts';
import { createRealWorld } from '../service/world.ts';
import { createArm, type Arm, type ArmWorld } from './arms/arm.ts';
import type { CapturedSession } from './sessions/captured-session.ts';
import {
  decodeToWorker,
  encodeMessage,
  WORKER_PROTOCOL,
  type FromWorker,
  type ToWorker,
} from './arms/worker-protocol.ts';

const say = (message: FromWorker): void => void process.stdout.write(encodeMessage(message));

const sessions = new Map<string, CapturedSession>();
let arm: Arm | undefined;
let defaults: Strategy = DEFAULT_STRATEGY;

exitOnStray('retake worker');
// the scheduler has ended, so nobody reads an answer
process.stdin.once('end', () => process.exit());
say({ type: 'hello', protocol: WORKER_PROTOCOL });
for await (const line of createInterface({ input: process.stdin })) {
  const message = decodeToWorker(line);
  if (message === undefined)
    say({ type: 'failed', message: 'the scheduler sent a line that is no message of the protocol', input: false });
  else await handle(message);
}

async function handle(message: ToWorker): Promise<void> {
  try {
    switch (message.type) {
      case 'start':
        defaults = message.defaults;
        arm = createArm(message.world);
        await warm(message.world, adopted(message.strategy));
        say({ type: 'ready' });
        return;
      case 'session':
        sessions.set(message.session.sessionId, {
          ...message.session,
          strategy: adopted(message.session.strategy),
        });
        return;
      case 'turn': {
        const session = sessions.get(message.sessionId);
        if (arm === undefined || session === undefined)
          throw new InputError('the scheduler sent a turn before its start or session');
        const task = { ...message.task, strategy: adopted(message.task.strategy) };
        const turn = await arm.turn(session, task);
        say({ type: 'done', id: message.id, turn });
        if (task.last) sessions.delete(message.sessionId);
        return;
      }
      default:
        message satisfies never;
    }
  } catch (error) {
    say({
      type: 'failed',
      message: describeError(error),
      input: error instanceof InputError,
      id: message.type === 'turn' ? message.id : undefined,
    });
  }
}

/** Before the first measured turn, code is compiled and its caches are filled, alike in every arm. */
async function warm(against: ArmWorld, strategy: Strategy): Promise<void> {
  if (against.world === 'sim') return;
  const world = createRealWorld({ access: against.access, seed: 'warm-up' });
  await warmUp(world, strategy);
  await world.close();
}

/**
 * The scheduler's strategy as one of this commit. A knob that this commit lacks is left out where it has the scheduler's default: this
 * commit does as much without. Any other value is an error that names the knob.
 */
function adopted(strategy: Strategy): Strategy {
  const known = (name: string, of: object): boolean => Object.hasOwn(of, name);
  const ours: Record<string, object> = DEFAULT_STRATEGY;
  const theirs: Record<string, Record<string, unknown>> = defaults;
  const patch: Record<string, Record<string, unknown>> = {};
  for (const [section, knobs] of Object.entries(strategy)) {
    for (const [knob, value] of Object.entries<unknown>(knobs)) {
      if (known(section, ours) && known(knob, ours[section] ?? {})) (patch[section] ??= {})[knob] = value;
      else if (JSON.stringify(value) !== JSON.stringify(theirs[section]?.[knob]))
        throw new InputError(`this commit has no knob ${section}.${knob}, and the arm sets it`);
    }
  }
  return resolveStrategy([patch], 'the arm’s strategy');
}

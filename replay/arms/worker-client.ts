/** The scheduler's side of a worker process: an `Arm` whose turns run in that process. */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { InputError } from '../../service/base/errors.ts';
import { DEFAULT_STRATEGY, type Strategy } from '../../service/strategy/strategy.ts';
import type { Arm, ArmTurn, ArmWorld } from './arm.ts';
import { decodeFromWorker, encodeMessage, protocolComplaint, WORKER_FILE, type ToWorker } from './worker-protocol.ts';

export interface WorkerOptions {
  /** A checkout of the arm's commit, installed. */
  folder: string;
  /** For messages. */
  commit: string;
  world: ArmWorld;
  /** For the turns before the first measured one. */
  strategy: Strategy;
}

/** A worker process ended or broke the protocol. The turn is not to blame, so its pair is run again. */
export class RunnerError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'RunnerError';
  }
}

/** Starts a worker, checks its protocol, warms it up. Throws `InputError` when the commit speaks another protocol. */
export async function startWorker({ folder, commit, world, strategy }: WorkerOptions): Promise<Arm & { pid: number }> {
  // the same program and flags for every arm; keys go through the pipe, not through arguments
  const child = spawn(process.execPath, [join(folder, WORKER_FILE)], {
    cwd: folder,
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const exited = new Promise<string>((resolve) => {
    child.once('error', (error) => resolve(error.message));
    child.once('exit', (code, signal) => resolve(`the process ended with ${signal ?? `exit code ${String(code)}`}`));
  });
  let dead: string | undefined;
  child.stdin.on('error', () => undefined); // told by `exited`
  const hello = Promise.withResolvers<number>();
  const ready = Promise.withResolvers<undefined>();
  const waiting = new Map<number, PromiseWithResolvers<ArmTurn>>();
  const failAll = (error: Error): void => {
    hello.reject(error);
    ready.reject(error);
    for (const each of waiting.values()) each.reject(error);
    waiting.clear();
  };
  for (const { promise } of [hello, ready]) promise.catch(() => undefined);
  exited.then((how) => {
    dead = how;
    failAll(new RunnerError(`the worker of ${commit}: ${how}`));
  }, failAll);
  createInterface({ input: child.stdout }).on('line', (line) => {
    const message = decodeFromWorker(line);
    if (message === undefined)
      return failAll(
        new RunnerError(`the worker of ${commit} printed a line that is no message: ${line.slice(0, 80)}`),
      );
    if (message.type === 'hello') return hello.resolve(message.protocol);
    if (message.type === 'ready') return ready.resolve(undefined);
    if (message.type === 'done') return settle(message.id)?.resolve(message.turn);
    const text = `the worker of ${commit}: ${message.message}`;
    const error = message.input ? new InputError(text) : new RunnerError(text);
    if (message.id === undefined) failAll(error);
    else settle(message.id)?.reject(error);
  });
  const settle = (id: number): PromiseWithResolvers<ArmTurn> | undefined => {
    const known = waiting.get(id);
    waiting.delete(id);
    return known;
  };
  const say = (message: ToWorker): void => void child.stdin.write(encodeMessage(message));
  const close = async (): Promise<void> => {
    child.stdin.end(); // the worker exits when its input ends
    if (waiting.size > 0) child.kill();
    await exited;
  };
  try {
    const protocol = await hello.promise;
    const complaint = protocolComplaint(protocol, world.world);
    if (complaint !== undefined) throw new InputError(`${commit} ${complaint}`);
    say({ type: 'start', world, strategy, defaults: DEFAULT_STRATEGY });
    await ready.promise;
  } catch (error) {
    await close();
    throw error;
  }
  const sent = new Set<string>();
  let nextId = 0;
  return {
    pid: child.pid ?? 0,
    close,
    turn(session, task) {
      if (dead !== undefined) return Promise.reject(new RunnerError(`the worker of ${commit}: ${dead}`));
      if (!sent.has(session.sessionId)) say({ type: 'session', session });
      sent.add(session.sessionId);
      if (task.last) sent.delete(session.sessionId);
      const id = nextId++;
      const answer = Promise.withResolvers<ArmTurn>();
      waiting.set(id, answer);
      say({ type: 'turn', id, sessionId: session.sessionId, task });
      return answer.promise;
    },
  };
}

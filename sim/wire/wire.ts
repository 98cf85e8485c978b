/** The world `wire`: the composition root of `live` against stand-in servers on loopback. */
import { createRealWorld, type RunWorld } from '../../service/world.ts';
import { parseInterviews } from '../stand-ins/script.ts';
import { DRAW_HEADER } from '../times/plan.ts';
import { startStandIns, type StandInOptions, type StandIns } from './launch.ts';

export interface WireWorld extends RunWorld {
  /** Another world against the same stand-ins, with its own sockets: an arm of a replay. */
  arm(): RunWorld;
  /** Connections that the stand-ins have accepted so far. */
  connections: StandIns['connections'];
  /** Requests as the stand-ins have received them. */
  requests: StandIns['requests'];
}

/** Starts the stand-ins and a world that talks to them. The keys are invented: the stand-ins only check that there is one. */
export async function createWireWorld(options: StandInOptions): Promise<WireWorld> {
  const standIns = await startStandIns(options);
  const { urls, regions, caPem } = standIns;
  const { interviews } = options;
  const arm = (): RunWorld =>
    createRealWorld({
      access: {
        endpoints: {
          falRunUrl: urls.falRun,
          falQueueUrl: urls.falQueue,
          falRestUrl: urls.falRest,
          openRouterUrl: `${urls.openrouter}/api/v1`,
        },
        falKey: 'stand-in',
        openRouterKey: 'stand-in',
        audioHosts: [new URL(urls.falCdn).host],
        regions,
      },
      seed: String(options.seed),
      caPem,
      headersFor: ({ traceId: _traceId, ...context }) => ({ [DRAW_HEADER]: JSON.stringify(context) }),
    });
  const world = arm();
  return {
    ...world,
    interviews: interviews === undefined ? undefined : parseInterviews(interviews).map(({ name }) => name),
    arm,
    connections: standIns.connections,
    requests: standIns.requests,
    close: async () => {
      await world.close();
      await standIns.stop();
    },
  };
}

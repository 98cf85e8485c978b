/** One `fetch` in a simulated world, for tests of the stand-ins and of captured times: it keeps every exchange's marks. */
import { asResponse } from '../service/net/body.ts';
import type { Clock, HttpMarks } from '../service/base/ports.ts';
import type { Handler } from '../sim/stand-ins/exchange.ts';
import { createFreyaStandIn } from '../sim/stand-ins/freya.ts';
import { createSimTransport, type SimTransport, type SimTransportOptions } from '../sim/world/network.ts';
import { createOpenRouterStandIn } from '../sim/stand-ins/openrouter.ts';
import type { DrawContext, PlannerOptions } from '../sim/times/plan.ts';
import { createPlanner } from '../sim/times/planner.ts';
import { loadProfile } from '../sim/times/profile.ts';
import { tuneWith, underScenario, type Scenario } from '../sim/faults/scenario.ts';
import { createScript, type Script } from '../sim/stand-ins/script.ts';

interface TestWorld {
  transport: SimTransport;
  marks: HttpMarks[];
  /** Its exchanges have the context as it stands when they begin. */
  fetch: typeof globalThis.fetch;
  context: DrawContext;
}

export interface TestWorldOptions extends Partial<PlannerOptions> {
  script?: Script;
  network?: Partial<SimTransportOptions>;
  scenario?: Scenario;
}

/** Stand-ins, planner and transport under the providers' real URLs. */
export function createTestWorld(clock: Clock, options: TestWorldOptions = {}): TestWorld {
  const { script = createScript([]), network = {}, scenario, ...plannerOptions } = options;
  const tune = scenario && tuneWith(scenario);
  const planner = createPlanner({ profile: loadProfile('seed'), seed: 1, tune, ...plannerOptions });
  const under = (handler: Handler): Handler =>
    scenario === undefined ? handler : underScenario(handler, scenario, planner);
  const freya = createFreyaStandIn({
    planner,
    script,
    cdnUrl: 'https://v3.fal.media',
    queueUrl: 'https://queue.fal.run',
  });
  const transport = createSimTransport({
    clock,
    handlers: {
      'https://fal.run': under(freya.falRun),
      'https://queue.fal.run': under(freya.falQueue),
      'https://rest.fal.ai': under(freya.falRest),
      'https://v3.fal.media': under(freya.falCdn),
      'https://openrouter.ai': under(createOpenRouterStandIn({ planner, script })),
    },
    keepAlive: { idleMs: 4000 },
    ...network,
  });
  const marks: HttpMarks[] = [];
  const context: DrawContext = {
    sessionId: 's',
    turnIndex: 0,
    stage: 'llm',
    ordinal: 0,
    attempt: 0,
    fetchIndex: 0,
    arm: 'a',
  };
  const fetch = async (input: string | URL | Request, init?: RequestInit): Promise<Response> => {
    const request = new Request(input, init);
    const body = request.body === null ? undefined : new Uint8Array(await request.arrayBuffer());
    const mark: HttpMarks = { startUs: clock.nowUs() };
    marks.push(mark);
    const { url, method, headers } = request;
    const signal = init?.signal ?? undefined;
    return asResponse(await transport.send({ url, method, headers, body, signal, context: { ...context } }, mark));
  };
  return { transport, marks, fetch, context };
}

/** A scenario is a file of rules: which requests meet a fault or a switch, in `sim` and `wire`. */
import { literals, section } from '../../service/base/schema.ts';
import { Ajv } from 'ajv';
import { Type, type Static } from 'typebox';
import type { World } from '../../service/base/events.ts';
import { InputError } from '../../service/base/errors.ts';
import { readInputJson } from '../../service/base/input-file.ts';
import { readObject, type ExchangeInfo, type Handler, type Received } from '../stand-ins/exchange.ts';
import { faulty } from './faults.ts';
import { FaultSchema, SIM_ONLY, WIRE_ONLY, type FaultSpec } from './kinds.ts';
import type { DrawContext, Facts, Planner, PlannerOptions } from '../times/plan.ts';
import { checkFigure, LinkSchema, type Figure } from '../times/profile.ts';
import { goesTo, ROUTE_NAMES, routeOf, type RouteName, type ServerName } from './routes.ts';
import { tuned, TuningSchema, type Tuning } from './tuning.ts';

const count = Type.Integer({ minimum: 0, maximum: 1_000_000 });

/** How a server treats its connections, for every request over them. */
const ConnectionSchema = section({
  tlsMs: Type.Optional(Type.Number({ minimum: 0, maximum: 600_000 })),
  keepAliveHintS: Type.Optional(Type.Integer({ minimum: 1, maximum: 600, description: '`Keep-Alive: timeout=`' })),
  http2: Type.Optional(Type.Boolean({ description: 'false: offers HTTP/1.1 only' })),
});
export type ConnectionSwitches = Static<typeof ConnectionSchema>;

const RuleSchema = section({
  route: literals(ROUTE_NAMES, { description: 'which request' }),
  /** These narrow the rule. Absent: the rule is for all. */
  session: Type.Optional(Type.String({ maxLength: 200 })),
  turns: Type.Optional(Type.Array(count, { minItems: 1, maxItems: 1000 })),
  ordinals: Type.Optional(Type.Array(count, { description: 'pieces of a reply, uploads of a turn' })),
  attempts: Type.Optional(Type.Array(count, { description: '0: the first, as the client counts' })),
  model: Type.Optional(Type.String({ maxLength: 200 })),
  fault: Type.Optional(FaultSchema),
  tune: Type.Optional(TuningSchema),
  /** Of the route's server. All its requests share the connections, so nothing may narrow such a rule. */
  connection: Type.Optional(ConnectionSchema),
});
const ScenarioSchema = section({
  title: Type.String({ minLength: 1, maxLength: 200 }),
  rules: Type.Array(RuleSchema, { maxItems: 1000 }),
  /** The link to all providers: bandwidth up, and losses. `wire` has no losses during set-up. */
  link: Type.Optional(LinkSchema),
  /** Of all servers. */
  servers: Type.Optional(ConnectionSchema),
  hour: Type.Optional(
    Type.Integer({ minimum: 0, maximum: 23, description: 'of the day, for a profile with a table of hours' }),
  ),
});
export type Scenario = Static<typeof ScenarioSchema>;
type Rule = Scenario['rules'][number];
/** The worlds with stand-ins. */
type StandInWorld = Exclude<World, 'live'>;

const validate = new Ajv().compile<Scenario>(ScenarioSchema);

/** A scenario from parsed JSON. Throws `InputError` that names the wrong field, or a fault that the world cannot make. */
export function parseScenario(json: unknown, where: string, world: StandInWorld): Scenario {
  if (!validate(json)) {
    const error = validate.errors?.[0];
    const allowed: unknown = error?.params['allowedValues'] ?? error?.params['additionalProperty'];
    const detail = allowed === undefined ? '' : `: ${Array.isArray(allowed) ? allowed.join(', ') : String(allowed)}`;
    throw new InputError(`${where}: ${error?.instancePath ?? ''} ${error?.message ?? 'is not a scenario'}${detail}`);
  }
  const [others, who, instead] =
    world === 'wire' ? [SIM_ONLY, 'no server', 'sim'] : [WIRE_ONLY, 'only a server', 'wire'];
  const impossible = json.rules.find(({ fault }) => fault !== undefined && others.has(fault.kind))?.fault;
  if (impossible !== undefined) {
    throw new InputError(`${where}: ${who} can make "${impossible.kind}" happen: run it with --world ${instead}`);
  }
  const narrowed = json.rules.find(({ connection, tune: _tune, fault: _fault, route: _route, ...only }) => {
    return connection !== undefined && Object.keys(only).length > 0;
  });
  if (narrowed !== undefined) {
    throw new InputError(
      `${where}: "connection" of ${narrowed.route} concerns a whole server, whose requests share connections: leave out session, turns, ordinals, attempts and model`,
    );
  }
  for (const [index, { tune }] of json.rules.entries()) {
    if (tune?.ttftQuantiles === undefined) continue;
    checkFigure(ttftFigure(tune.ttftQuantiles, json.title), `${where}: /rules/${index}/tune/ttftQuantiles`);
  }
  return json;
}

type TtftQuantiles = NonNullable<Tuning['ttftQuantiles']>;

const ttftFigure = (table: TtftQuantiles, source: string): Figure => ({
  source,
  quantiles: table.map(([p, value]) => [p, value]),
});

/** A server's switches: those of all servers, then those of its routes' rules. */
export function connectionSwitches(scenario: Scenario | undefined, server: ServerName): ConnectionSwitches {
  const own = (scenario?.rules ?? []).filter(({ route }) => goesTo(server, route));
  return Object.assign({}, scenario?.servers, ...own.map(({ connection }) => connection));
}

/** A scenario from a file. Throws `InputError`, in `live` always: that world has no stand-ins. */
export function loadScenario(file: string, world: World): Scenario {
  if (world === 'live') throw new InputError('--scenario is for stand-ins, and live has none: leave out --scenario');
  const where = `scenario ${file}`;
  return parseScenario(readInputJson(file, 'settings', { where }), where, world);
}

function applies(rule: Rule, route: RouteName, context: DrawContext, model: string | undefined): boolean {
  const within = (list: readonly number[] | undefined, value: number): boolean => list?.includes(value) ?? true;
  return (
    rule.route === route &&
    (rule.session ?? context.sessionId) === context.sessionId &&
    within(rule.turns, context.turnIndex) &&
    within(rule.ordinals, context.ordinal) &&
    within(rule.attempts, context.attempt) &&
    (rule.model ?? model) === model
  );
}

/** Applies the scenario's switches to a plan. Later rules win. */
export function tuneWith(scenario: Scenario): NonNullable<PlannerOptions['tune']> {
  return (plan, context, facts, draw) => {
    const route = routeOfFacts(facts);
    if (route === undefined) return plan;
    const model = facts.operation === 'llm' ? facts.model : undefined;
    const tunings = scenario.rules.flatMap((rule) =>
      rule.tune !== undefined && applies(rule, route, context, model) ? [rule.tune] : [],
    );
    return tunings.reduce((before, tuning) => {
      const { ttftQuantiles: drawn } = tuning;
      if (drawn === undefined) return tuned(before, facts, tuning);
      return tuned(before, facts, { ...tuning, ttftMs: draw('scenario.ttft', ttftFigure(drawn, scenario.title)) });
    }, plan);
  };
}

function routeOfFacts(facts: Facts): RouteName | undefined {
  switch (facts.operation) {
    case 'llm':
      return 'llm';
    case 'stt':
      return `stt.${facts.method}`;
    case 'tts':
      return facts.method === 'generate' ? 'queue.submit' : `tts.${facts.method}`;
    case 'other':
      return undefined;
    default:
      return facts satisfies never;
  }
}

/**
 * The handler under the scenario's faults. A gateway that is asked for several models uses the first that the scenario lets
 * answer.
 */
export function underScenario(handler: Handler, scenario: Scenario, planner: Planner): Handler {
  if (scenario.rules.every(({ fault }) => fault === undefined)) return handler;
  return async (request, info) => {
    const route = routeOf(request.method, request.url);
    if (route === undefined) return handler(request, info);
    const models = route.name === 'llm' ? modelsOf(request) : [];
    const faultFor = (model: string | undefined): FaultSpec | undefined =>
      scenario.rules.find((rule) => rule.fault !== undefined && applies(rule, route.name, info.context, model))?.fault;
    const fault = faultFor(models[0]);
    if (fault === undefined) return handler(request, info);
    const instead = fault.kind === 'status' ? models.find((model) => faultFor(model) === undefined) : undefined;
    if (instead !== undefined) return handler(askedFor(request, instead), info);
    return faulty({
      fault,
      route,
      url: request.url,
      info,
      arrived: () => arrived(info, planner, request),
      answer: () => handler(request, info),
    });
  };
}

/** The end of an upload and of a short wait, for answers that are no work. */
export async function arrived(info: ExchangeInfo, planner: Planner, request: Received): Promise<void> {
  const uploadBytes = request.body?.length ?? 400;
  const plan = planner.planOf(info.context, { operation: 'other', figure: 'sideMs', uploadBytes });
  await info.arrive?.(plan);
  if (plan.waitUs > 0) await info.clock.sleep(plan.waitUs / 1000, info.signal);
}

function modelsOf(request: Received): string[] {
  const { model, models } = readObject(request) ?? {};
  const all: unknown[] = [model, ...(Array.isArray(models) ? models : [])];
  return all.filter((each) => typeof each === 'string');
}

function askedFor(request: Received, model: string): Received {
  return { ...request, body: Buffer.from(JSON.stringify({ ...readObject(request), model })) };
}

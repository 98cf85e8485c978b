/** A session's turns → its bundle and its traces: the projections that the service and replays attach to a turn. */
import type { Projection } from '../turn/observe.ts';
import { otlpLineOf, type Tracing } from '../telemetry/otel.ts';
import type { BundleWriter } from './bundle-writer.ts';

/** Without tracing the bundle gets its line all the same: a capture can always be looked at in Jaeger. */
export function projectTurns(sinks: { bundle?: BundleWriter; tracing?: Tracing }): Projection {
  const { bundle, tracing } = sinks;
  return {
    opened: (identity, zero, anchorUs) => bundle?.opened(identity, zero, anchorUs),
    closed(log, measured) {
      const line = tracing?.turn(log, measured);
      if (bundle !== undefined) bundle.closed(log, line ?? otlpLineOf(log, measured));
    },
  };
}

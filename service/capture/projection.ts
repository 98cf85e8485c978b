/** A session's turns as its bundle and its traces, in the service and in replays. */
import type { Projection } from '../turn/observe.ts';
import { otlpLineOf, type Tracing } from '../telemetry/otel.ts';
import type { BundleWriter } from './bundle-writer.ts';

/** The bundle gets its trace also without tracing, so that Jaeger can show any capture. */
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

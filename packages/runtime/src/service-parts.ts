import type { Lifecycle } from "./lifecycle.ts";
import type { Logger } from "./logger.ts";
import type { Metrics } from "./metrics.ts";
import type { OpsServer } from "./ops-server.ts";
import type { SeriesRecorder } from "./series/recorder.ts";

/** Dependencies of a service; the services of one process share them. */
export interface ServiceParts {
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly lifecycle: Lifecycle;
  readonly ops: OpsServer;
  readonly series: SeriesRecorder;
}

import type { Lifecycle } from "./lifecycle.ts";
import type { Logger } from "./logger.ts";
import type { Metrics } from "./metrics.ts";
import type { OpsServer } from "./ops-server.ts";

/** What a service is handed when it starts; several services of one process share one set. */
export interface ServiceParts {
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly lifecycle: Lifecycle;
  readonly ops: OpsServer;
}

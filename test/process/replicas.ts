/** The one set-up of these suites: a fake service behind replicas of the gateway that share a store. */
import { FakeUpstream } from "@sticky-proxy/testkit";
import { startNodes, type Nodes, type NodesOptions } from "../support/nodes.ts";
import type { SuiteStore } from "../support/stores.ts";

/** Opened before the suite's first test and closed after its last; not to be read earlier. */
export interface Replicas {
  readonly upstream: FakeUpstream;
  readonly cluster: Nodes;
}

/** To be called in the body of a `describe`. Without `openStore` the replicas are on the store of `options`, or on memory. */
export function startReplicas(
  openStore: (() => Promise<SuiteStore>) | null,
  options: (origin: string) => NodesOptions,
): Replicas {
  let suite: SuiteStore | null = null;
  let upstream: FakeUpstream;
  let cluster: Nodes;
  before(async () => {
    upstream = await FakeUpstream.start();
    suite = openStore === null ? null : await openStore();
    cluster = await startNodes({
      ...(suite === null ? {} : { store: suite.store }),
      ...options(upstream.origin),
    });
  });
  beforeEach(() => {
    upstream.requests.length = 0;
  });
  after(async () => {
    await cluster?.close();
    await upstream?.close();
    await suite?.close();
  });
  return {
    get upstream() {
      return upstream;
    },
    get cluster() {
      return cluster;
    },
  };
}

/** The stores that a suite over the wire runs on: memory, and a real Redis under a key prefix of its own. */
import type { Changes, ProcessStore } from "@sticky-proxy/core/process";
import { createMemoryStore } from "@sticky-proxy/core/testing";
import { openStore } from "@sticky-proxy/store";
import { sharedRedisUrl, uniquePrefix } from "@sticky-proxy/testkit";

export interface SuiteStore {
  readonly store: ProcessStore & Changes;
  close(): Promise<void>;
}

export const suiteStores: Readonly<Record<"memory" | "Redis", () => Promise<SuiteStore>>> = {
  memory: async () => ({ store: createMemoryStore({ now: Date.now }), close: async () => undefined }),
  async Redis() {
    const open = await openStore({
      target: { url: await sharedRedisUrl() },
      keyPrefix: uniquePrefix(),
      partitions: 64,
      timelineLength: 2000,
      waitMs: 5000,
      onError: () => undefined,
    });
    return {
      store: { ...open.processes, watch: (scope, onChange) => open.changes.watch(scope, onChange) },
      close: () => open.close(),
    };
  },
};

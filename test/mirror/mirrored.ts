/** A cluster in front of two backends, and a look at what its outbox and differences say. */
import { setTimeout as delay } from "node:timers/promises";
import {
  pending,
  settled,
  type Coverage,
  type Differences,
  type Lag,
  type Migrations,
  type Outbox,
} from "@sticky-proxy/core/mirror";
import { createDifferences, createMigrations, createMirrorOutbox, openStore } from "@sticky-proxy/store";
import { expect } from "chai";
import { startCluster, type Cluster } from "../support/cluster.ts";

export interface Mirrored {
  readonly cluster: Cluster;
  readonly outbox: Outbox;
  readonly differences: Differences;
  readonly migrations: Migrations;
  /** Sum over all routes of a service. Asserts the invariant. */
  coverage(service?: string): Promise<Coverage>;
  lag(service?: string): Promise<Lag>;
  /** Resolves when so many calls were eligible (at least one) and nothing waits any more. */
  drained(calls?: number, timeoutMs?: number): Promise<void>;
  stop(): Promise<void>;
}

export interface MirroredOptions {
  readonly primary: string;
  readonly secondary: string;
  readonly routes: readonly Record<string, unknown>[];
  readonly proxies?: number;
  readonly sweepers?: number;
  readonly config?: Record<string, unknown>;
  /** For the test's own look into the store, beside `config.encryption`. */
  readonly encryption?: Parameters<typeof openStore>[0]["encryption"];
  /** Entries of the primary's service. */
  readonly primaryConfig?: Record<string, unknown>;
  /** Entries of the secondary's service. */
  readonly secondaryConfig?: Record<string, unknown>;
}

const nothing: Lag = { entries: 0, bytes: 0, parkedKeys: 0, oldestMs: null };

export async function startMirrored(options: MirroredOptions): Promise<Mirrored> {
  const cluster = await startCluster({
    proxies: options.proxies ?? 1,
    sweepers: options.sweepers ?? 1,
    config: {
      services: {
        users: {
          instances: [options.primary],
          match: { path: "/" },
          routes: withoutAliases(options.routes),
          ...options.primaryConfig,
        },
        "users-v2": { instances: [options.secondary], match: "none", ...options.secondaryConfig },
      },
      ...options.config,
    },
  });
  const store = await openStore({
    target: { url: cluster.redis.url },
    keyPrefix: "sp:",
    ...(options.encryption === undefined ? {} : { encryption: options.encryption }),
    partitions: null,
    timelineLength: 10,
    waitMs: 5000,
    onError: () => undefined,
  });
  const { writes, reads } = store.redis;
  const deps = { writes, reads, keys: store.keys, partitions: store.meta.partitions, sealing: store.sealing };
  const outbox = createMirrorOutbox(deps);
  const differences = createDifferences(deps);

  async function coverage(service = "users"): Promise<Coverage> {
    const rows = await differences.coverage({ since: null, service });
    const sums = { eligible: 0, matched: 0, masked: 0, different: 0, race: 0, failed: 0 };
    const skipped = new Map<string, number>();
    for (const row of rows) {
      expect(pending(row.coverage), "pending is never negative").to.be.at.least(0);
      expect(row.coverage.eligible).to.equal(settled(row.coverage) + pending(row.coverage));
      for (const name of Object.keys(sums) as (keyof typeof sums)[]) sums[name] += row.coverage[name];
      for (const [reason, count] of row.coverage.skipped) {
        skipped.set(reason, (skipped.get(reason) ?? 0) + count);
      }
    }
    return { ...sums, skipped };
  }
  async function lag(service = "users"): Promise<Lag> {
    return (await outbox.lag()).get(service) ?? nothing;
  }

  return {
    cluster,
    outbox,
    differences,
    migrations: createMigrations(deps),
    coverage,
    lag,
    async drained(calls = 1, timeoutMs = 20_000) {
      const until = performance.now() + timeoutMs;
      for (;;) {
        const [now, sum] = await Promise.all([
          lag().catch(() => ({ ...nothing, entries: 1 })),
          coverage().catch(() => null),
        ]);
        if (now.entries === 0 && sum !== null && sum.eligible >= calls && pending(sum) === 0) return;
        if (performance.now() > until) {
          throw new Error(
            `not drained: ${JSON.stringify([now, sum, await outbox.parkedKeys({ limit: 5 })])}`,
          );
        }
        await delay(50);
      }
    },
    async stop() {
      await store.close();
      await cluster.stop();
    },
  };
}

/** YAML writes an object that stands twice as an alias, which configurations may not hold. */
function withoutAliases<T>(value: T): T {
  return JSON.parse(JSON.stringify(value)) as T;
}

/** Breaks the cluster while the load runs: plans side by side, two for replicas, one for Redis and the sweeper. */
import { setTimeout as delay } from "node:timers/promises";
import type { Cluster, Node } from "../support/cluster.ts";
import type { Random } from "./random.ts";

export interface BreakOptions {
  readonly cluster: Cluster;
  readonly random: Random;
  readonly forMs: number;
  readonly leaseMs: number;
}

/** Returns how often each kind struck; everything runs again when it resolves. */
export async function breakThings(options: BreakOptions): Promise<ReadonlyMap<string, number>> {
  const { cluster, random, forMs, leaseMs } = options;
  const until = performance.now() + forMs;
  const struck = new Map<string, number>();

  /** As an orchestrator does: it may fail to start while Redis is away. */
  async function startAgain(start: () => Promise<Node>): Promise<void> {
    for (let tries = 1; ; tries += 1) {
      try {
        await start();
        return;
      } catch (error) {
        if (tries === 10) throw error;
        await delay(200);
      }
    }
  }
  async function killReplica(own: Random): Promise<void> {
    const at = own.between(0, cluster.proxies.length - 1);
    const [dead] = cluster.proxies.splice(at, 1);
    await dead!.kill("SIGKILL");
    await startAgain(() => cluster.startProxy(dead!.place));
  }
  async function stopReplica(own: Random): Promise<void> {
    const { child } = own.pick(cluster.proxies);
    child.kill("SIGSTOP");
    await delay(leaseMs * (1.2 + 1.8 * own.next()));
    child.kill("SIGCONT");
  }
  async function stopRedis(own: Random): Promise<void> {
    cluster.redis.pause();
    await delay(own.between(100, 2 * leaseMs));
    cluster.redis.resume();
  }
  async function killRedis(own: Random): Promise<void> {
    await cluster.redis.kill("SIGKILL");
    await delay(own.between(0, leaseMs));
    await cluster.redis.restart();
  }
  async function killSweeper(): Promise<void> {
    await cluster.sweepers.pop()!.kill("SIGKILL");
    await startAgain(() => cluster.startSweeper());
  }

  async function plan(own: Random, kinds: Readonly<Record<string, (own: Random) => Promise<void>>>) {
    for (;;) {
      await delay(own.between(100, 700));
      if (performance.now() > until) return;
      const kind = own.pick(Object.keys(kinds));
      struck.set(kind, (struck.get(kind) ?? 0) + 1);
      await kinds[kind]!(own);
    }
  }
  await Promise.all([
    plan(random.branch("one replica"), { "kill replica": killReplica, "stop replica": stopReplica }),
    plan(random.branch("another replica"), { "stop replica": stopReplica }),
    plan(random.branch("shared"), {
      "stop Redis": stopRedis,
      "kill Redis": killRedis,
      "kill sweeper": killSweeper,
    }),
  ]);
  return struck;
}

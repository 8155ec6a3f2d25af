/**
 * Breaks the cluster while the load runs: plans side by side, two for replicas, one for Redis, its wires and the
 * sweeper.
 */
import { setTimeout as delay } from "node:timers/promises";
import type { Relay } from "../faults/relay.ts";
import type { Cluster, Node } from "../support/cluster.ts";
import type { Random } from "./random.ts";

export interface BreakOptions {
  readonly cluster: Cluster;
  /** Between all nodes and Redis. */
  readonly wire: Relay;
  readonly random: Random;
  readonly forMs: number;
  readonly leaseMs: number;
}

/** Returns how often each kind struck; everything runs again when it resolves. */
export async function breakThings(options: BreakOptions): Promise<ReadonlyMap<string, number>> {
  const { cluster, wire, random, forMs, leaseMs } = options;
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

  async function cutWires(): Promise<void> {
    wire.cut();
  }
  /** Redis does what it was told, and nobody learns of it. */
  async function loseAnswers(own: Random): Promise<void> {
    wire.holdAnswers();
    await delay(own.between(20, leaseMs));
    wire.cut();
    wire.resume();
  }
  async function delayAnswers(own: Random): Promise<void> {
    wire.holdAnswers();
    await delay(own.between(20, 2 * leaseMs));
    wire.resume();
  }
  /** Redis is told late, when the teller may have given up. */
  async function delayRequests(own: Random): Promise<void> {
    wire.holdRequests();
    await delay(own.between(20, 2 * leaseMs));
    wire.resume();
  }

  async function plan(
    own: Random,
    pauseMs: number,
    kinds: Readonly<Record<string, (own: Random) => Promise<void>>>,
  ) {
    for (;;) {
      await delay(own.between(100, pauseMs));
      if (performance.now() > until) return;
      const kind = own.pick(Object.keys(kinds));
      struck.set(kind, (struck.get(kind) ?? 0) + 1);
      await kinds[kind]!(own);
    }
  }
  await Promise.all([
    plan(random.branch("one replica"), 700, { "kill replica": killReplica, "stop replica": stopReplica }),
    plan(random.branch("another replica"), 700, { "stop replica": stopReplica }),
    plan(random.branch("shared"), 1500, {
      "stop Redis": stopRedis,
      "kill Redis": killRedis,
      "kill sweeper": killSweeper,
      "cut wires": cutWires,
      "lose answers": loseAnswers,
      "delay answers": delayAnswers,
      "delay requests": delayRequests,
    }),
  ]);
  return struck;
}

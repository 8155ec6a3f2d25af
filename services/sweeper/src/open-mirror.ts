/** Wiring of the mirror in a sweeper: it drains the outbox, and notes intents for what the sweeper dispatches itself. */
import { parkedKeyName } from "@sticky-proxy/core/mirror";
import type { Engine, MirrorIntents, Processes } from "@sticky-proxy/engine";
import { openMirror, type OpenNode } from "@sticky-proxy/node";
import {
  sleep,
  type Config,
  type Lifecycle,
  type Logger,
  type Metrics,
  type Task,
} from "@sticky-proxy/runtime";
import type { HealthView } from "@sticky-proxy/upstream";
import {
  createMirrorAlerts,
  exportLag,
  type MirrorAlerts,
  observeLatencies,
  observeMirror,
  isAnyMirrored,
  pinnedMirrorRoutes,
} from "@sticky-proxy/mirror";
import {
  createDifferences,
  createKnownAlerts,
  createMirrorChain,
  createMirrorOutbox,
} from "@sticky-proxy/store";
import { watchUnknownCopies } from "./unknown-copies.ts";
import { startOutboxDrain, type OutboxDrain } from "./drain-outbox.ts";

const drainTickMs = 200;
const graceMs = 5000;

export interface SweeperMirrorParts {
  readonly config: Config;
  readonly node: OpenNode;
  readonly health: HealthView;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

export interface SweeperMirror {
  readonly intents: MirrorIntents;
  /** Joins the drain once a route is mirrored. */
  start(
    engine: Pick<Engine, "processes" | "rules">,
    othersMayKnow: () => boolean,
    lifecycle: Lifecycle,
  ): { tick(): Promise<void>; alert(): Promise<void> };
}

export function openSweeperMirror(
  { config, node, health, logger, metrics }: SweeperMirrorParts,
  storeNow: Processes["now"],
): SweeperMirror {
  const { store, storeClock } = node;
  const { locks } = node.nodeLocks;
  const mirror = openMirror({
    config,
    store,
    migrations: node.migrations,
    health,
    logger,
    storeClock,
    storeNow,
  });
  const { intents } = mirror;
  const alerts = openAlerts(config, node, logger);
  return {
    intents,
    start({ processes, rules }, othersMayKnow, lifecycle) {
      const pinned = pinnedMirrorRoutes(() => node.migrations.services(), rules);
      const unknown = watchUnknownCopies(metrics);
      const begin = (): OutboxDrain =>
        startOutboxDrain({
          ...mirror,
          store: store.processes,
          findPinned: async (record) => {
            await rules.learn(record);
            return pinned(record);
          },
          onUnknown: unknown.saw,
          latestServices: () => node.migrations.latest(),
          othersMayKnow,
          locks,
          markMirrored: async (record) => {
            await processes.apply(record, { type: "mirrored" });
          },
          random: Math.random,
          sleep,
          tickMs: drainTickMs,
          graceMs,
          onAnswered: (service, latencies) => observeLatencies(metrics, service, latencies),
          onSettled: (entry, outcome, difference) => {
            unknown.forget(entry);
            observeMirror(metrics, entry.service, outcome, difference);
          },
          onStopped(orderKey, partition, { service, reason, error }) {
            metrics.mirrorStopped.inc({ service, reason: reason === "id-unmapped" ? reason : "stopped" });
            logger.warn("mirror.key-stopped", {
              service,
              key: parkedKeyName({ partition, orderKey }),
              reason,
              detail: error,
              hint: "mirror parked shows it; mirror unpark KEY tries again, mirror skip KEY drops its first copy",
            });
          },
          onTrouble: (err) => logger.warn("mirror.drain-trouble", { err }),
        });
      let drain: OutboxDrain | null = null;
      mirror.stopWith(lifecycle, "mirror-drain", async () => drain?.stop());
      return {
        async tick() {
          // A reload may bring the first mirrored route; until then nobody stands for election.
          if (drain === null && !isAnyMirrored(node.migrations.services())) return;
          drain ??= begin();
          await intents.tick();
          exportLag(metrics, intents.lag, drain.leadsFirst);
        },
        async alert() {
          if (drain?.leadsFirst === true) await alerts?.look();
          else alerts?.rest();
        },
      };
    },
  };
}

/** null: nobody is to be told. */
function openAlerts(
  { mirror: { alerts: policy }, webhooks }: Config,
  { store, callers, storeClock }: OpenNode,
  logger: Logger,
): MirrorAlerts | null {
  const endpoint = webhooks.find(({ name }) => name === policy?.webhook);
  if (policy === null || endpoint === undefined) return null;
  const { writes, reads } = store.redis;
  const { keys, sealing, meta } = store;
  const parts = { writes, reads, keys, partitions: meta.partitions, sealing };
  return createMirrorAlerts({
    policy,
    endpoint,
    callers,
    differences: createDifferences(parts),
    outbox: createMirrorOutbox(parts),
    chain: createMirrorChain(parts),
    known: createKnownAlerts(parts),
    clock: storeClock,
    onTold: ({ kind, service, state, found }, detail) =>
      logger.warn("mirror.alert", { kind, service, state, found, answer: detail }),
  });
}

/** None where nobody is to be told; else often enough for the short window. */
export function alertTasks(
  { mirror: { alerts } }: Config,
  mirroring: { alert(): Promise<void> },
): readonly Task[] {
  if (alerts === null) return [];
  const periodMs = Math.max(1000, Math.min(30_000, alerts.shortMs / 10));
  return [{ name: "sweeper.mirror-alerts", periodMs, run: () => mirroring.alert(), stopIn: "stop-claiming" }];
}

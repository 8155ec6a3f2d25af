/** Wiring of the mirror in a sweeper: it drains the outbox, and notes intents for what the sweeper dispatches itself. */
import { parkedKeyName } from "@sticky-proxy/core/mirror";
import type { Engine, MirrorIntents, Processes } from "@sticky-proxy/engine";
import { openMirror, type OpenNode } from "@sticky-proxy/node";
import { sleep, type Config, type Lifecycle, type Logger, type Metrics } from "@sticky-proxy/runtime";
import type { HealthView } from "@sticky-proxy/upstream";
import {
  exportLag,
  observeLatencies,
  observeMirror,
  isAnyMirrored,
  pinnedMirrorRoutes,
} from "@sticky-proxy/mirror";
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
  ): { tick(): Promise<void> };
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
      };
    },
  };
}

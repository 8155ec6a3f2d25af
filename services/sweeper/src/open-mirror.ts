/** Wiring of the mirror in a sweeper: it drains the outbox, and notes intents for what the sweeper dispatches itself. */
import { createSecretKey, randomBytes } from "node:crypto";
import { createMirrorIntents, type MirrorIntents, type Processes } from "@sticky-proxy/engine";
import { createPacer, type Pacer } from "@sticky-proxy/core/mirror";
import type { RequestHead } from "@sticky-proxy/core/http";
import {
  configHash,
  sleep,
  type Config,
  type Lifecycle,
  type Logger,
  type Metrics,
  systemClock,
} from "@sticky-proxy/runtime";
import { createMirrorOutbox, type Locks, type OpenStore } from "@sticky-proxy/store";
import { createForwarder, type HealthView } from "@sticky-proxy/upstream";
import {
  createSecondary,
  markerKeys,
  markLines,
  createComparer,
  exportLag,
  observeLatencies,
  observeMirror,
  isAnyMirrored,
  mirrorRoutes,
} from "@sticky-proxy/mirror";
import { startOutboxDrain, type OutboxDrain } from "./drain-outbox.ts";

const drainTickMs = 200;
const graceMs = 5000;

export interface SweeperMirrorParts {
  readonly config: Config;
  readonly store: OpenStore;
  readonly locks: Locks;
  readonly health: HealthView;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

export interface SweeperMirror {
  readonly intents: MirrorIntents;
  /** Joins the drain once a route is mirrored. */
  start(processes: Processes, lifecycle: Lifecycle): { tick(): Promise<void> };
}

export function openSweeperMirror(
  { config, store, locks, health, logger, metrics }: SweeperMirrorParts,
  storeNow: Processes["now"],
): SweeperMirror {
  const { secret, partitions } = store.meta;
  const orderSecret = createSecretKey(secret);
  const { writes, reads } = store.redis;
  const outbox = createMirrorOutbox({ writes, reads, keys: store.keys, partitions });
  const keys = markerKeys(secret, config.mirror.secrets);
  const marks = (head: RequestHead) =>
    markLines(keys, head, randomBytes(12).toString("base64url"), 0, Date.now());
  const find = mirrorRoutes(() => config.services);
  const intents = createMirrorIntents({
    outbox,
    policyOf: (service, route) => find(service, route)?.policy ?? null,
    secret: orderSecret,
    configVersion: () => configHash(config),
    clock: { now: storeNow },
    validForMs: store.redis.commandTimeoutMs,
    marks,
    onGap: (gap, { service, route }) => logger.warn("mirror.gap", { service, route, reason: gap }),
  });
  return {
    intents,
    start(processes, lifecycle) {
      const forwarder = createForwarder({ pseudonym: "sticky-proxy", loopId: keys.source, health });
      const comparer = createComparer({ redactKey: secret.toString("base64url") });
      const pacers = new Map<string, Pacer>();
      const begin = (): OutboxDrain =>
        startOutboxDrain({
          outbox,
          store: store.processes,
          locks,
          find,
          comparer,
          markMirrored: async (record) => {
            await processes.apply(record, { type: "mirrored" });
          },
          secondary: createSecondary({ forwarder, marks, clock: systemClock }),
          pacerOf(name) {
            let pacer = pacers.get(name);
            if (pacer === undefined) pacers.set(name, (pacer = createPacer()));
            return pacer;
          },
          random: Math.random,
          clock: systemClock,
          sleep,
          tickMs: drainTickMs,
          graceMs,
          onAnswered: (service, latencies) => observeLatencies(metrics, service, latencies),
          onSettled: ({ service }, outcome, difference) =>
            observeMirror(metrics, service, outcome, difference),
          onTrouble: (err) => logger.warn("mirror.drain-trouble", { err }),
        });
      let drain: OutboxDrain | null = null;
      lifecycle.onShutdown("finish", "mirror-drain", async () => {
        await drain?.stop();
        await comparer.close();
      });
      lifecycle.onShutdown("flush", "mirror", async () => {
        await intents.tick().catch((err: unknown) => logger.warn("mirror.gaps-lost", { err }));
        await forwarder.close();
      });
      return {
        async tick() {
          // A reload may bring the first mirrored route; until then nobody stands for election.
          if (drain === null && !isAnyMirrored(config.services)) return;
          drain ??= begin();
          await intents.tick();
          exportLag(metrics, intents.lag, drain.leadsFirst);
        },
      };
    },
  };
}

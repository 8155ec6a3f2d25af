/** Wiring of the mirror in a proxy: intents before dispatches, copies behind answers, loop markers. */
import type { Clock } from "@sticky-proxy/protocol";
import { createSecretKey, randomBytes } from "node:crypto";
import { createMirrorIntents, type MirrorIntents } from "@sticky-proxy/engine";
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
import { createDifferences, createMirrorOutbox, type OpenStore } from "@sticky-proxy/store";
import {
  createComparer,
  observeLatencies,
  observeMirror,
  isAnyMirrored,
  mirrorRoutes,
  createSecondary,
  markerKeys,
  markLines,
  createShadowQueue,
} from "@sticky-proxy/mirror";
import { createForwarder } from "@sticky-proxy/upstream";
import type { MirrorDeps } from "./middleware/mirror.ts";
import { createLoopGuard } from "./middleware/loop-guard.ts";

const graceMs = 5000;

export interface ProxyMirrorParts {
  readonly config: Config;
  readonly store: OpenStore;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

export interface ProxyMirror {
  readonly deps: MirrorDeps;
  readonly intents: MirrorIntents;
  /** Starts copies, writes their counts, and writes the gaps of intents. @throws StoreUnavailable */
  tick(): Promise<void>;
  stopWith(lifecycle: Lifecycle): void;
}

export function openProxyMirror(
  { config, store, logger, metrics }: ProxyMirrorParts,
  storeNow: Clock["now"],
): ProxyMirror {
  const { secret, partitions } = store.meta;
  const orderSecret = createSecretKey(secret);
  const { writes, reads } = store.redis;
  const storeDeps = { writes, reads, keys: store.keys, partitions };
  const keys = markerKeys(secret, config.mirror.secrets);
  const newId = (): string => randomBytes(12).toString("base64url");
  const marks = (head: RequestHead) => markLines(keys, head, newId(), 0, Date.now());
  const find = mirrorRoutes(() => config.services);
  const outbox = createMirrorOutbox(storeDeps);
  const version = (): string => configHash(config);
  const intents = createMirrorIntents({
    outbox,
    policyOf: (service, route) => find(service, route)?.policy ?? null,
    secret: orderSecret,
    configVersion: version,
    clock: { now: storeNow },
    validForMs: store.redis.commandTimeoutMs,
    marks,
    onGap: (gap, { service, route }) => logger.warn("mirror.gap", { service, route, reason: gap }),
  });
  // Pools, breakers and slots of its own: a secondary that hangs takes nothing from the data path.
  const forwarder = createForwarder({ pseudonym: "sticky-proxy", loopId: keys.source });
  const comparer = createComparer({ redactKey: secret.toString("base64url") });
  const pacers = new Map<string, Pacer>();
  const shadow = createShadowQueue({
    differences: createDifferences(storeDeps),
    outbox,
    secondary: createSecondary({ forwarder, marks, clock: systemClock }),
    comparer,
    pacerOf(name) {
      let pacer = pacers.get(name);
      if (pacer === undefined) pacers.set(name, (pacer = createPacer()));
      return pacer;
    },
    configVersion: version,
    clock: systemClock,
    sleep,
    onAnswered: (service, latencies) => observeLatencies(metrics, service, latencies),
    onOutcome: (service, outcome, difference) => observeMirror(metrics, service, outcome, difference),
    onTrouble: (err) => logger.warn("mirror.copy-trouble", { err }),
  });
  return {
    deps: {
      guard: createLoopGuard({
        keys,
        trustedPeers: config.trustedPeers,
        newId,
        marks: (head, id, hop) => markLines(keys, head, id, hop, Date.now()),
        wallClock: Date.now,
      }),
      shadow,
      serviceOf: (name) => config.services.find((service) => service.name === name) ?? null,
      secret: orderSecret,
      clock: systemClock,
    },
    intents,
    async tick() {
      await shadow.tick();
      // A reload may bring the first mirrored route; until then there is nothing to ask for.
      if (isAnyMirrored(config.services) || intents.unwritten > 0) await intents.tick();
    },
    stopWith(lifecycle) {
      lifecycle.onShutdown("finish", "mirror-copies", async () => {
        await shadow.stop(AbortSignal.timeout(graceMs)).catch((err: unknown) => {
          logger.warn("mirror.counts-lost", { err });
        });
        await comparer.close();
      });
      lifecycle.onShutdown("flush", "mirror", async () => {
        await intents.tick().catch((err: unknown) => logger.warn("mirror.gaps-lost", { err }));
        await forwarder.close();
      });
    },
  };
}

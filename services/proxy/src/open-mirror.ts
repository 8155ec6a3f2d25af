/** Wiring of the mirror in a proxy: copies behind answers, loop markers, and the intents of what it dispatches. */
import type { Clock } from "@sticky-proxy/protocol";
import { createSideCopies, type Engine, type MirrorIntents, type SideCopies } from "@sticky-proxy/engine";
import { createSecretKey } from "node:crypto";
import { openMirror, type OpenNode } from "@sticky-proxy/node";
import { sleep, type Config, type Lifecycle, type Logger, type Metrics } from "@sticky-proxy/runtime";
import { createDifferences } from "@sticky-proxy/store";
import { observeLatencies, observeMirror, isAnyMirrored, createShadowQueue } from "@sticky-proxy/mirror";
import type { MirrorDeps } from "./middleware/mirror.ts";
import { createBodyTaps } from "./middleware/tap-body.ts";
import { createLoopGuard } from "./middleware/loop-guard.ts";

const graceMs = 5000;

export interface ProxyMirrorParts {
  readonly config: Config;
  readonly node: OpenNode;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

export interface ProxyMirror {
  readonly deps: MirrorDeps;
  readonly intents: MirrorIntents;
  /** Durable copies of plain requests, noted by this engine. */
  openSideCopies(engine: Engine): SideCopies;
  /** Starts copies, writes their counts, and writes the gaps of intents. @throws StoreUnavailable */
  tick(): Promise<void>;
  stopWith(lifecycle: Lifecycle): void;
}

export function openProxyMirror(
  { config, node, logger, metrics }: ProxyMirrorParts,
  storeNow: Clock["now"],
): ProxyMirror {
  const { store, storeClock } = node;
  const mirror = openMirror({ config, store, migrations: node.migrations, logger, storeClock, storeNow });
  const { intents, keys, newId, marks, secret, clock } = mirror;
  const { writes, reads } = store.redis;
  const { partitions } = store.meta;
  const taps = createBodyTaps(config.limits.copyBytes);
  const shadow = createShadowQueue({
    ...mirror,
    differences: createDifferences({ writes, reads, keys: store.keys, partitions, sealing: store.sealing }),
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
        marks,
        wallClock: Date.now,
      }),
      shadow,
      taps,
      serviceOf: (name) => node.migrations.services().find((service) => service.name === name) ?? null,
      secret,
      clock,
    },
    intents,
    openSideCopies: (engine) =>
      createSideCopies({
        ...engine,
        intents,
        secret: createSecretKey(store.meta.secret),
        clock,
        sleep,
        onFailure: (err) => logger.warn("mirror.copy-lost", { err }),
      }),
    async tick() {
      await shadow.tick();
      // A reload may bring the first mirrored route; until then there is nothing to ask for.
      if (isAnyMirrored(node.migrations.services()) || intents.unwritten > 0) await intents.tick();
    },
    stopWith(lifecycle) {
      mirror.stopWith(lifecycle, "mirror-copies", () =>
        shadow
          .stop(AbortSignal.timeout(graceMs))
          .catch((err: unknown) => logger.warn("mirror.counts-lost", { err })),
      );
    },
  };
}

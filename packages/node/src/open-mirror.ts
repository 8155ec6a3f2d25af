/**
 * The mirror's parts that a proxy and a sweeper open alike: intents before dispatches, the secondary's connections,
 * the comparer. Pools, breakers and slots are the mirror's own: a secondary that hangs uses none of the data path.
 */
import { createSecretKey, randomBytes } from "node:crypto";
import { createMirrorIntents, type MirrorIntents } from "@sticky-proxy/engine";
import type { HeaderLine, HeaderList, RequestHead } from "@sticky-proxy/core/http";
import {
  createPacer,
  type IdMap,
  type OrderSecret,
  type Outbox,
  type Pacer,
} from "@sticky-proxy/core/mirror";
import {
  createComparer,
  createSecondary,
  markerKeys,
  markLines,
  mirrorRoutes,
  type Comparer,
  type MarkerKeys,
  type Secondary,
} from "@sticky-proxy/mirror";
import type { Clock } from "@sticky-proxy/protocol";
import { configHash, systemClock, type Config, type Lifecycle, type Logger } from "@sticky-proxy/runtime";
import { createIdMap, createMirrorOutbox, type OpenStore } from "@sticky-proxy/store";
import { createForwarder, type HealthView } from "@sticky-proxy/upstream";
import type { NodeMigrations } from "./migrations.ts";
import { outgoingLimits } from "./open-node.ts";

export interface NodeMirrorParts {
  readonly config: Config;
  readonly store: OpenStore;
  readonly migrations: NodeMigrations;
  /** Health of the secondary's instances; absent: all are usable. */
  readonly health?: HealthView;
  readonly logger: Logger;
  readonly storeClock: Clock;
  /** The store's time by its last answer to the engine. */
  readonly storeNow: Clock["now"];
}

export interface NodeMirror {
  readonly outbox: Outbox;
  readonly ids: IdMap;
  readonly intents: MirrorIntents;
  readonly secondary: Secondary;
  readonly comparer: Comparer;
  /** One pace per secondary. */
  readonly pacerOf: (secondary: string) => Pacer;
  readonly find: ReturnType<typeof mirrorRoutes>;
  /** Signs the markers of this gateway's copies and verifies other gateways' (R2). */
  readonly keys: MarkerKeys;
  readonly newId: () => string;
  readonly marks: (head: RequestHead, id: string, hop: number) => HeaderLine[];
  /** Keys the order keys; shared by all replicas. */
  readonly secret: OrderSecret;
  /** `now` is the store's clock, because its times are compared with the outbox's. */
  readonly clock: Clock;
  readonly configVersion: () => string;
  /** In "finish" `copies` end, then the comparer; in "flush" the gaps that are still to be written. */
  stopWith(lifecycle: Lifecycle, name: string, copies: () => Promise<void>): void;
}

export function openMirror({
  config,
  store,
  migrations,
  health,
  logger,
  storeClock,
  storeNow,
}: NodeMirrorParts): NodeMirror {
  const { secret, partitions } = store.meta;
  const { writes, reads } = store.redis;
  const orderSecret = createSecretKey(secret);
  const keys = markerKeys(secret, config.mirror.secrets);
  const newId = (): string => randomBytes(12).toString("base64url");
  const marks = (head: RequestHead, id: string, hop: number): HeaderLine[] =>
    markLines(keys, head, id, hop, Date.now());
  const ownMarks = (head: RequestHead): HeaderList => marks(head, newId(), 0);
  const find = mirrorRoutes(() => migrations.services());
  const outbox = createMirrorOutbox({ writes, reads, keys: store.keys, partitions, sealing: store.sealing });
  const configVersion = (): string => configHash(config);
  const intents = createMirrorIntents({
    outbox,
    policyOf: (service, route) => find(service, route)?.policy ?? null,
    secret: orderSecret,
    configVersion,
    clock: { now: storeNow },
    validForMs: store.redis.commandTimeoutMs,
    memory: () => store.memory(),
    begin: (service) => migrations.begin(service),
    marks: ownMarks,
    onGap: (gap, { service, route }) => logger.warn("mirror.gap", { service, route, reason: gap }),
  });
  migrations.alsoCount(() => intents.unwritten);
  const forwarder = createForwarder({
    ...outgoingLimits(config),
    loopId: keys.source,
    ...(health === undefined ? {} : { health }),
  });
  const comparer = createComparer({ redactKey: secret.toString("base64url") });
  return {
    outbox,
    ids: createIdMap({ writes, reads, keys: store.keys, partitions }),
    intents,
    secondary: createSecondary({ forwarder, marks: ownMarks, clock: systemClock }),
    comparer,
    pacerOf: pacers(),
    find,
    keys,
    newId,
    marks,
    secret: orderSecret,
    clock: storeClock,
    configVersion,
    stopWith(lifecycle, name, copies) {
      lifecycle.onShutdown("finish", name, async () => {
        await copies();
        await comparer.close();
      });
      lifecycle.onShutdown("flush", "mirror", async () => {
        await intents.tick().catch((err: unknown) => logger.warn("mirror.gaps-lost", { err }));
        await forwarder.close();
      });
    },
  };
}

function pacers(): (name: string) => Pacer {
  const known = new Map<string, Pacer>();
  return (name) => {
    let pacer = known.get(name);
    if (pacer === undefined) known.set(name, (pacer = createPacer()));
    return pacer;
  };
}

/**
 * Every node publishes that it is alive, its configuration's hash and its fingerprint versions, and reads
 * those of the others. The data is at most a few seconds old; a node without a heartbeat expires after the TTL.
 */
import { configHash, version, type Config, type Logger, type Metrics } from "@sticky-proxy/runtime";
import type { Registry, Replica } from "@sticky-proxy/store";
import { installationOf, strangeness, type Installation } from "./installation.ts";

export const heartbeatMs = 2000;
/** TTL of a heartbeat, about five periods, and largest age of what was read. */
const ttlMs = 10_000;
/** For so long keys belong to an installation of which no replica runs. */
const installationMs = 30 * 24 * 3_600_000;

export interface HeartbeatParts {
  readonly registry: Pick<Registry, "heartbeat" | "replicas" | "leave" | "claimInstallation">;
  /** Unique among the live replicas. */
  readonly id: string;
  readonly role: Replica["role"];
  /** Read at each beat: a reload changes it. */
  readonly config: Config;
  readonly fingerprints: readonly number[];
  readonly monotonic: () => number;
  readonly logger: Pick<Logger, "info" | "warn">;
  readonly metrics: Pick<Metrics, "configsInUse" | "strangeReplicas">;
}

export interface Heartbeat {
  /** Publishes and reads once. @throws StoreUnavailable */
  beat(): Promise<void>;
  /** The live replicas, this one included; null: not read within the TTL. */
  replicas(): readonly Replica[] | null;
  /** Whether every live replica can compare that version of the fingerprint, but admins, which compare none; false while nobody knows. */
  allKnowFingerprint(version: number): boolean;
  /** Removes this node from the list (clean shutdown). */
  leave(): Promise<void>;
}

/** Sends one heartbeat before it resolves, so that the other nodes know this one before it serves; a failure is logged. */
export async function openHeartbeat(parts: HeartbeatParts): Promise<Heartbeat> {
  const { registry, id, role, config, fingerprints, monotonic, logger, metrics } = parts;
  const startedAt = Date.now();
  let seen: { readonly replicas: readonly Replica[]; readonly at: number } | null = null;
  let told = "";

  /** Logs each change of the configurations in use once, not at every heartbeat. */
  function tellDrift(replicas: readonly Replica[]): void {
    const inUse = Map.groupBy(replicas, (replica) => replica.config);
    metrics.configsInUse.set({}, inUse.size);
    const configs = [...inUse]
      .map(
        ([digest, those]) =>
          `${digest}: ${those
            .map((one) => one.id)
            .sort()
            .join(", ")}`,
      )
      .sort();
    const picture = inUse.size > 1 ? configs.join("; ") : "";
    if (picture === told) return;
    if (picture !== "") logger.warn("config.drift", { configs });
    else logger.info("config.agreed", { configs });
    told = picture;
  }

  let toldStrangers = "";

  /** Logs replicas and keys of another installation, once for each change. */
  function tellStrangers(replicas: readonly Replica[], own: Installation, owner: string | null): void {
    const strangers = replicas.flatMap((other) => {
      const why = other.id === id ? null : strangeness(own, other);
      return why === null ? [] : [`${other.id}: ${why}`];
    });
    metrics.strangeReplicas.set({}, strangers.length);
    const keysOf = owner === (own.installation ?? null) ? null : owner;
    const picture = [keysOf ?? "", ...strangers.sort()].join("; ");
    if (picture === toldStrangers) return;
    toldStrangers = picture;
    if (strangers.length > 0 || keysOf !== null)
      logger.warn("store.shared-prefix", {
        strangers,
        keysOf,
        hint: "give each installation a redis.keyPrefix of its own; replicas that belong together have one redis.installation",
      });
  }

  const heartbeat: Heartbeat = {
    async beat() {
      const digest = configHash(config);
      const own = installationOf(config);
      await registry.heartbeat(
        { id, role, version: version(), startedAt, config: digest, fingerprints, ...own },
        ttlMs,
      );
      const name = own.installation ?? null;
      const owner = name === null ? null : await registry.claimInstallation(name, installationMs);
      const replicas = await registry.replicas();
      seen = { replicas, at: monotonic() };
      tellDrift(replicas);
      tellStrangers(replicas, own, owner);
    },
    replicas: () => (seen === null || monotonic() - seen.at > ttlMs ? null : seen.replicas),
    allKnowFingerprint: (wanted) =>
      heartbeat
        .replicas()
        ?.every(({ role: its, fingerprints: known = [1] }) => its === "admin" || known.includes(wanted)) ??
      false,
    leave: () => registry.leave(id),
  };
  await heartbeat.beat().catch((err: unknown) => logger.warn("heartbeat.failed", { err }));
  return heartbeat;
}

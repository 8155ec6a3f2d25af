/**
 * Every node publishes that it is alive, its configuration's hash and its fingerprint versions, and reads
 * those of the others. The data is at most a few seconds old; a node without a heartbeat expires after the TTL.
 */
import { configHash, version, type Config, type Logger, type Metrics } from "@sticky-proxy/runtime";
import type { Registry, Replica } from "@sticky-proxy/store";

export const heartbeatMs = 2000;
/** TTL of a heartbeat, about five periods, and largest age of what was read. */
const ttlMs = 10_000;

export interface HeartbeatParts {
  readonly registry: Pick<Registry, "heartbeat" | "replicas" | "leave">;
  /** Unique among the live replicas. */
  readonly id: string;
  readonly role: Replica["role"];
  /** Read at each beat: a reload changes it. */
  readonly config: Config;
  readonly fingerprints: readonly number[];
  readonly monotonic: () => number;
  readonly logger: Pick<Logger, "info" | "warn">;
  readonly metrics: Pick<Metrics, "configsInUse">;
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

  const heartbeat: Heartbeat = {
    async beat() {
      const digest = configHash(config);
      await registry.heartbeat(
        { id, role, version: version(), startedAt, config: digest, fingerprints },
        ttlMs,
      );
      const replicas = await registry.replicas();
      seen = { replicas, at: monotonic() };
      tellDrift(replicas);
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

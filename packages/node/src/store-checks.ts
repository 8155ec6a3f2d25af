/** Checks the settings of the state Redis that the guarantees depend on, at start and by a periodic task. */
import { CodedError } from "@sticky-proxy/protocol";
import { type Config, type Logger, type Metrics, type OpsServer } from "@sticky-proxy/runtime";
import { profileCheck, type Finding, type Health, type OpenStore } from "@sticky-proxy/store";

/** A Redis that this version cannot use at all. */
export class StoreUnfit extends CodedError {
  override readonly name = "StoreUnfit";
  override readonly code = "STORE_UNFIT";
}

export interface StoreCheckParts {
  readonly config: Config;
  readonly store: OpenStore;
  readonly confirm: OpenStore["confirm"];
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly ops: OpsServer;
}

export interface StoreChecks {
  /** Reads the settings again and logs what changed. */
  check(): Promise<void>;
  /** Whether Redis answers a command: a stopped Redis keeps its connections. */
  ping(): Promise<void>;
}

/** Checks the settings once. @throws StoreUnfit when a finding refuses the store: nothing is started */
export async function openStoreChecks(parts: StoreCheckParts): Promise<StoreChecks> {
  const { config, store, logger, metrics, ops } = parts;
  const { profile, strict, enforce } = config.redis;
  const check = profileCheck({
    redis: store.redis,
    keys: store.keys,
    meta: store.meta,
    profile,
    strict,
    wallClock: Date.now,
    confirm: parts.confirm,
    incarnation: store.incarnation,
  });
  let health: Health = await check();
  let told = "";

  function tell(): void {
    const findings = health.findings.map(
      ({ severity, setting, found, cure }) => `${severity}: ${setting} is ${found}; ${cure}`,
    );
    const text = findings.join("\n");
    if (text !== told && findings.length > 0) logger.warn("redis.settings", { profile, findings });
    told = text;
  }
  tell();
  store.noteMemory(health);
  const unfit = health.findings.filter(({ severity }) => severity === "refuse");
  if (unfit.length > 0) {
    throw new StoreUnfit(
      unfit.map(({ setting, found, cure }) => `Redis ${setting} is ${found}: ${cure}`).join("; "),
    );
  }

  let answers = true;
  const isUp = (): boolean =>
    answers && store.redis.writes.status === "ready" && store.redis.reads.status === "ready";
  ops.check("redis", () => {
    // Without Redis the proxy stays ready: plain traffic continues and keyed requests fail closed.
    if (!isUp()) return { state: "degraded", reason: "Redis does not answer; keyed requests get 503" };
    const wrong = health.findings.filter(({ severity }) => severity !== "warn");
    const told = (findings: readonly Finding[]): string =>
      findings.map(({ setting, found, cure }) => `${setting} is ${found}: ${cure}`).join("; ");
    if (wrong.length === 0) {
      const warning = told(health.findings.filter(({ setting }) => setting === "profile"));
      return warning === "" ? { state: "ok" } : { state: "ok", warning };
    }
    const reason = told(wrong);
    return { state: enforce ? "failed" : "degraded", reason };
  });
  return {
    async check() {
      const before = health;
      const now = await check();
      // Without a reply from Redis its settings are unknown.
      health = isUp() ? now : before;
      store.noteMemory(health);
      tell();
    },
    async ping() {
      answers = await store.redis.reads.ping().then(
        () => true,
        () => false,
      );
      metrics.redisUp.set({}, isUp() ? 1 : 0);
    },
  };
}

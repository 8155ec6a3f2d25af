/** Whether one Redis satisfies the durability profile: `judge` decides from the given observations and performs no I/O. */

export type Profile = "dev" | "standard" | "ha" | "ha+quorum";

/** `refuse`: no start, not ready later. `wrong`: not ready. `warn`: logged only. */
export interface Finding {
  readonly severity: "refuse" | "wrong" | "warn";
  readonly setting: string;
  readonly found: string;
  /** What to do, as a sentence. */
  readonly cure: string;
}

/** What was seen. Settings by CONFIG GET name, INFO fields as they are; absent: not visible. */
export interface Facts {
  readonly settings: ReadonlyMap<string, string>;
  readonly info: ReadonlyMap<string, string>;
  /** aof_delayed_fsync of the check before; null: the first. */
  readonly delayedFsyncBefore: number | null;
  /** Server's clock minus this node's, ms. */
  readonly clockAheadMs: number;
}

/** Over this share of maxmemory new keyed work is refused. */
export const shedAt = 0.8;
/** The largest stored result must fit into one argument. */
const leastBulkBytes = 64 * 1024 * 1024;

export const watchedSettings = [
  "maxmemory",
  "maxmemory-policy",
  "appendonly",
  "appendfsync",
  "no-appendfsync-on-rewrite",
  "min-replicas-to-write",
  "min-replicas-max-lag",
  "proto-max-bulk-len",
  "hash-max-listpack-value",
  "hash-max-listpack-entries",
  "busy-reply-threshold",
] as const;

/** The settings and INFO fields that one check looks at, and the findings so far. */
interface Inspection {
  readonly facts: Facts;
  readonly isDev: boolean;
  readonly isReplicated: boolean;
  /** Severity of what loses data: only a warning in `dev`. */
  readonly durable: Finding["severity"];
  add(severity: Finding["severity"], setting: string, found: string, cure: string): void;
  demand(
    setting: (typeof watchedSettings)[number],
    isRight: (value: string) => boolean,
    cure: string,
    severity: Finding["severity"],
  ): void;
}

/**
 * What is wrong, worst first. Where CONFIG is forbidden, INFO answers what it can; a setting that stays invisible is a
 * warning, or `wrong` when strict.
 */
export function judge(facts: Facts, profile: Profile, strict: boolean): Finding[] {
  const findings: Finding[] = [];
  const add: Inspection["add"] = (severity, setting, found, cure) => {
    findings.push({ severity, setting, found, cure });
  };
  const isDev = profile === "dev";
  const inspection: Inspection = {
    facts,
    isDev,
    isReplicated: profile.startsWith("ha"),
    durable: isDev ? "warn" : "wrong",
    add,
    demand(setting, isRight, cure, severity) {
      const found = facts.settings.get(setting) ?? fromInfo(facts.info, setting);
      if (found === null)
        add(
          strict ? "wrong" : "warn",
          setting,
          "not visible",
          `allow CONFIG GET, or check yourself: ${cure}`,
        );
      else if (!isRight(found)) add(severity, setting, found === "" ? '""' : found, cure);
    },
  };
  judgeServer(inspection);
  judgeMemory(inspection);
  judgePersistence(inspection);
  judgeReplication(inspection);
  judgeLimits(inspection);
  const order = ["refuse", "wrong", "warn"];
  return findings.sort((a, b) => order.indexOf(a.severity) - order.indexOf(b.severity));
}

function judgeServer({ facts, isReplicated, add }: Inspection): void {
  const { info } = facts;
  const version = info.get("redis_version") ?? info.get("valkey_version") ?? "";
  const [major = 0, minor = 0] = version.split(".").map(Number);
  if (major < 7) add("refuse", "version", version || "unknown", "use Redis 7.0 or later, or Valkey");
  else if (isReplicated && major === 7 && minor < 2) {
    add("warn", "version", version, "use Redis 7.2 or later, so that WAITAOF can prove a write on disk");
  }
  const role = info.get("role");
  if (role !== undefined && role !== "master") add("wrong", "role", role, "point the proxy at the primary");
  if ((info.get("loading") ?? "0") !== "0") add("wrong", "loading", "1", "wait until the data is loaded");
  if (Math.abs(facts.clockAheadMs) > 5000) {
    const found = `${Math.round(facts.clockAheadMs)} ms ahead of this node`;
    add("warn", "clock", found, "synchronise the clocks (NTP)");
  }
}

function judgeMemory({ facts, durable, add, demand }: Inspection): void {
  const policyCure = "set maxmemory-policy noeviction: evicting would forget claims";
  demand("maxmemory-policy", (v) => v === "noeviction", policyCure, "wrong");
  demand("maxmemory", (v) => Number(v) > 0, "set maxmemory below the machine's memory", durable);
  const share = memoryShare(facts);
  if (share !== null && share > shedAt) {
    const cure = "raise maxmemory or shorten result TTLs: new work is refused";
    add("warn", "memory", `${Math.round(share * 100)} %`, cure);
  }
}

function judgePersistence({ facts, isDev, durable, add, demand }: Inspection): void {
  const { info } = facts;
  demand("appendonly", (v) => v === "yes", "set appendonly yes", durable);
  const fsyncs = isDev ? ["everysec", "always"] : ["always"];
  demand("appendfsync", (v) => fsyncs.includes(v), `set appendfsync ${fsyncs[0]}`, durable);
  if (!isDev) {
    demand("no-appendfsync-on-rewrite", (v) => v === "no", "set no-appendfsync-on-rewrite no", durable);
  }
  for (const status of ["aof_last_write_status", "aof_last_bgrewrite_status"]) {
    const found = info.get(status);
    if (found !== undefined && found !== "ok")
      add(durable, status, found, "look at the disk and the Redis log");
  }
  const delayed = Number(info.get("aof_delayed_fsync") ?? 0);
  if (facts.delayedFsyncBefore !== null && delayed > facts.delayedFsyncBefore) {
    add("warn", "aof_delayed_fsync", String(delayed), "the disk is too slow for the AOF");
  }
}

function judgeReplication({ facts, isReplicated, add, demand }: Inspection): void {
  if (!isReplicated) return;
  demand("min-replicas-to-write", (v) => Number(v) >= 1, "set min-replicas-to-write 1", "wrong");
  const replicas = Number(facts.info.get("connected_slaves") ?? 0);
  if (replicas < 1) add("wrong", "replicas", String(replicas), "attach at least one replica, better two");
  const lag = worstLag(facts.info);
  if (lag !== null && lag > 5) add("warn", "replica lag", `${lag} s`, "look at the replica's link and load");
}

function judgeLimits({ demand }: Inspection): void {
  const atLeast = (least: number) => (v: string) => Number(v) >= least;
  demand("proto-max-bulk-len", atLeast(leastBulkBytes), "set proto-max-bulk-len 64mb or more", "wrong");
  demand(
    "hash-max-listpack-value",
    atLeast(64),
    "set hash-max-listpack-value 64: records stay compact",
    "warn",
  );
  demand("hash-max-listpack-entries", atLeast(64), "set hash-max-listpack-entries 64 or more", "warn");
  demand("busy-reply-threshold", (v) => Number(v) <= 5000, "set busy-reply-threshold 5000 or less", "warn");
}

/** Share of maxmemory in use; null: no limit or not visible. */
export function memoryShare({ info }: Pick<Facts, "info">): number | null {
  const limit = Number(info.get("maxmemory") ?? 0);
  return limit > 0 ? Number(info.get("used_memory") ?? 0) / limit : null;
}

/** What INFO says about a setting, or null. */
function fromInfo(info: ReadonlyMap<string, string>, name: string): string | null {
  if (name === "maxmemory") return info.get("maxmemory") ?? null;
  if (name === "maxmemory-policy") return info.get("maxmemory_policy") ?? null;
  if (name === "appendonly" && info.has("aof_enabled")) return info.get("aof_enabled") === "1" ? "yes" : "no";
  return null;
}

function worstLag(info: ReadonlyMap<string, string>): number | null {
  const lags = [...info]
    .filter(([name]) => /^slave\d+$/.test(name))
    .map(([, value]) => Number(/lag=(-?\d+)/.exec(value)?.[1] ?? 0));
  return lags.length === 0 ? null : Math.max(...lags);
}

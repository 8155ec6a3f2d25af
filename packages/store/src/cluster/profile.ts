/**
 * Whether this Redis keeps what the durability profile promises. `judge` decides from what was seen; `profileCheck`
 * looks, and proves by a canary process that a claim, a commit and a read work. Run at start and every 10 s.
 */
import { asScope } from "@sticky-proxy/protocol";
import { randomBytes } from "node:crypto";
import type { ProcessStore } from "@sticky-proxy/core/process";
import { createKeys, type Keys } from "../keys.ts";
import { type Meta, MetaMismatch, verifyMeta } from "./meta.ts";
import { createProcessStore } from "../process/process-store.ts";
import type { Connection, RedisConnections } from "../redis/redis.ts";

export type Profile = "dev" | "standard" | "ha" | "ha+quorum";

/** `refuse`: do not start, not ready later. `wrong`: not ready. `warn`: say it and go on. */
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

export interface Health {
  /** No finding is worse than `warn`. */
  readonly isReady: boolean;
  readonly findings: readonly Finding[];
  /** Share of maxmemory in use; null: no limit or not visible. */
  readonly memoryShare: number | null;
  /** Over 80 %: refuse new keyed work, finish the old. */
  readonly sheds: boolean;
}

const shedAt = 0.8;
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

/** What is wrong, worst first. Where CONFIG is forbidden, INFO answers what it can; the rest is a warning, or wrong when strict. */
export function judge(facts: Facts, profile: Profile, strict: boolean): Finding[] {
  const findings: Finding[] = [];
  const { info } = facts;
  const setting = (name: (typeof watchedSettings)[number]): string | null =>
    facts.settings.get(name) ?? fromInfo(info, name);
  const add = (severity: Finding["severity"], name: string, found: string, cure: string): void => {
    findings.push({ severity, setting: name, found, cure });
  };
  const demand = (
    name: (typeof watchedSettings)[number],
    isRight: (value: string) => boolean,
    cure: string,
    severity: Finding["severity"],
  ): void => {
    const found = setting(name);
    if (found === null)
      add(strict ? "wrong" : "warn", name, "not visible", `allow CONFIG GET, or see that: ${cure}`);
    else if (!isRight(found)) add(severity, name, found === "" ? '""' : found, cure);
  };
  const durable = profile === "dev" ? "warn" : "wrong";

  const version = info.get("redis_version") ?? info.get("valkey_version") ?? "";
  const [major = 0, minor = 0] = version.split(".").map(Number);
  if (major < 7) add("refuse", "version", version || "unknown", "use Redis 7.0 or later, or Valkey");
  else if (profile.startsWith("ha") && major === 7 && minor < 2) {
    add("warn", "version", version, "use Redis 7.2 or later, so that WAITAOF can prove a write on disk");
  }
  const role = info.get("role");
  if (role !== undefined && role !== "master") add("wrong", "role", role, "point the proxy at the primary");
  if ((info.get("loading") ?? "0") !== "0") add("wrong", "loading", "1", "wait until the data is loaded");

  demand(
    "maxmemory-policy",
    (v) => v === "noeviction",
    "set maxmemory-policy noeviction: evicting would forget claims",
    "wrong",
  );
  demand(
    "maxmemory",
    (v) => Number(v) > 0,
    "set maxmemory below the machine's memory",
    profile === "dev" ? "warn" : "wrong",
  );
  demand("appendonly", (v) => v === "yes", "set appendonly yes", durable);
  const fsyncs = profile === "dev" ? ["everysec", "always"] : ["always"];
  demand("appendfsync", (v) => fsyncs.includes(v), `set appendfsync ${fsyncs[0]}`, durable);
  if (profile !== "dev") {
    demand("no-appendfsync-on-rewrite", (v) => v === "no", "set no-appendfsync-on-rewrite no", durable);
  }
  if (profile.startsWith("ha")) {
    demand("min-replicas-to-write", (v) => Number(v) >= 1, "set min-replicas-to-write 1", "wrong");
    const replicas = Number(info.get("connected_slaves") ?? 0);
    if (replicas < 1) add("wrong", "replicas", String(replicas), "attach at least one replica, better two");
    const lag = worstLag(info);
    if (lag !== null && lag > 5)
      add("warn", "replica lag", `${lag} s`, "look at the replica's link and load");
  }
  for (const status of ["aof_last_write_status", "aof_last_bgrewrite_status"]) {
    const found = info.get(status);
    if (found !== undefined && found !== "ok")
      add(durable, status, found, "look at the disk and the Redis log");
  }
  demand(
    "proto-max-bulk-len",
    (v) => Number(v) >= leastBulkBytes,
    "set proto-max-bulk-len 64mb or more",
    "wrong",
  );
  demand(
    "hash-max-listpack-value",
    (v) => Number(v) >= 64,
    "set hash-max-listpack-value 64: records stay compact",
    "warn",
  );
  demand(
    "hash-max-listpack-entries",
    (v) => Number(v) >= 64,
    "set hash-max-listpack-entries 64 or more",
    "warn",
  );
  demand("busy-reply-threshold", (v) => Number(v) <= 5000, "set busy-reply-threshold 5000 or less", "warn");

  const share = memoryShare(facts);
  if (share !== null && share > shedAt) {
    add(
      "warn",
      "memory",
      `${Math.round(share * 100)} %`,
      "raise maxmemory or shorten result TTLs: new work is refused",
    );
  }
  const delayed = Number(info.get("aof_delayed_fsync") ?? 0);
  if (facts.delayedFsyncBefore !== null && delayed > facts.delayedFsyncBefore) {
    add("warn", "aof_delayed_fsync", String(delayed), "the disk is too slow for the AOF");
  }
  if (Math.abs(facts.clockAheadMs) > 5000) {
    add(
      "warn",
      "clock",
      `${Math.round(facts.clockAheadMs)} ms ahead of this node`,
      "synchronise the clocks (NTP)",
    );
  }
  const order = ["refuse", "wrong", "warn"];
  return findings.sort((a, b) => order.indexOf(a.severity) - order.indexOf(b.severity));
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

export interface ProfileCheckOptions {
  readonly redis: RedisConnections;
  readonly keys: Keys;
  readonly meta: Meta;
  readonly profile: Profile;
  readonly strict: boolean;
  /** This node's clock, epoch ms; only to compare. */
  readonly wallClock: () => number;
  /** The durability gate of the stronger profiles; null: none. */
  readonly confirm: (() => Promise<void>) | null;
  /** Looked at with each check. */
  readonly incarnation?: { check(): Promise<void> };
}

/** Never throws: a Redis that is away is a finding. */
export function profileCheck(options: ProfileCheckOptions): () => Promise<Health> {
  const { redis, keys, meta, profile, strict, wallClock, confirm } = options;
  const canaries = createProcessStore({
    redis,
    keys: createKeys(`${keys.prefix}canary:`),
    partitions: 1,
    timelineLength: 10,
  });
  let delayedFsyncBefore: number | null = null;
  return async function check(): Promise<Health> {
    const findings: Finding[] = [];
    let memory: number | null = null;
    try {
      const [facts, ...others] = await Promise.all(
        mastersOf(redis.reads).map((node) => look(node, delayedFsyncBefore, wallClock)),
      );
      for (const each of [facts!, ...others]) {
        findings.push(...judge(each, profile, strict));
        const share = memoryShare(each);
        if (share !== null) memory = Math.max(memory ?? 0, share);
      }
      delayedFsyncBefore = Number(facts!.info.get("aof_delayed_fsync") ?? 0);
      await verifyMeta(redis.writes, keys, meta);
      await options.incarnation?.check();
      await canary(canaries, confirm);
    } catch (error) {
      findings.unshift(findingOf(error));
    }
    return {
      isReady: findings.every(({ severity }) => severity === "warn"),
      findings,
      memoryShare: memory,
      sheds: memory !== null && memory > shedAt,
    };
  };
}

function findingOf(error: unknown): Finding {
  const found = error instanceof Error ? error.message : String(error);
  if (error instanceof MetaMismatch) {
    return { severity: "refuse", setting: "partitions, schema, secret", found, cure: "see what was found" };
  }
  return {
    severity: "wrong",
    setting: "canary",
    found,
    cure: "bring Redis back, or look at what it refused",
  };
}

/** Every server that owns keys. */
function mastersOf(connection: Connection): readonly Connection[] {
  return "nodes" in connection ? connection.nodes("master") : [connection];
}

async function look(
  connection: Connection,
  delayedFsyncBefore: number | null,
  wallClock: () => number,
): Promise<Facts> {
  const [info, time, settings] = await Promise.all([
    connection.info("everything"),
    connection.time() as unknown as Promise<[string, string]>,
    connection.config("GET", ...watchedSettings).catch(() => []), // forbidden by some hosts
  ]);
  const pairs = settings as string[];
  const seen = new Map<string, string>();
  for (let i = 0; i + 1 < pairs.length; i += 2) seen.set(pairs[i]!, pairs[i + 1]!);
  return {
    settings: seen,
    info: parseInfo(info),
    delayedFsyncBefore,
    clockAheadMs: Number(time[0]) * 1000 + Number(time[1]) / 1000 - wallClock(),
  };
}

/** INFO's "name:value" lines. */
export function parseInfo(text: string): Map<string, string> {
  const fields = new Map<string, string>();
  for (const line of text.split("\r\n")) {
    const colon = line.indexOf(":");
    if (colon > 0 && !line.startsWith("#")) fields.set(line.slice(0, colon), line.slice(colon + 1));
  }
  return fields;
}

/** A process of its own key family goes through claim, gate, commit, read and purge. @throws StoreUnavailable */
async function canary(store: ProcessStore, confirm: (() => Promise<void>) | null): Promise<void> {
  const scope = asScope(randomBytes(16).toString("base64url"));
  const answer = await store.create(
    {
      partition: 0,
      scope,
      fields: { service: "canary", status: "in-progress", owner: "canary" },
      spans: { wakeAt: 60_000 },
      request: null,
      writeId: `${scope}-1`,
      entry: { event: "created" },
    },
    { withResult: false },
  );
  if (answer.kind !== "created") throw new Error(`the canary's claim was answered "${answer.kind}"`);
  await confirm?.();
  const committed = await store.commit(
    answer.record,
    {
      set: { status: "completed", owner: null },
      spans: { keepUntil: 60_000 },
      mintFence: false,
      result: null,
      drop: [],
      entry: { event: "ended" },
    },
    { ifDue: false, writeId: `${scope}-2` },
  );
  const { record } = await store.read(answer.record, { withResult: false });
  if (committed.kind !== "committed" || record?.version !== 2) {
    throw new Error("the canary's commit did not stand when it was read");
  }
  await store.purge(record);
}

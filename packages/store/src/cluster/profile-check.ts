/**
 * Checks whether this Redis satisfies the durability profile: `judge` on every master, the shared settings,
 * and a canary process. Run at start and every 10 s.
 */
import type { ProcessRecord } from "@sticky-proxy/core/process";
import { createKeys, type Keys } from "../keys.ts";
import { createProcessStore } from "../process/process-store.ts";
import { mastersOf, type Connection, type RedisConnections } from "../redis/redis.ts";
import { runCanary } from "./canary.ts";
import type { DurabilityGate } from "./durability.ts";
import { parseInfo } from "./info.ts";
import { type Meta, MetaMismatch, verifyMeta } from "./meta.ts";
import {
  type Facts,
  type Finding,
  judge,
  memoryShare,
  type Profile,
  shedAt,
  watchedSettings,
} from "./profile.ts";

export interface Health {
  /** No finding is worse than `warn`. */
  readonly isReady: boolean;
  readonly findings: readonly Finding[];
  /** Share of maxmemory in use; null: no limit or not visible. */
  readonly memoryShare: number | null;
  /** The smallest maxmemory of all servers, bytes; null: no limit or not visible. */
  readonly memoryLimit: number | null;
  /** Over 80 %: refuse new keyed work, finish the old. */
  readonly sheds: boolean;
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
  readonly confirm: DurabilityGate["confirm"] | null;
  /** Part of each check. */
  readonly incarnation?: { check(): Promise<void> };
}

/** Never rejects: an unavailable Redis is a finding. */
export function profileCheck(options: ProfileCheckOptions): () => Promise<Health> {
  const { redis, keys, meta, profile, strict, wallClock, confirm } = options;
  const canaryKeys = createKeys(`${keys.prefix}canary:`);
  const canaries = createProcessStore({ redis, keys: canaryKeys, partitions: 1, timelineLength: 10 });
  const confirmCanary = confirm === null ? null : (record: ProcessRecord) => confirm(record, canaryKeys);
  let delayedFsyncBefore: number | null = null;
  return async function check(): Promise<Health> {
    const findings: Finding[] = [];
    let memory: number | null = null;
    let limit: number | null = null;
    try {
      const [facts, ...others] = await Promise.all(
        mastersOf(redis.reads).map((node) => look(node, delayedFsyncBefore, wallClock)),
      );
      for (const each of [facts!, ...others]) {
        findings.push(...judge(each, profile, strict));
        const share = memoryShare(each);
        if (share === null) continue;
        memory = Math.max(memory ?? 0, share);
        limit = Math.min(limit ?? Infinity, Number(each.info.get("maxmemory")));
      }
      if (redis.failsOver && !profile.startsWith("ha")) findings.push(losesOnPromotion(profile));
      delayedFsyncBefore = Number(facts!.info.get("aof_delayed_fsync") ?? 0);
      await verifyMeta(redis.writes, keys, meta);
      await options.incarnation?.check();
      await runCanary(canaries, confirmCanary);
    } catch (error) {
      findings.unshift(findingOf(error));
    }
    return {
      isReady: findings.every(({ severity }) => severity === "warn"),
      findings,
      memoryShare: memory,
      memoryLimit: limit,
      sheds: memory !== null && memory > shedAt,
    };
  };
}

/** Writes of these profiles are on one server when they are acknowledged. */
function losesOnPromotion(profile: Profile): Finding {
  return {
    severity: "warn",
    setting: "profile",
    found: `${profile} on servers that fail over`,
    cure: "use profile ha: a promotion loses acknowledged claims and results, and what is lost may run again",
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

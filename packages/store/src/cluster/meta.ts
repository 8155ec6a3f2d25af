/**
 * What the whole cluster must agree on, written once by whoever starts first: the partition count (a scope's place),
 * the secret behind scopes and tokens, and the schema of the keys.
 */
import { CodedError } from "@sticky-proxy/protocol";
import { randomBytes } from "node:crypto";
import type { Keys } from "../keys.ts";
import { serverTime, type Connection } from "../redis/redis.ts";

/** Raised when keys or scripts change in a way that older nodes would misread. */
export const schemaVersion = 1;

/** How long an upgrade from a version without heartbeats may take, from the first start of a newer one. */
const upgradeMs = 3_600_000;

export interface Meta {
  readonly partitions: number;
  /** 32 bytes for HMACs. Never logged. */
  readonly secret: Buffer;
  /**
   * From when on (the store's clock, epoch ms) the heartbeats tell of every live replica; 0: always. An older version
   * that used this store before has none, and may still run beside this one for a while.
   */
  readonly heartbeatsSince: number;
}

/** This node and the stored settings disagree; starting would split the scopes. */
export class MetaMismatch extends CodedError {
  override readonly name = "MetaMismatch";
  override readonly code = "META_MISMATCH";
}

/**
 * Reads the settings, writing those that are missing. `partitions` null: take what is stored, else 64.
 * @throws MetaMismatch, or the client's error when Redis does not answer
 */
export async function openMeta(
  connection: Connection,
  keys: Keys,
  wanted: {
    readonly partitions: number | null;
    readonly secret?: Buffer;
    readonly heartbeatsSince?: number;
  },
): Promise<Meta> {
  const key = keys.meta("settings");
  // Before the schema is there: whoever comes second must not take this node's new store for an old one.
  const isOld = (await connection.hexists(key, "schema")) === 1;
  const since = wanted.heartbeatsSince ?? (isOld ? (await serverTime(connection)) + upgradeMs : 0);
  await connection.hsetnx(key, "heartbeatsSince", String(since));
  const offered = {
    schema: String(schemaVersion),
    partitions: String(wanted.partitions ?? 64),
    secret: (wanted.secret ?? randomBytes(32)).toString("base64url"),
  };
  for (const [field, value] of Object.entries(offered)) await connection.hsetnx(key, field, value);
  const [schema, partitions, secret, heartbeatsSince] = await connection.hmget(
    key,
    "schema",
    "partitions",
    "secret",
    "heartbeatsSince",
  );
  if (schema !== offered.schema) {
    throw new MetaMismatch(`the stored schema is ${schema}, this version writes ${offered.schema}`);
  }
  if (wanted.partitions !== null && partitions !== offered.partitions) {
    throw new MetaMismatch(
      `${partitions} partitions are stored, ${wanted.partitions} are configured: use ${partitions}, or an empty Redis`,
    );
  }
  if (wanted.secret !== undefined && secret !== offered.secret) {
    throw new MetaMismatch(
      "the stored secret is not this node's: its scopes and tokens would differ; restart it",
    );
  }
  const count = Number(partitions);
  if (!Number.isInteger(count) || count < 1 || count > 1024 || secret == null || secret.length < 43) {
    throw new MetaMismatch(`the stored settings are damaged (partitions: ${partitions})`);
  }
  return {
    partitions: count,
    secret: Buffer.from(secret, "base64url"),
    heartbeatsSince: Number(heartbeatsSince),
  };
}

/** Compares again, and puts this node's settings back after a loss of data, so that scopes stay where they were. */
export async function verifyMeta(connection: Connection, keys: Keys, meta: Meta): Promise<void> {
  await openMeta(connection, keys, meta);
}

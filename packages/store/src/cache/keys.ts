/**
 * The Redis keys of the shared cache. `{c17}` is the hash tag of one cache partition: one slot, apart from the
 * processes' tags, so that cache load and state do not share a node in a cluster.
 *
 *   key                        type    written by                      ends
 *   {c}:m:<key>                HASH    commit, drop                    retention of its longest variant
 *       v index   m:<variant> metadata   s:<variant> selectors   h, s generations of drops   r revision   u URL
 *   {c}:b:<key>:<bodyId>:<n>   STRING  the body's writer               a fetch's time, then with its variant
 *   {c}:l:<key>:<flight>       STRING  begin: fetch lease              its lease
 *   {c}:u:<key>                STRING  hit-for-miss marker: a reason   5 to 120 s
 *   {c}:g                      HASH    begin, drop, purge: last, floor, h:<selector>, s:<selector>   60 days unused
 *   {c}:i                      ZSET    commit, hits: keys by last use  trimmed
 *   {c}:y                      HASH    commit: bytes by key, @<key> whose, # all, #<holder> a caller's   trimmed
 *   {c0}:o                     HASH    budget: bytes that each node is writing, or has dropped lately    its own TTL
 *   {c}:t                      ZSET    keys by hits                    trimmed
 *   {c}:w                      sharded channel  "<key>:<flight> <notice>"
 */
import { crc16 } from "@sticky-proxy/core/idempotency";

export interface CacheKeys {
  readonly partitions: number;
  partitionOf(key: string): number;
  entry(key: string): string;
  chunk(key: string, bodyId: string, n: number): string;
  lease(key: string, flight: string): string;
  marker(key: string): string;
  generations(partition: number): string;
  uses(partition: number): string;
  sizes(partition: number): string;
  hits(partition: number): string;
  loose(): string;
  notices(partition: number): string;
}

export function createCacheKeys(prefix: string, partitions: number): CacheKeys {
  const partitionOf = (key: string): number => crc16(key) % partitions;
  const family = (partition: number): string => `${prefix}{c${partition}}:`;
  const ofKey = (kind: string, key: string): string => `${family(partitionOf(key))}${kind}:${key}`;
  return {
    partitions,
    partitionOf,
    entry: (key) => ofKey("m", key),
    chunk: (key, bodyId, n) => `${ofKey("b", key)}:${bodyId}:${n}`,
    lease: (key, flight) => `${ofKey("l", key)}:${flight}`,
    marker: (key) => ofKey("u", key),
    generations: (partition) => `${family(partition)}g`,
    uses: (partition) => `${family(partition)}i`,
    sizes: (partition) => `${family(partition)}y`,
    hits: (partition) => `${family(partition)}t`,
    loose: () => `${family(0)}o`,
    notices: (partition) => `${family(partition)}w`,
  };
}

/**
 * Nodes that share a store agree on its keys by name: what one of them seals, the others read. Told by proofs in
 * Redis, which say nothing of a key's bytes.
 */
import type { Keys } from "../keys.ts";
import { MetaMismatch } from "../cluster/meta.ts";
import type { Connection } from "../redis/redis.ts";
import type { Sealing } from "./sealing.ts";

/**
 * A node without any key does not join a store that holds sealed values: it would write beside them in clear.
 * @throws MetaMismatch, or the client's error when Redis does not answer
 */
export async function agreeOnKeys(
  connection: Connection,
  keys: Keys,
  { proofs }: Pick<Sealing, "proofs">,
): Promise<void> {
  const place = keys.meta("sealing");
  if (proofs.size === 0) {
    if ((await connection.exists(place)) === 0) return;
    throw new MetaMismatch(
      "values in this store are sealed: give this node the keys (encryption.keys; write: false stops sealing)",
    );
  }
  for (const [id, proof] of proofs) {
    await connection.hsetnx(place, id, proof);
    if ((await connection.hget(place, id)) === proof) continue;
    throw new MetaMismatch(
      `encryption.keys: "${id}" is another key on the nodes that used this store before`,
    );
  }
}

/** Who stores how much, and what: the counts that the process scripts keep (holders.lua), by holder. */
import { asFence, asScope } from "@sticky-proxy/protocol";
import type { Fence, Scope } from "@sticky-proxy/protocol";
import type { Keys } from "../keys.ts";
import type { RedisConnections } from "../redis/redis.ts";
import { guarded } from "./io.ts";
import { parseMember } from "./place.ts";

export interface HolderSum {
  readonly holder: string;
  readonly bytes: number;
  readonly processes: number;
}

export interface HeldPlace {
  readonly partition: number;
  readonly scope: Scope;
  /** null: the scope's current process. */
  readonly epoch: Fence | null;
}

export interface Holders {
  /** The sums of all holders, the largest first. @throws StoreUnavailable */
  sums(): Promise<HolderSum[]>;
  /** Where the holder's processes stand. @throws StoreUnavailable */
  places(holder: string): AsyncGenerator<HeldPlace>;
}

const scanned = 500;

export function createHolders(
  { reads }: Pick<RedisConnections, "reads">,
  keys: Keys,
  partitions: number,
): Holders {
  /** Field and value of each entry; what changes meanwhile may be missed or told twice. */
  async function* entries(partition: number): AsyncGenerator<readonly [string, string]> {
    let cursor = "0";
    do {
      const at = cursor;
      const [next, flat] = await guarded("holders", () =>
        reads.hscan(keys.held(partition), at, "COUNT", scanned),
      );
      for (let i = 0; i + 1 < flat.length; i += 2) yield [flat[i]!, flat[i + 1]!];
      cursor = next;
    } while (cursor !== "0");
  }

  return {
    async sums() {
      const sums = new Map<string, { bytes: number; processes: number }>();
      for (let p = 0; p < partitions; p += 1) {
        for await (const [field, value] of entries(p)) {
          const kind = field[0];
          if (kind !== "#" && kind !== "+") continue;
          const holder = field.slice(1);
          const sum = sums.get(holder) ?? { bytes: 0, processes: 0 };
          sum[kind === "#" ? "bytes" : "processes"] += Number(value);
          sums.set(holder, sum);
        }
      }
      return [...sums]
        .map(([holder, sum]) => ({ holder, ...sum }))
        .toSorted((a, b) => b.bytes - a.bytes || (a.holder < b.holder ? -1 : 1));
    },
    async *places(holder) {
      for (let p = 0; p < partitions; p += 1) {
        for await (const [field, value] of entries(p)) {
          if (field[0] === "#" || field[0] === "+") continue;
          if (value.slice(value.indexOf(" ") + 1) !== holder) continue;
          const { scope, epoch } = parseMember(p, field);
          yield { partition: p, scope: asScope(scope), epoch: epoch === null ? null : asFence(epoch) };
        }
      }
    },
  };
}

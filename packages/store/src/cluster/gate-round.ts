/**
 * One question to one primary, on one connection: do these records stand there as they were given, and does every
 * attached replica have what stands there? The connection keeps the order, so what was looked at comes before the write
 * that is waited for, and the waiting before the last look at the role: a server that was demoted, replaced or restarted
 * meanwhile confirms nothing.
 */
import { RecordDiffers, type ProcessRecord, type StoreUnavailable } from "@sticky-proxy/core/process";
import type { Redis } from "ioredis";
import type { Keys } from "../keys.ts";
import { placeEpoch } from "../process/place.ts";
import { attachedReplicas, AttachedSet, type Whereabouts } from "./attached.ts";
import { parseInfo } from "./info.ts";

/** What is known of one primary from round to round. */
export class KnownPrimary {
  replid = "";
  attached = new AttachedSet();
  /** So many replicas are waited for at first. */
  replicas = 1;
}

export interface PlacedRecord {
  readonly record: ProcessRecord;
  readonly keys: Keys;
}

export interface RoundOptions {
  /** Also on disk here and there (WAITAOF, Redis 7.2 and later). */
  readonly onDisk: boolean;
  readonly timeoutMs: number;
  /** The round's own small write: WAIT covers what stands before it. */
  readonly mark: { readonly key: string; readonly value: number; readonly keepMs: number };
  readonly whereabouts: (address: string) => Promise<Whereabouts>;
  readonly monotonic: () => number;
}

/** As many replicas may come during a round. */
const maxTries = 3;

/**
 * @returns for each record null: it stands and is confirmed; else why not
 * @throws the client's error; Error when the server's replicas did not confirm
 */
export async function confirmOn(
  node: Redis,
  known: KnownPrimary,
  records: readonly PlacedRecord[],
  options: RoundOptions,
): Promise<readonly (StoreUnavailable | null)[]> {
  for (let tries = 1; ; tries += 1) {
    const asked = known.replicas;
    const { before, looks, confirmed, after } = await ask(node, asked, records, options);
    const replid = after.get("master_replid") ?? "";
    const isSame = after.get("role") === "master" && before.get("master_replid") === replid;
    if (!isSame) throw new Error(`the server is ${after.get("role") ?? "unknown"} now: it confirms nothing`);
    if (known.replid !== replid) Object.assign(known, { replid, attached: new AttachedSet() });
    const needed = await neededOf(known, after, options);
    known.replicas = needed;
    if (confirmed >= needed) return records.map(({ record }, i) => difference(record, looks[i]!));
    if (asked >= needed || tries === maxTries)
      throw new Error(`${confirmed} of ${needed} replicas confirmed within ${options.timeoutMs} ms`);
  }
}

interface Asked {
  readonly before: ReadonlyMap<string, string>;
  readonly looks: readonly (readonly (string | null)[])[];
  /** Replicas that have the write; 0 where it is not on this server's own disk. */
  readonly confirmed: number;
  readonly after: ReadonlyMap<string, string>;
}

async function ask(
  node: Redis,
  replicas: number,
  records: readonly PlacedRecord[],
  { onDisk, timeoutMs, mark }: RoundOptions,
): Promise<Asked> {
  const [before, looks, , waited, after] = await Promise.all([
    node.info("replication"),
    Promise.all(
      records.map(({ record, keys }) =>
        node.hmget(
          keys.process(record.partition, record.scope, placeEpoch(record)),
          "epoch",
          "version",
          "lastWrite",
        ),
      ),
    ),
    node.set(mark.key, mark.value, "PX", mark.keepMs),
    onDisk ? node.call("WAITAOF", 1, replicas, timeoutMs) : node.call("WAIT", replicas, timeoutMs),
    node.info("replication"),
  ]);
  const [local, confirmed] = Array.isArray(waited) ? waited.map(Number) : [1, Number(waited)];
  return {
    before: parseInfo(before),
    looks,
    confirmed: local! < 1 ? 0 : confirmed!,
    after: parseInfo(after),
  };
}

/** @throws Error while a replica that has left may be the next primary */
async function neededOf(
  { attached }: KnownPrimary,
  info: ReadonlyMap<string, string>,
  { whereabouts, monotonic }: RoundOptions,
): Promise<number> {
  const replicas = attachedReplicas(info);
  for (const address of attached.saw(replicas, monotonic())) {
    const why = attached.judge(address, await whereabouts(address), monotonic());
    if (why !== null) throw new Error(why);
  }
  return Math.max(1, replicas.filter(({ isFresh }) => isFresh).length);
}

function difference(record: ProcessRecord, look: readonly (string | null)[]): StoreUnavailable | null {
  const [epoch, version, lastWrite] = look;
  const stands =
    epoch === String(record.epoch) && version === String(record.version) && lastWrite === record.lastWrite;
  return stands ? null : new RecordDiffers("the record does not stand as it was written or read");
}

/** Reads the chain over difference records and their acknowledgements, for a check by core/mirror/chain. */
import {
  checkChain,
  chainLength,
  type ChainLink,
  type ChainReport,
  type MirrorChain,
} from "@sticky-proxy/core/mirror";
import { allPartitions, asStore, type MirrorIo, type MirrorStoreDeps } from "./io.ts";
import { createMirrorKeys } from "./keys.ts";
import { mirrorTime } from "./records.ts";

/** @throws StoreUnavailable from every method */
export function createMirrorChain(deps: MirrorStoreDeps): MirrorChain {
  const io: MirrorIo = { ...deps, keys: createMirrorKeys(deps.keys) };
  return {
    async verify() {
      const reports: ChainReport[] = [];
      for (const partition of allPartitions(io.partitions))
        reports.push(await verifyPartition(io, partition));
      return reports.filter(({ links, records }) => links + records > 0);
    },
  };
}

async function verifyPartition(io: MirrorIo, partition: number): Promise<ChainReport> {
  const { reads, keys } = io;
  // In one transaction: what is written between two reads is no damage.
  const replies = await asStore(
    reads
      .multi()
      .hgetall(keys.chain(partition))
      .xrange(keys.links(partition), "-", "+")
      .hgetall(keys.records(partition))
      .exec(),
  );
  const [head, entries, held] = (replies ?? []).map(([, reply]) => reply) as [
    Readonly<Record<string, string>>,
    readonly [string, readonly string[]][],
    Readonly<Record<string, string>>,
  ];
  const records = new Map<string, string>();
  const notes = new Map<string, string>();
  for (const [field, value] of Object.entries(held)) {
    if (field.startsWith("a:")) notes.set(field.slice(2), value);
    else if (!field.startsWith("c:")) records.set(field, value);
  }
  return checkChain({
    partition,
    head: head["head"] ?? "",
    count: Number(head["count"] ?? 0),
    floor: Number(head["floor"] ?? 0),
    links: entries.map(([, fields]) => linkOf(fields)),
    records,
    notes,
    now: await mirrorTime(io),
    bound: chainLength,
  });
}

function linkOf(fields: readonly string[]): ChainLink {
  const named = new Map<string, string>();
  for (let i = 0; i + 1 < fields.length; i += 2) named.set(fields[i]!, fields[i + 1]!);
  const text = (name: string): string => named.get(name) ?? "";
  return {
    member: text("member"),
    kind: text("kind"),
    digest: text("digest"),
    ends: text("ends"),
    before: text("before"),
    link: text("link"),
  };
}

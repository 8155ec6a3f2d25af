/** The store after the run: every process, and whether records, alarms, lists and bodies agree. */
import { asFence, asScope } from "@sticky-proxy/protocol";
import { setTimeout as delay } from "node:timers/promises";
import { isTerminal, processId, type ProcessRecord } from "@sticky-proxy/core/process";
import { openStore, type OpenStore } from "@sticky-proxy/store";
import type { Redis } from "ioredis";
import type { History, StoredProcess } from "./history.ts";

/** Waits until nothing is alive any more, `quietMs` at most, and reads everything. */
export async function scan(url: string, quietMs: number): Promise<Pick<History, "stored" | "disagreements">> {
  const store = await openStore({
    target: { url },
    keyPrefix: "sp:",
    partitions: null,
    timelineLength: 100,
    waitMs: 10_000,
    onError: () => undefined,
  });
  try {
    const until = performance.now() + quietMs;
    let records = await recordsOf(store);
    while (performance.now() < until && records.some(({ status }) => !isTerminal(status))) {
      await delay(100);
      records = await recordsOf(store);
    }
    const stored: StoredProcess[] = [];
    for (const record of records) {
      const { result } = await store.processes.read(record, { withResult: true });
      stored.push({
        id: processId(record),
        status: record.status,
        owner: record.owner,
        at: `${record.service}, ${record.phase}, attempt ${record.attempt}, alarm in ${(record.wakeAt ?? 0) - Date.now()} ms`,
        result: result === null ? null : Buffer.from(result.body).toString(),
      });
    }
    return { stored, disagreements: await disagreements(store, records) };
  } finally {
    await store.close();
  }
}

const place = ({ partition, scope, epoch, supersededBy }: ProcessRecord): string =>
  `${partition} ${scope}${supersededBy === null ? "" : `:${epoch}`}`;

async function keysOf({ redis }: OpenStore, kind: string): Promise<string[]> {
  const found: string[] = [];
  for await (const keys of (redis.reads as Redis).scanStream({ match: `sp:{p*}:${kind}`, count: 5000 }))
    found.push(...(keys as string[]));
  return [...new Set(found)];
}

/** "<partition> <scope>[:<epoch>]" of a key of one process. */
function placeOfKey(key: string): string {
  const [, partition, name] = /^sp:\{p(\d+)\}:[a-z]:(.+)$/.exec(key)!;
  return `${partition} ${name}`;
}

async function recordsOf(store: OpenStore): Promise<ProcessRecord[]> {
  const records: ProcessRecord[] = [];
  for (const key of await keysOf(store, "x:*")) {
    const [partition, name] = placeOfKey(key).split(" ") as [string, string];
    const [scope, epoch] = name.split(":") as [string, string | undefined];
    const ref = {
      partition: Number(partition),
      scope: asScope(scope),
      epoch: epoch === undefined ? null : asFence(Number(epoch)),
    };
    const { record } = await store.processes.read(ref, { withResult: false });
    if (record !== null) records.push(record);
  }
  return records;
}

async function disagreements(store: OpenStore, records: readonly ProcessRecord[]): Promise<string[]> {
  const { redis, keys, meta } = store;
  const every = Array.from({ length: meta.partitions }, (_, p) => p);
  const alarms = await Promise.all(
    every.map(async (p) => (await redis.reads.zrange(keys.alarms(p), 0, -1)).map((name) => `${p} ${name}`)),
  );
  const lists = await Promise.all(
    (await keysOf(store, "i:*")).map(async (key) => {
      const p = /\{p(\d+)\}/.exec(key)![1];
      return (await redis.reads.zrange(key, 0, -1)).map((name) => `${p} ${name}`);
    }),
  );
  const places = records.map(place);
  return [
    ...differences("alarm", places, alarms.flat()),
    ...differences("list entry", places, lists.flat()),
    ...differences(
      "body",
      records.filter(({ resultPayload }) => resultPayload !== null).map(place),
      (await keysOf(store, "b:*")).map(placeOfKey),
    ),
  ];
}

function differences(what: string, records: readonly string[], others: readonly string[]): string[] {
  const [here, there] = [new Set(records), new Set(others)];
  return [
    ...records.filter((one) => !there.has(one)).map((one) => `record without ${what}: ${one}`),
    ...others.filter((one) => !here.has(one)).map((one) => `${what} without record: ${one}`),
    ...(there.size === others.length ? [] : [`${what} twice`]),
  ];
}

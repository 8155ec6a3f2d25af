/**
 * Outbox and differences in memory: for unit tests, and for reading how the ports are meant. Every method is atomic
 * because it never awaits between read and write. The clock is handed in.
 */
import { InvalidCursor } from "../process/store.ts";
import { type CoverageOutcome, coverageOf, coverageWindow } from "../mirror/coverage.ts";
import {
  type Acknowledgement,
  type Difference,
  type DifferenceClass,
  type NewDifference,
  bounded,
  groupPaths,
} from "../mirror/difference.ts";
import { type Differences, answersQuery } from "../mirror/differences.ts";
import { orderKeyPartition } from "../mirror/order-key.ts";
import type {
  DifferenceLimits,
  Gap,
  Lag,
  Outbox,
  OutboxEntry,
  ParkedKey,
  Parking,
  Skip,
} from "../mirror/outbox.ts";

interface Key {
  pending: number;
  pendingFrom: number;
  diverged: boolean;
  lastEndedAt: number | null;
  parked:
    | (Parking & {
        parkedAt: number;
        nextAt: number | null;
        ageFrom: number | null;
        skip: Skip | null;
        list: OutboxEntry[];
      })
    | null;
}

interface Partition {
  owner: number;
  stream: OutboxEntry[];
  keys: Map<string, Key>;
  settled: Map<string, CoverageOutcome>;
  kept: {
    stamp: number;
    expireAt: number;
    difference: NewDifference;
    acknowledged: Acknowledgement | null;
  }[];
}

export interface MemoryMirror extends Outbox, Differences {}

export function createMemoryMirror(options: { now: () => number; partitions?: number }): MemoryMirror {
  const { now, partitions = 64 } = options;
  const parts = new Map<number, Partition>();
  const counters = new Map<string, number>();
  const sums = new Map<string, number>();
  const gapList: Gap[] = [];
  /** Where calls under way have been counted. */
  const places = new Set<string>();
  let sequence = 0;

  function part(partition: number): Partition {
    let found = parts.get(partition);
    if (found === undefined) {
      found = { owner: 0, stream: [], keys: new Map(), settled: new Map(), kept: [] };
      parts.set(partition, found);
    }
    return found;
  }
  function keyOf(p: Partition, orderKey: string): Key {
    let key = p.keys.get(orderKey);
    if (key === undefined) {
      key = { pending: 0, pendingFrom: 0, diverged: false, lastEndedAt: null, parked: null };
      p.keys.set(orderKey, key);
    }
    return key;
  }
  function count(window: number, service: string, route: string, name: string, by = 1): void {
    const field = JSON.stringify([window, service, route, name]);
    counters.set(field, (counters.get(field) ?? 0) + by);
  }
  function keep(p: Partition, window: number, found: NewDifference, limits: DifferenceLimits): void {
    const difference = bounded(found);
    const stamp = Math.max(Math.floor(now() * 1000), (p.kept.at(-1)?.stamp ?? 0) + 1);
    p.kept.push({ stamp, expireAt: now() + limits.ttlMs, difference, acknowledged: null });
    while (p.kept.length > limits.maxDifferences) p.kept.shift();
    for (const path of groupPaths(difference)) {
      const field = JSON.stringify([window, difference.service, difference.route, difference.class, path]);
      sums.set(field, (sums.get(field) ?? 0) + 1);
    }
  }
  function parkedKey(partition: number, orderKey: string, key: Key): ParkedKey | null {
    if (key.parked === null) return null;
    const { list, inMs: _, ...parked } = key.parked;
    return { partition, orderKey, ...parked, entries: list.length };
  }
  function stored(partition: number, one: Partition["kept"][number]): Difference {
    const { stamp, difference, acknowledged } = one;
    return { ...difference, id: `${partition}.${stamp}`, at: Math.floor(stamp / 1000), acknowledged };
  }
  function locate(id: string): { partition: number; one: Partition["kept"][number] } | null {
    const [partition, stamp] = id.split(".").map(Number);
    const one = parts.get(partition!)?.kept.find((kept) => kept.stamp === stamp && kept.expireAt > now());
    return one === undefined ? null : { partition: partition!, one };
  }

  return {
    partitions,
    async append(intent, { validUntil }) {
      if (validUntil !== null && now() > validUntil) return "late";
      const p = part(orderKeyPartition(intent.orderKey, partitions));
      p.stream.push({ ...intent, entryId: `${Math.floor(now())}-${++sequence}`, at: Math.floor(now()) });
      const key = keyOf(p, intent.orderKey);
      if (++key.pending === 1) key.pendingFrom = Math.floor(now());
      count(intent.window, intent.service, intent.route, "eligible");
      return "appended";
    },
    async noteGap(gap, counted) {
      gapList.unshift(gap);
      const window = coverageWindow(gap.from);
      count(window, gap.service, gap.route, "eligible", counted);
      count(window, gap.service, gap.route, `skipped:${gap.reason}`, counted);
    },
    async gaps({ limit }) {
      return gapList.slice(0, limit);
    },
    async claim(partition) {
      return ++part(partition).owner;
    },
    async peek(partition, { after, limit }) {
      const p = part(partition);
      const from =
        after === null ? 0 : p.stream.findIndex((entry) => sequenceOf(entry.entryId) > sequenceOf(after));
      const due = [...p.keys].filter(([, { parked }]) => (parked?.nextAt ?? Infinity) <= now());
      return {
        now: now(),
        entries: from < 0 ? [] : p.stream.slice(from, from + limit),
        due: due.map(([orderKey]) => orderKey),
      };
    },
    async parkedHead(partition, orderKey) {
      const key = part(partition).keys.get(orderKey);
      const parked = key === undefined ? null : parkedKey(partition, orderKey, key);
      if (parked === null) return null;
      const list = key!.parked!.list;
      return { key: parked, head: list[0] ?? null, next: list[1] ?? null };
    },
    async keyState(partition, orderKey) {
      const key = part(partition).keys.get(orderKey);
      if (key === undefined)
        return { pending: 0, pendingFrom: null, parked: false, diverged: false, lastEndedAt: null };
      const { pending, diverged, lastEndedAt } = key;
      const pendingFrom = pending === 0 ? null : key.pendingFrom;
      return { pending, pendingFrom, parked: key.parked !== null, diverged, lastEndedAt };
    },
    async settledAs(partition, entryId) {
      return part(partition).settled.get(entryId) ?? null;
    },
    async settle(partition, owner, entry, { outcome, difference, diverged, endedAt, limits }) {
      const p = part(partition);
      if (p.owner !== owner) return "lost"; // O3
      if (p.settled.has(entry.entryId)) return "known"; // O1
      p.settled.set(entry.entryId, outcome);
      count(entry.window, entry.service, entry.route, outcome);
      const key = keyOf(p, entry.orderKey);
      if (diverged) key.diverged = true;
      if (endedAt !== null) key.lastEndedAt = Math.max(endedAt, key.lastEndedAt ?? 0);
      if (difference !== null) keep(p, entry.window, difference, limits);
      return "settled";
    },
    async ack(partition, owner, entry) {
      const p = part(partition);
      if (p.owner !== owner) return "lost"; // O3
      if (!p.settled.has(entry.entryId)) return "unsettled"; // O2
      const key = keyOf(p, entry.orderKey);
      const list = key.parked?.list;
      const at = p.stream.findIndex((one) => one.entryId === entry.entryId);
      if (at >= 0) p.stream.splice(at, 1);
      else if (list?.[0]?.entryId === entry.entryId) {
        list.shift();
        Object.assign(key.parked!, { attempts: 0, ageFrom: null, skip: null });
        if (list.length === 0) key.parked = null;
      }
      key.pending--;
      key.pendingFrom = entry.at; // in order: what is left was made later
      p.settled.delete(entry.entryId);
      return "acked";
    },
    async park(partition, owner, orderKey, entries, parking) {
      const p = part(partition);
      if (p.owner !== owner) return "lost"; // O3
      const moved = new Set(entries.map((entry) => entry.entryId));
      const inStream = p.stream.filter((entry) => moved.has(entry.entryId));
      p.stream = p.stream.filter((entry) => !moved.has(entry.entryId));
      const key = keyOf(p, orderKey);
      const before = key.parked;
      if (parking === null) {
        key.parked?.list.push(...inStream);
        return "parked";
      }
      key.parked = {
        ...parking,
        parkedAt: before?.parkedAt ?? now(),
        nextAt: parking.inMs === null ? null : now() + parking.inMs,
        ageFrom: before?.ageFrom ?? null,
        skip: before?.skip ?? null,
        list: [...(before?.list ?? []), ...inStream],
      };
      return "parked";
    },
    async unpark(partition, orderKey) {
      const key = part(partition).keys.get(orderKey);
      if (key === undefined || key.parked === null) return "not-parked";
      Object.assign(key.parked, { nextAt: now(), ageFrom: now(), reason: "waiting" });
      return "unparked";
    },
    async skip(partition, orderKey, { by, why }) {
      const parked = part(partition).keys.get(orderKey)?.parked ?? null;
      const [head] = parked?.list ?? [];
      if (parked === null || head === undefined) return "not-parked";
      Object.assign(parked, { nextAt: now(), skip: { entryId: head.entryId, by, why } });
      return "skipped";
    },
    async parkedKeys({ limit }) {
      const all = [...parts].flatMap(([partition, p]) =>
        [...p.keys].flatMap(([orderKey, key]) => parkedKey(partition, orderKey, key) ?? []),
      );
      return all.slice(0, limit);
    },
    async lag() {
      const lags = new Map<string, Lag>();
      for (const p of parts.values()) {
        const lists = [...p.keys.values()].map((key) => key.parked);
        for (const parked of lists) if (parked !== null) add(parked.service, { parkedKeys: 1 });
        for (const entry of [...p.stream, ...lists.flatMap((parked) => parked?.list ?? [])]) {
          add(entry.service, { entries: 1, bytes: entry.bodyBytes, oldestMs: now() - entry.at });
        }
      }
      function add(service: string, more: Partial<Lag>): void {
        const lag = lags.get(service) ?? { entries: 0, bytes: 0, parkedKeys: 0, oldestMs: null };
        lags.set(service, {
          entries: lag.entries + (more.entries ?? 0),
          bytes: lag.bytes + (more.bytes ?? 0),
          parkedKeys: lag.parkedKeys + (more.parkedKeys ?? 0),
          oldestMs: more.oldestMs == null ? lag.oldestMs : Math.max(lag.oldestMs ?? 0, more.oldestMs),
        });
      }
      return lags;
    },
    async tidy(partition) {
      const p = part(partition);
      p.kept = p.kept.filter((one) => one.expireAt > now());
    },

    async observe({
      service,
      route,
      orderKey,
      outcome,
      count: times,
      isCounted,
      window,
      difference,
      limits,
    }) {
      if (outcome === null && places.has(orderKey)) return;
      if (outcome === null) places.add(orderKey);
      if (!isCounted) count(window, service, route, "eligible", times);
      if (outcome !== null) count(window, service, route, outcome, times);
      if (difference !== null)
        keep(part(orderKeyPartition(orderKey, partitions)), window, difference, limits);
    },
    async list(query) {
      const all = [...parts].flatMap(([partition, p]) =>
        p.kept.filter((one) => one.expireAt > now()).map((one) => ({ partition, one })),
      );
      const behind = query.cursor === null ? null : query.cursor.split(".").map(Number);
      if (behind !== null && (behind.length !== 2 || behind.some(Number.isNaN))) throw new InvalidCursor();
      const found = all
        .toSorted((x, y) => y.one.stamp - x.one.stamp || x.partition - y.partition)
        .filter(
          ({ partition, one }) =>
            behind === null || one.stamp < behind[1]! || (one.stamp === behind[1] && partition > behind[0]!),
        )
        .map(({ partition, one }) => stored(partition, one))
        .filter((difference) => answersQuery(difference, query));
      const items = found.slice(0, query.limit);
      return { items, next: found.length > query.limit ? items.at(-1)!.id : null };
    },
    async show(id) {
      const found = locate(id);
      return found === null ? null : stored(found.partition, found.one);
    },
    async acknowledge(id, by, note) {
      const found = locate(id);
      if (found === null) return null;
      found.one.acknowledged ??= { by, note, at: now() };
      return stored(found.partition, found.one);
    },
    async groups({ since }) {
      const groups = new Map<string, number>();
      for (const [field, n] of sums) {
        const [window, ...group] = JSON.parse(field) as [number, string, string, DifferenceClass, string];
        if (since !== null && window < coverageWindow(since)) continue;
        const name = JSON.stringify(group);
        groups.set(name, (groups.get(name) ?? 0) + n);
      }
      return [...groups]
        .map(([name, n]) => {
          const [service, route, kind, path] = JSON.parse(name) as [string, string, DifferenceClass, string];
          return { service, route, class: kind, path, count: n };
        })
        .sort((x, y) => y.count - x.count);
    },
    async coverage({ since, service }) {
      const rows = new Map<string, [string, number][]>();
      for (const [field, n] of counters) {
        const [window, of, route, name] = JSON.parse(field) as [number, string, string, string];
        if (since !== null && window < coverageWindow(since)) continue;
        if (service !== null && of !== service) continue;
        const row = JSON.stringify([of, route]);
        rows.set(row, [...(rows.get(row) ?? []), [name, n]]);
      }
      return [...rows].map(([row, named]) => {
        const [of, route] = JSON.parse(row) as [string, string];
        return { service: of, route, coverage: coverageOf(named) };
      });
    },
  };
}

function sequenceOf(entryId: string): number {
  return Number(entryId.split("-")[1]);
}

/**
 * The store port in memory: for unit tests and for reading how the port is meant. Every method is atomic because it
 * never awaits between read and write. The clock is handed in.
 */
import { asEpochMs, asFence, type EpochMs, type Fence } from "@sticky-proxy/protocol";
import type { StoredResponse } from "../http/message.ts";
import {
  blankRecord,
  listOf,
  type ProcessRecord,
  type ProcessRef,
  type SpanField,
} from "../process/record.ts";
import { isToldByRecord, wholeTimeline, type TimelineLine } from "../process/timeline.ts";
import {
  InvalidCursor,
  maxEarlyBytes,
  maxEarlyReports,
  type AttemptRef,
  type Change,
  type Changes,
  type CommitAnswer,
  type Draft,
  type EarlyReport,
  type Page,
  type ProcessStore,
  type Spans,
  type StoredRequest,
  type TimelineEntry,
} from "../process/store.ts";

interface Entry {
  record: ProcessRecord;
  request: StoredRequest | null;
  result: StoredResponse | null;
  /** When the alarm rings for claimers; the record's own wakeAt stays the truth. */
  alarm: number | null;
}

export interface MemoryStore extends ProcessStore, Changes {
  /** Every record that stands, superseded ones too. */
  all(): readonly ProcessRecord[];
}

export function createMemoryStore(options: { now: () => number; partitions?: number }): MemoryStore {
  const now = (): EpochMs => asEpochMs(options.now());
  const current = new Map<string, Entry>();
  const archived = new Map<string, Entry>();
  const fences = new Map<number, number>();
  const timelines = new Map<string, TimelineLine[]>();
  const early = new Map<string, { report: EarlyReport; until: number }>();
  const jobs = new Map<string, { holders: readonly AttemptRef[]; until: number }>();
  const messages = new Map<string, { use: string; until: number }>();
  const memory = new Map<string, { ref: ProcessRef; until: number }>();
  const watchers = new Map<string, Set<() => void>>();

  function holdersOf(service: string, jobId: string): readonly AttemptRef[] {
    const job = jobs.get(JSON.stringify([service, jobId]));
    return job !== undefined && job.until > now() ? job.holders : [];
  }
  function mint(partition: number): Fence {
    const fence = asFence(Math.max((fences.get(partition) ?? 0) + 1, Math.floor(now() * 1000)));
    fences.set(partition, fence);
    return fence;
  }
  function find(ref: { scope: string; epoch: number | null }): Entry | null {
    const entry = current.get(ref.scope);
    if (ref.epoch === null || entry?.record.epoch === ref.epoch) return entry ?? null;
    return archived.get(archiveKey(ref.scope, ref.epoch)) ?? null;
  }
  function note(ref: ProcessRef, entry: TimelineEntry): void {
    if (isToldByRecord(entry)) return;
    const key = archiveKey(ref.scope, ref.epoch);
    const lines = timelines.get(key) ?? [];
    const last = lines.at(-1);
    const isSame = last !== undefined && JSON.stringify(last.entry) === JSON.stringify(entry);
    if (isSame) lines[lines.length - 1] = { ...last, count: last.count + 1, lastAt: now() };
    else lines.push({ at: now(), entry, count: 1, lastAt: now() });
    timelines.set(key, lines);
  }
  function wake(scope: string): void {
    for (const onChange of watchers.get(scope) ?? []) onChange();
  }
  function put(draft: Draft): ProcessRecord {
    const epoch = mint(draft.partition);
    const at = now();
    const record: ProcessRecord = {
      ...blankRecord,
      ...draft.fields,
      ...applySpans(draft.spans, at),
      partition: draft.partition,
      scope: draft.scope,
      epoch,
      fence: epoch,
      version: 1,
      lastWrite: draft.writeId,
      createdAt: at,
      updatedAt: at,
    };
    current.set(draft.scope, { record, request: draft.request, result: null, alarm: record.wakeAt });
    return record;
  }
  function write(entry: Entry, change: Change, writeId: string): ProcessRecord {
    const { record } = entry;
    entry.record = {
      ...record,
      ...change.set,
      ...applySpans(change.spans, now()),
      version: record.version + 1,
      fence: change.mintFence ? mint(record.partition) : record.fence,
      lastWrite: writeId,
      updatedAt: now(),
    };
    if (change.spans.wakeAt !== undefined) entry.alarm = entry.record.wakeAt;
    if (change.result !== null) entry.result = change.result;
    if (change.drop.includes("result")) entry.result = null;
    if (change.drop.includes("request")) entry.request = null;
    note(record, change.entry);
    return entry.record;
  }
  function commit(entry: Entry | null, base: ProcessRecord, ifDue: boolean): CommitAnswer | null {
    const record = entry?.record ?? null;
    if (record === null || record.epoch !== base.epoch || record.version !== base.version) {
      return { kind: "stale", now: now(), record };
    }
    if (ifDue && (record.wakeAt === null || record.wakeAt > now()))
      return { kind: "not-due", now: now(), record };
    return null;
  }
  function everything(): Entry[] {
    return [...current.values(), ...archived.values()];
  }
  function page(entries: Entry[], limit: number, cursor: string | null): Page<ProcessRecord> {
    if (cursor !== null && !/^[0-9]+$/.test(cursor)) throw new InvalidCursor();
    const sorted = entries
      .map((entry) => entry.record)
      .sort((a, b) => b.epoch - a.epoch)
      .filter((record) => cursor === null || record.epoch < Number(cursor));
    const items = sorted.slice(0, limit);
    return { items, next: sorted.length > limit ? String(items.at(-1)!.epoch) : null };
  }

  return {
    partitions: options.partitions ?? 64,
    async create(draft, { withResult }) {
      const entry = current.get(draft.scope);
      if (entry === undefined) return { kind: "created", now: now(), record: put(draft) };
      return { kind: "exists", now: now(), record: entry.record, result: withResult ? entry.result : null };
    },
    async read(ref, { withResult }) {
      const entry = find(ref);
      return {
        now: now(),
        record: entry?.record ?? null,
        result: withResult ? (entry?.result ?? null) : null,
      };
    },
    async readRequest(record, options) {
      const request = find(record)?.request ?? null;
      return request?.lacksCredentials && options?.mayLackCredentials !== true ? null : request;
    },
    async commit(base, change, { ifDue, writeId }) {
      const entry = find(base);
      const refused = commit(entry, base, ifDue);
      if (refused !== null) return refused;
      const record = write(entry!, change, writeId);
      wake(base.scope);
      return { kind: "committed", now: now(), record };
    },
    async supersede(base, closing, draft) {
      const entry = current.get(base.scope) ?? null;
      const refused = commit(entry, base, false);
      if (refused !== null) return refused;
      write(entry!, closing, draft.writeId);
      archived.set(archiveKey(base.scope, base.epoch), entry!);
      const record = put(draft);
      entry!.record = { ...entry!.record, supersededBy: record.epoch };
      wake(base.scope);
      return { kind: "committed", now: now(), record };
    },
    async renew(leases) {
      return leases.filter((lease) => {
        const entry = current.get(lease.scope);
        if (entry?.record.epoch !== lease.epoch || entry.record.owner !== lease.owner) return true;
        entry.record = { ...entry.record, wakeAt: asEpochMs(now() + lease.leaseMs) };
        entry.alarm = entry.record.wakeAt;
        return false;
      });
    },
    async claimDue({ limit, hideMs }) {
      const due = everything()
        .filter((entry) => entry.alarm !== null && entry.alarm <= now())
        .slice(0, limit);
      for (const entry of due) entry.alarm = now() + hideMs;
      return { now: now(), due: due.map((entry) => entry.record) };
    },
    async ringAgain(base, inMs) {
      const entry = find(base);
      const isSame = entry !== null && entry.record.version === base.version;
      if (isSame && entry.record.wakeAt !== null && entry.record.wakeAt <= now()) entry.alarm = now() + inMs;
    },
    async purge(base) {
      const entry = find(base);
      if (commit(entry, base, false) !== null) return false;
      if (current.get(base.scope) === entry) current.delete(base.scope);
      archived.delete(archiveKey(base.scope, base.epoch));
      timelines.delete(archiveKey(base.scope, base.epoch));
      wake(base.scope);
      return true;
    },
    async note(ref, entry) {
      if (find(ref) !== null) note(ref, entry);
    },
    async timeline(ref) {
      return wholeTimeline(find(ref)?.record ?? null, timelines.get(archiveKey(ref.scope, ref.epoch)) ?? []);
    },
    async list({ service, status, olderThanMs, limit, cursor }) {
      const list = listOf({ service, status, expired: false });
      const oldest = now() - (olderThanMs ?? -Infinity);
      return page(
        everything().filter(({ record }) => listOf(record) === list && record.createdAt <= oldest),
        limit,
        cursor,
      );
    },
    async listNewest({ services, statuses, createdFrom, createdTo, limit, cursor }) {
      return page(
        everything().filter(
          ({ record }) =>
            !record.expired &&
            services.includes(record.service) &&
            statuses.includes(record.status) &&
            record.createdAt >= (createdFrom ?? -Infinity) &&
            record.createdAt <= (createdTo ?? Infinity),
        ),
        limit,
        cursor,
      );
    },
    async deadLetters({ limit, cursor }) {
      return page(
        everything().filter(({ record }) => record.deadLetter !== null),
        limit,
        cursor,
      );
    },
    async count(service) {
      const counts = { pending: 0, "in-progress": 0, completed: 0, failed: 0, cancelled: 0 };
      for (const { record } of everything()) {
        if (record.service === service && !record.expired) counts[record.status] += 1;
      }
      return counts;
    },
    async oldestAt(service, status) {
      const list = listOf({ service, status, expired: false });
      const epochs = everything().flatMap(({ record }) => (listOf(record) === list ? [record.epoch] : []));
      return epochs.length === 0 ? null : asEpochMs(Math.floor(Math.min(...epochs) / 1000));
    },
    jobHolders: async (service, jobId) => holdersOf(service, jobId),
    async holdJob(service, jobId, holders, held, keepMs) {
      if (
        JSON.stringify(holdersOf(service, jobId).map(attemptText)) !== JSON.stringify(held.map(attemptText))
      )
        return false;
      const id = JSON.stringify([service, jobId]);
      jobs.set(id, { holders, until: Math.max(now() + keepMs, jobs.get(id)?.until ?? 0) });
      return true;
    },
    async useMessage(service, messageId, use, keepMs) {
      const id = JSON.stringify([service, messageId]);
      const known = messages.get(id);
      if (known !== undefined && known.until > now()) return known.use === use ? "again" : "otherwise";
      messages.set(id, { use, until: now() + keepMs });
      return "first";
    },
    async remember(name, { partition, scope, epoch }, keepMs) {
      memory.set(name, { ref: { partition, scope, epoch }, until: now() + keepMs });
    },
    async remembered(name) {
      const entry = memory.get(name);
      return entry !== undefined && entry.until > now() ? entry.ref : null;
    },
    async keepEarly(service, jobId, report, keepMs) {
      const kept = [...early.entries()].filter(
        ([job, { until }]) => until > now() && (JSON.parse(job) as string[])[0] === service,
      );
      const isTooLarge = (report.result?.response.body.length ?? 0) > maxEarlyBytes;
      if (isTooLarge || kept.length >= maxEarlyReports) return false;
      early.set(JSON.stringify([service, jobId]), { report, until: now() + keepMs });
      return true;
    },
    async takeEarly(service, jobId) {
      const job = JSON.stringify([service, jobId]);
      const kept = early.get(job);
      early.delete(job);
      return kept !== undefined && kept.until > now() ? kept.report : null;
    },
    watch({ scope }, onChange) {
      const set = watchers.get(scope) ?? new Set();
      set.add(onChange);
      watchers.set(scope, set);
      return {
        close() {
          set.delete(onChange);
          if (set.size === 0 && watchers.get(scope) === set) watchers.delete(scope);
        },
      };
    },
    all: () => everything().map((entry) => entry.record),
  };
}

function archiveKey(scope: string, epoch: number): string {
  return `${scope}:${epoch}`;
}

function applySpans(spans: Spans, at: EpochMs): Partial<Record<SpanField, EpochMs | null>> {
  const times: Partial<Record<SpanField, EpochMs | null>> = {};
  for (const [field, span] of Object.entries(spans)) {
    times[field as SpanField] = span === null || span === undefined ? null : asEpochMs(Math.round(at + span));
  }
  return times;
}

function attemptText({ partition, scope, epoch, attempt }: AttemptRef): string {
  return `${partition}.${scope}.${epoch} ${attempt}`;
}

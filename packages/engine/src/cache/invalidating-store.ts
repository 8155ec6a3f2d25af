/**
 * A process store that invalidates the cache when a process ends (RFC 9111 4.4), whoever ends it: the node that ran it,
 * a callback on another one, or the sweeper. Order: drop, commit, drop: a response stored before the commit is older than
 * the result, and one fetched during the commit may be.
 */
import { isSafe } from "@sticky-proxy/protocol/http";
import type { RequestHead } from "@sticky-proxy/core/http";
import type { Change, ProcessStore, ProcessRecord } from "@sticky-proxy/core/process";
import type { Service } from "@sticky-proxy/core/registry";
import { hasCache, type EntryPoint } from "@sticky-proxy/core/cache";
import type { CacheInvalidation } from "./invalidator.ts";

export interface InvalidatingDeps {
  readonly invalidation: Pick<CacheInvalidation, "afterUnsafe" | "dropBelow">;
  readonly services: () => readonly Service[];
}

/** The scheme of the submission is not stored: the keys of both schemes are dropped. */
const anywhere: EntryPoint = { principal: "", scheme: "http", host: "" };
/** `operation` is truncated at this size; of a truncated path only the complete segments are known. */
const operationBytes = 64;

export function invalidatingStore(store: ProcessStore, deps: InvalidatingDeps): ProcessStore {
  const commit: ProcessStore["commit"] = async (base, change, options) => {
    const drop = await dropFor(base, change);
    await drop?.();
    const answer = await store.commit(base, change, options);
    await drop?.();
    return answer;
  };

  async function dropFor(
    base: ProcessRecord,
    { set, result }: Change,
  ): Promise<(() => Promise<void>) | null> {
    if (set.status !== "completed" || result === null) return null;
    const service = deps.services().find(({ name }) => name === base.service);
    if (service === undefined || !hasCache(service)) return null;
    const head = await headOf(base);
    if (isSafe(head.method) || result.status < 200 || result.status >= 400) return null;
    if (Buffer.byteLength(base.operation) < operationBytes || head.headers.length > 0) {
      return () => deps.invalidation.afterUnsafe(service, head, result, anywhere);
    }
    const above = head.path.slice(0, Math.max(1, head.path.lastIndexOf("/")));
    return () => deps.invalidation.dropBelow(service, above);
  }

  /** The stored request, else method and path from the record's `operation`, without headers. */
  async function headOf(base: ProcessRecord): Promise<RequestHead> {
    const kept =
      base.requestPayload === null ? null : await store.readRequest(base, { mayLackCredentials: true });
    if (kept !== null) return kept.head;
    const [method = "", target = "/"] = base.operation.split(" ");
    const [path = "/", query] = target.split("?");
    return { method, path, query: query ?? null, headers: [] };
  }

  return new Proxy(store, {
    get(target, name) {
      if (name === "commit") return commit;
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === "function" ? (value.bind(target) as unknown) : value;
    },
  });
}

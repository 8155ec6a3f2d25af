/** Stores a response while its clients read it. No client sees its end before the commit (C1). */
import type { Readable } from "node:stream";
import { BodyGone } from "@sticky-proxy/engine";
import { headerValue, type ResponseHead } from "@sticky-proxy/core/http";
import type {
  CommitOptions,
  Committed,
  FetchLease,
  FlightNotice,
  StoredMetadata,
} from "@sticky-proxy/core/cache";
import type { CacheDeps } from "./cache-deps.ts";
import type { CachedRequest } from "./cached-request.ts";
import { SharedBody } from "./shared-body.ts";

export interface Storing {
  readonly request: Pick<CachedRequest, "key" | "policy" | "client">;
  readonly lease: FetchLease;
  readonly response: ResponseHead & { readonly body: Readable };
  readonly metadata: StoredMetadata;
  readonly outdates: StoredMetadata | null;
  /** Monotonic ms; later than this nothing is committed. */
  readonly until: number;
  /** Called once or more with the result; the first call counts. */
  readonly ended: (notice: FlightNotice) => Promise<void>;
}

export interface Stored {
  readonly body: SharedBody;
  readonly committed: Promise<Committed | "failed">;
}

/** Lifetime of a hit-for-miss marker: for so long requests are not collapsed. */
export const markerMs = 20_000;
/** How long the readers of a response that is not stored wait for the slowest of them. */
const patienceMs = 30_000;

/** `onReadable` is called once, when readers may start. Never rejects. */
export async function storeResponse(
  deps: CacheDeps,
  { request, lease, response, metadata, outdates, until, ended }: Storing,
  onReadable: (stored: Stored) => void,
): Promise<void> {
  const { store } = deps;
  const { maxObjectBytes, maxVariants } = request.policy;
  const holder = request.client.holder ?? "";
  const announced = headerValue(response.headers, "content-length") === null ? null : metadata.bodyBytes;
  const writer = store.openBody(
    request.key,
    holder,
    announced === null ? null : Math.min(announced, maxObjectBytes),
  );
  const body = new SharedBody(store, request.key, writer);
  const { promise: committed, resolve: settle } = Promise.withResolvers<Committed | "failed">();
  const stored = { body, committed };
  // A 205 has no content (RFC 9110 15.3.6); bytes after it are discarded.
  const hasContent = response.status !== 205;
  // Without a body the header section is the end, so it waits for the commit.
  const isEmpty = announced === 0 || response.status === 204 || !hasContent;
  if (!isEmpty) onReadable(stored);

  const stop = async (why: "too-large" | "store-unavailable", error: unknown): Promise<void> => {
    body.stopStoring();
    settle("failed");
    await ended("not-storable");
    if (why === "too-large") await store.markUnshareable(request.key, why, markerMs).catch(() => {});
    else deps.observe.storeError("store", error);
  };
  const write = async (bytes: Buffer | null): Promise<void> => {
    if (!body.isStoring) return;
    try {
      await (bytes === null ? writer.end() : writer.append(bytes));
    } catch (error) {
      await stop("store-unavailable", error);
    }
  };

  let received = 0;
  let held: Buffer | null = null;
  try {
    if (!hasContent) response.body.on("error", () => {}).destroy();
    for await (const chunk of hasContent ? (response.body as AsyncIterable<Buffer>) : []) {
      received += chunk.length;
      if (received > maxObjectBytes && body.isStoring) await stop("too-large", null);
      // A client that counts bytes takes the last ones for the end: they are kept back until the commit (C1).
      if (announced !== null && received >= announced && body.isStoring) held = chunk;
      else body.give(chunk);
      await write(chunk);
      body.release();
      if (!body.hasRoom) await roomFor(deps, body);
      if (body.isUseless) {
        response.body.destroy();
        break;
      }
    }
    if (hasContent && announced !== null && received !== announced && !body.isUseless) {
      throw new BodyGone("the service's response is incomplete");
    }
  } catch (error) {
    body.fail(error instanceof Error ? error : new BodyGone("the service's response broke off"));
    if (isEmpty) onReadable(stored);
    settle("failed");
    await Promise.all([writer.abandon(), ended("failed")]);
    return;
  }
  // The commit is sent without waiting for the last write: it compares the length, so it cannot overtake it.
  const written = write(null);
  let isStored = false;
  if (body.isStoring) {
    const complete = { ...metadata, bodyId: received === 0 ? null : writer.bodyId, bodyBytes: received };
    const isLate = deps.monotonic() > until;
    const word = isLate
      ? "purged"
      : await commit(deps, { lease, metadata: complete, replaces: null, outdates, maxVariants, holder });
    await written;
    isStored = word === "stored";
    settle(word);
    // Requests that wait for a response older than the stored one find the newer one.
    await ended(isStored ? "stored" : word === "older" ? "failed" : "not-storable");
  }
  if (held !== null) body.give(held);
  body.end();
  if (isEmpty) onReadable(stored);
  if (isStored) return;
  // Slow readers still read their bytes from the store.
  await body.unread();
  await writer.abandon();
}

/** Waits for the slowest reader, for a bounded time: one client must not stall all others. */
async function roomFor(deps: CacheDeps, body: SharedBody): Promise<void> {
  const room = new AbortController();
  void cutUntil(room.signal, deps, body);
  await body.room();
  room.abort();
}

async function cutUntil(
  room: AbortSignal,
  { sleep }: Pick<CacheDeps, "sleep">,
  body: SharedBody,
): Promise<void> {
  for (;;) {
    await sleep(patienceMs, room);
    if (room.aborted) return;
    body.cutSlowest();
  }
}

export async function commit(deps: CacheDeps, options: CommitOptions): Promise<Committed | "failed"> {
  try {
    return await deps.store.commit(options);
  } catch (error) {
    deps.observe.storeError("store", error);
    return "failed";
  }
}

/** Drops all that is stored under the key; the fetch goes on when the store does not answer. */
export async function drop(deps: CacheDeps, { key }: CachedRequest): Promise<void> {
  await deps.store.drop(key, false).catch((error: unknown) => deps.observe.storeError("drop", error));
}

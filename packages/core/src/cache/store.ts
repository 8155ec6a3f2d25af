/**
 * The port to the store that all replicas share: metadata and bodies are separate, purges are generations.
 *
 * C1 A stored response is visible only after every byte of its body is: bodies first, metadata last.
 * C2 A purge beats every fetch that began before it: a fetch carries the partition's generation from its beginning,
 *    `commit` refuses and `lookup` rejects what is older than a generation of its key or of one of its selectors.
 * C3 A bodyId is never written twice, so a reader that holds metadata never gets another body's bytes.
 * C4 An older response never replaces a newer one, however late its body ends.
 *
 * Every method may reject with {@link CacheUnavailable}; the caller continues without the cache.
 */
import { CodedError } from "@sticky-proxy/protocol";
import type { StoredMetadata } from "./stored-metadata.ts";

/** Bytes of a piece: bodies are written and read in pieces, of which only the last may be shorter. */
export const pieceBytes = 64 * 1024;

/** The longest fetch (ms) whose response is stored. The store keeps the record of a purged key for this long. */
export const maxFetchMs = 600_000;

/** The store did not answer in time, or its breaker is open. */
export class CacheUnavailable extends CodedError {
  override readonly name = "CacheUnavailable";
  override readonly code = "CACHE_UNAVAILABLE";
}

export interface Lookup {
  /** Server time, epoch ms. */
  readonly now: number;
  /**
   * The newest stored response that the request selects, one without Vary only where no other is (RFC 9111 4.1);
   * never a purged one.
   */
  readonly stored: StoredMetadata | null;
  /** Server time of the soft purge that made `stored` stale; null: none. */
  readonly softPurgedAt: number | null;
  /** The key holds responses that the request does not select. */
  readonly otherVariants: boolean;
  /** Hit-for-miss marker: why the last response could not be shared; null: none. */
  readonly unshareable: string | null;
  /** Changes whenever something is stored under the key or dropped from it. */
  readonly revision: number;
  /** The partition's generation now: a fetch that began with a lower one began before some purge. */
  readonly generation: number;
  /** Names by which the newest response of the key with a Vary selects; [] when there is none. */
  readonly varyNames: readonly string[];
}

/** Computes the variant that a request selects by these names. */
export type SelectVariant = (varyNames: readonly string[]) => string;

export interface FetchStart {
  /** true: the lease is the caller's. Always true when none was asked for, or when a purge came since it was taken. */
  readonly granted: boolean;
  readonly generation: number;
  readonly revision: number;
  readonly now: number;
}

/** How a flight ended, as the waiting nodes are notified. */
export type FlightNotice = "stored" | "not-storable" | "failed";

export interface FetchLease {
  readonly key: string;
  /** Which of the key's fetches: values of the selecting names known so far. */
  readonly flight: string;
  /** Random; null: a fetch without a lease, for which no other node waits. */
  readonly token: string | null;
}

export interface CommitOptions {
  readonly lease: FetchLease;
  readonly metadata: StoredMetadata;
  /** The stored response whose metadata alone is updated (RFC 9111 4.3.4); null: a new response. */
  readonly replaces: StoredMetadata | null;
  /** The stored response of the same request, removed when the new one has no Vary, since it would be preferred (4.1). */
  readonly outdates?: StoredMetadata | null;
  readonly maxVariants: number;
  /** Whose share of the cache it takes; absent: nobody's, or for metadata alone whose it was. */
  readonly holder?: string;
}

/** `gone`: the response to update, or the body, was evicted. `older`: the stored response was received later. */
export type Committed = "stored" | "purged" | "lease-lost" | "gone" | "older" | "store-full";

/** Takes a body's bytes in order. Nothing is visible before `commit`. */
export interface BodyWriter {
  readonly bodyId: string;
  /** Whole pieces that `readPiece` can return already. */
  readonly writtenPieces: number;
  append(bytes: Uint8Array): Promise<void>;
  /** Writes the rest. */
  end(): Promise<void>;
  /** Removes the written bytes; never rejects. */
  abandon(): Promise<void>;
}

/** The variant that the new response replaces; its own when there is no other. */
export function outdatedVariant({ metadata, outdates }: CommitOptions): string {
  return metadata.variant === "" ? (outdates?.variant ?? "") : metadata.variant;
}

export interface PurgeReport {
  readonly partitions: number;
  /** Partitions that did not acknowledge; the purge must be repeated until this is empty. */
  readonly missing: readonly number[];
}

/** What is stored for one key, for operators. */
export interface KeyView {
  readonly now: number;
  readonly variants: readonly { readonly metadata: StoredMetadata; readonly softPurgedAt: number | null }[];
  readonly hits: number;
  /** Why the last response was not stored, while the marker lasts; null: no such response. */
  readonly notStored: string | null;
}

export interface TopKey {
  readonly key: string;
  readonly url: string;
  readonly hits: number;
  readonly bytes: number;
}

export interface FlightWatch {
  /** The flight's end; stays pending when no notice comes. */
  readonly notice: Promise<FlightNotice>;
  close(): void;
}

export interface CacheStore {
  lookup(key: string, select: SelectVariant): Promise<Lookup>;
  /** Begins a fetch. `leaseMs` null: without a lease. */
  begin(lease: FetchLease, leaseMs: number | null): Promise<FetchStart>;
  /** Extends a lease that the caller still has to `leaseMs` from now; acquires none. */
  renew(lease: FetchLease, leaseMs: number): Promise<void>;
  /** Ends a fetch: releases the lease if the caller still has it, and notifies the waiting nodes. */
  finish(lease: FetchLease, notice: FlightNotice): Promise<void>;
  /** Resolves when every later notice of this flight will be received. */
  watch(key: string, flight: string): Promise<FlightWatch>;
  /**
   * @param holder whose share of the cache it takes; absent: nobody's
   * @param bytes as announced, so that room for all of it is taken before the first of them; null or absent: not known
   */
  openBody(key: string, holder?: string, bytes?: number | null): BodyWriter;
  /** The nth piece of a committed body, or of one of the writer's `writtenPieces`; null when it is gone. */
  readPiece(key: string, bodyId: string, n: number): Promise<Buffer | null>;
  /**
   * Makes a response visible if its body is whole; what the writer was given before counts even while its promise is
   * pending. "stored" also ends the fetch: the lease is released and the waiting nodes are notified.
   */
  commit(options: CommitOptions): Promise<Committed>;
  /** Leaves a hit-for-miss marker for `ms`. */
  markUnshareable(key: string, reason: string, ms: number): Promise<void>;
  /** Invalidates all variants of one key. Hard: removed. Soft: stale from now. */
  drop(key: string, soft: boolean): Promise<void>;
  /** Invalidates every response with the selector, in a number of commands independent of how much is stored. */
  purge(selector: string, soft: boolean): Promise<PurgeReport>;
  /** Counts uses; best effort. */
  recordHits(hits: ReadonlyMap<string, number>): Promise<void>;
  inspect(key: string): Promise<KeyView | null>;
  /** Keys whose last response was stored for this URL ({@link isSameUrl}); looks at all that is stored. */
  keysOfUrl(url: string): Promise<readonly string[]>;
  top(count: number): Promise<readonly TopKey[]>;
  /** Bytes of all stored responses, as counted: what the store takes for them, at least what they have. */
  totalBytes(): Promise<number>;
}

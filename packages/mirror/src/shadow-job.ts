/** A call to be copied in shadow mode, with the primary's response. */
import type { HeaderList, RequestHead } from "@sticky-proxy/core/http";
import type { MirrorPolicy, Route, Service } from "@sticky-proxy/core/registry";

export interface ShadowJob {
  readonly service: Service;
  readonly secondary: Service;
  readonly route: Route;
  readonly policy: MirrorPolicy;
  readonly head: RequestHead;
  readonly body: Uint8Array;
  readonly orderKey: string;
  /** Keys of the parent paths, whose writes may create what is read. */
  readonly after: readonly string[];
  readonly idempotencyKey: string | null;
  /** "asynchronous" and "primary-unknown": the copy is sent, and its answer is compared with nothing. */
  readonly primary: PrimaryAnswer | "asynchronous" | "primary-unknown";
  /** Epoch ms of the store's clock. */
  readonly at: number;
}

export interface PrimaryAnswer {
  readonly status: number;
  readonly headers: HeaderList;
  /** null: larger than the limit. */
  readonly body: Uint8Array | null;
  readonly latencyMs: number;
}

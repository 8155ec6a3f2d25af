/** A call to copy in shadow mode, with what the primary answered to it. */
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
  /** Keys of the paths above: what they create may be what is read. */
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
  /** null: larger than what is kept. */
  readonly body: Uint8Array | null;
  readonly latencyMs: number;
}

/** The response to a request as a value: a terminal step sets it, the steps around it may change it, one step writes it. */
import type { HeaderList } from "@sticky-proxy/core/http";
import type { Readable } from "node:stream";

export interface Reply {
  readonly status: number;
  readonly headers: HeaderList;
  /** A stream stays a stream until the client has taken it; null: no content. */
  readonly body: Uint8Array | Readable | null;
  /** Asked for after the end of the body; null or absent: no trailers. */
  readonly trailers?: (() => HeaderList) | null;
  /** true: the connection carries no further request. */
  readonly close?: boolean;
}

export function jsonBody(value: unknown): Uint8Array {
  return Buffer.from(JSON.stringify(value));
}

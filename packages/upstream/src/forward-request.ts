/** One request to a service, as the data plane hands it over. */
import type { Readable } from "node:stream";
import type { HeaderList, RequestHead } from "@sticky-proxy/core/http";
import type { Route, Service, UpstreamTimeouts } from "@sticky-proxy/core/registry";

export interface ForwardClient {
  /** Client address: the right-most hop that is not a trusted proxy. */
  readonly address: string;
  /** Address of the socket's peer, the last of X-Forwarded-For; default: `address`. */
  readonly peer?: string;
  /** Hops before the peer, as trusted proxies told them; default: none. */
  readonly hops?: readonly string[];
  /** Caller whose budgets the request counts against: "address:…" or "principal:…"; default: none. */
  readonly holder?: string;
  /** The peer is a trusted proxy; its forwarding fields are continued. */
  readonly trusted?: boolean;
  readonly protocol: "http" | "https";
  readonly host: string;
  readonly httpVersion?: "1.0" | "1.1";
}

export interface ForwardRequest {
  readonly service: Service;
  readonly route: Route | null;
  /** Header lines as received; core/http/header-rules.ts is applied to them here. */
  readonly head: RequestHead;
  /** Lines that replace every line of the same name: Sticky-*, Idempotency-Key, traceparent … */
  readonly set: HeaderList;
  readonly body: Uint8Array | Readable | null;
  /** null: unknown, the body is sent chunked. Ignored for a body of bytes. */
  readonly bodyLength: number | null;
  /** A streamed body that turns out longer fails with payload-too-large. */
  readonly maxBodyBytes?: number;
  /** null: the request is the gateway's own (retry, take-over). */
  readonly client: ForwardClient | null;
  readonly signal: AbortSignal;
  /** Names of instances to avoid while another one is usable. */
  readonly avoid?: ReadonlySet<string>;
  /** Header lines as for a final response: without hop-by-hop and Sticky-* fields, with Via. */
  readonly onInformational?: (status: number, headers: HeaderList) => void;
  readonly timeouts?: Partial<UpstreamTimeouts>;
  /** false: never resend once bytes were sent, even for idempotent methods. Default true. */
  readonly resend?: boolean;
}

/** What the gateway sends on its own is one holder's. */
export function holderOf({ client }: Pick<ForwardRequest, "client">): string {
  return client?.holder ?? "";
}

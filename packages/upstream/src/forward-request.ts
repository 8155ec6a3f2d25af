/** One request to a service, as the data plane hands it over. */
import type { Readable } from "node:stream";
import type { HeaderList, RequestHead } from "@sticky-proxy/core/http";
import type { Route, Service, UpstreamTimeouts } from "@sticky-proxy/core/registry";
import type { FailureSeen } from "./failure-seen.ts";

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

/** What became of a request at its service, for its access line. The forwarder writes it as it happens. */
export interface UpstreamSeen {
  /** Exchanges with an instance, those included that failed before a byte was sent. */
  attempts: number;
  /** That the last one went to; null: none was chosen. */
  instance: string | null;
  /** The last failure, also where a later attempt was answered; null: none failed. */
  failed: FailureSeen | null;
  /** Bytes of a streamed body that were read so far; null: it was not streamed. */
  streamed: (() => number) | null;
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
  /** Told what becomes of it; null: nobody asks. */
  readonly seen?: UpstreamSeen | null;
}

/** What the gateway sends on its own is one holder's. */
export function holderOf({ client }: Pick<ForwardRequest, "client">): string {
  return client?.holder ?? "";
}

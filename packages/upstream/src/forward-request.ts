/** One request to a service, as the data plane hands it over. */
import type { Readable } from "node:stream";
import type { HeaderList, RequestHead } from "@sticky-proxy/core/http";
import type { Route, Service, UpstreamTimeouts } from "@sticky-proxy/core/registry";

export interface ForwardClient {
  /** Whose request it is: the right-most hop that is not one of our proxies. */
  readonly address: string;
  /** The socket's address, what X-Forwarded-For is continued with; default: `address`. */
  readonly peer?: string;
  /** Whose budgets the request uses up: "address:…" or "principal:…"; default: nobody's. */
  readonly holder?: string;
  /** The peer is one of our own proxies; what it says about the client is continued. */
  readonly trusted?: boolean;
  readonly protocol: "http" | "https";
  readonly host: string;
  readonly httpVersion?: "1.0" | "1.1";
}

export interface ForwardRequest {
  readonly service: Service;
  readonly route: Route | null;
  /** Headers as received; the rules of core/http/header-rules.ts are applied here. */
  readonly head: RequestHead;
  /** Lines that replace every line of the same name: Sticky-*, Idempotency-Key, traceparent … */
  readonly set: HeaderList;
  readonly body: Uint8Array | Readable | null;
  /** null: not known, the body goes out chunked. Ignored for bytes. */
  readonly bodyLength: number | null;
  /** A streamed body that turns out longer fails with payload-too-large. */
  readonly maxBodyBytes?: number;
  /** null: the request is the gateway's own (retry, take-over). */
  readonly client: ForwardClient | null;
  readonly signal: AbortSignal;
  /** Names of instances to leave out while others can be used. */
  readonly avoid?: ReadonlySet<string>;
  /** Lines as for a final response: nothing of the connection or in our name, and with our Via. */
  readonly onInformational?: (status: number, headers: HeaderList) => void;
  readonly timeouts?: Partial<UpstreamTimeouts>;
  /** false: never repeat once bytes were sent, even for idempotent methods. Default true. */
  readonly resend?: boolean;
}

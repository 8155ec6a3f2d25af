/**
 * One small HTTP exchange beside the data path: polls, webhooks, cancel hooks. Nothing is repeated, followed,
 * inflated or thrown: the caller decides, and every answer is bounded in bytes and time.
 */
import http from "node:http";
import https from "node:https";

import { headerList, type HeaderList } from "@sticky-proxy/core/http";
import got from "got";

import { createAddressGuard, type AddressGuard } from "./guard.ts";

export interface OutboundRequest {
  readonly method: "GET" | "POST";
  readonly url: URL;
  readonly headers: HeaderList;
  readonly body: Uint8Array | null;
  /** For the whole exchange. */
  readonly timeoutMs: number;
  /** Of the answer's body; what is longer is cut off and said to be `tooLarge`. */
  readonly maxBytes: number;
}

export type OutboundAnswer =
  | {
      readonly kind: "answered";
      readonly status: number;
      readonly headers: HeaderList;
      readonly body: Uint8Array;
      readonly tooLarge: boolean;
    }
  /** `refused`: by the guard, nothing was sent. */
  | {
      readonly kind: "failed";
      readonly reason: "refused" | "timeout" | "connection";
      readonly detail: string;
    };

export interface OutboundCaller {
  /** Never rejects. */
  call(request: OutboundRequest): Promise<OutboundAnswer>;
  close(): void;
}

const maxHeaderBytes = 16_384;

export function createOutboundCaller(guard: AddressGuard): OutboundCaller {
  // Agents of its own: a connection that another guard allowed must never be reused here.
  const agents = {
    http: new http.Agent({ keepAlive: true, maxSockets: 64, maxFreeSockets: 8, timeout: 10_000 }),
    https: new https.Agent({ keepAlive: true, maxSockets: 64, maxFreeSockets: 8, timeout: 10_000 }),
  };

  function exchange({ method, url, headers, body, timeoutMs, maxBytes }: OutboundRequest) {
    return new Promise<OutboundAnswer>((resolve) => {
      const stream = got.stream(url, {
        method,
        headers: { "user-agent": "sticky-proxy", ...grouped(headers) },
        ...(body === null ? {} : { body }),
        agent: agents,
        dnsLookup: guard.lookup,
        retry: { limit: 0 },
        followRedirect: false,
        decompress: false,
        throwHttpErrors: false,
        maxHeaderSize: maxHeaderBytes,
        timeout: { request: timeoutMs },
      });
      const chunks: Buffer[] = [];
      let size = 0;
      let head: { status: number; headers: HeaderList } | null = null;
      const answer = (tooLarge: boolean): void => {
        if (head !== null) {
          resolve({
            kind: "answered",
            ...head,
            body: Buffer.concat(chunks, Math.min(size, maxBytes)),
            tooLarge,
          });
        }
      };
      stream.on("response", (response: { statusCode: number; rawHeaders: string[] }) => {
        head = { status: response.statusCode, headers: headerList(response.rawHeaders) };
      });
      stream.on("data", (chunk: Buffer) => {
        chunks.push(chunk);
        size += chunk.length;
        if (size <= maxBytes) return;
        answer(true);
        stream.destroy();
      });
      stream.on("end", () => answer(false));
      stream.on("error", (error) => resolve(failure(error)));
      // Destroyed without a word; resolving twice does nothing.
      stream.on("close", () => resolve({ kind: "failed", reason: "connection", detail: "closed" }));
    });
  }

  return {
    async call(request) {
      const detail = guard.refuses(request.url);
      if (detail !== null) return { kind: "failed", reason: "refused", detail };
      return exchange(request);
    },
    close() {
      agents.http.destroy();
      agents.https.destroy();
    },
  };
}

/** Lines of one name as an array, which Node writes as lines of their own. */
function grouped(headers: HeaderList): Record<string, string | string[]> {
  const lines = new Map<string, string[]>();
  for (const [name, value] of headers) {
    const lower = name.toLowerCase();
    lines.set(lower, [...(lines.get(lower) ?? []), value]);
  }
  return Object.fromEntries(
    [...lines].map(([name, values]) => [name, values.length === 1 ? values[0]! : values]),
  );
}

function failure(error: Error & { code?: string }): OutboundAnswer {
  const code = error.code ?? error.name;
  if (code === "ETIMEDOUT") return { kind: "failed", reason: "timeout", detail: code };
  // What the guard's look-up says when a name leads to a refused address (guard.ts).
  if (code === "ERR_ADDRESS_REFUSED") return { kind: "failed", reason: "refused", detail: code };
  return { kind: "failed", reason: "connection", detail: code };
}

/** What a node needs beside its data path: addresses that may be private, and public ones only. */
export interface OutboundCallers {
  readonly allowingPrivate: OutboundCaller;
  readonly guarded: OutboundCaller;
  close(): void;
}

export function createOutboundCallers(): OutboundCallers {
  const allowingPrivate = createOutboundCaller(createAddressGuard({ allowPrivate: true }));
  const guarded = createOutboundCaller(createAddressGuard({ allowPrivate: false }));
  return {
    allowingPrivate,
    guarded,
    close() {
      allowingPrivate.close();
      guarded.close();
    },
  };
}

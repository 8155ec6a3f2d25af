/**
 * One small HTTP exchange outside the data path: polls, webhooks, cancel hooks. No retry, no redirect,
 * no decoding, no rejection: the caller decides, and every response is limited in bytes and time.
 */
import http from "node:http";
import https from "node:https";

import { headerList, type HeaderList } from "@sticky-proxy/core/http";
import type { UpstreamTls } from "@sticky-proxy/core/registry";
import got from "got";

import { createAddressGuard, type AddressGuard } from "./guard.ts";
import { createTlsFiles, TlsFilesUnusable, type TlsOptions } from "./tls-files.ts";

export interface OutboundRequest {
  readonly method: "GET" | "POST";
  readonly url: URL;
  readonly headers: HeaderList;
  readonly body: Uint8Array | null;
  /** Of the service that is called; absent or null: the system's authorities, no client certificate. */
  readonly tls?: UpstreamTls | null;
  /** For the whole exchange. */
  readonly timeoutMs: number;
  /** Limit of the response body; a longer one is truncated and marked `tooLarge`. */
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
  /** `refused`: the guard refused the address, nothing was sent. */
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
const maxSecureAgents = 100;

function forgetOldest(secure: Map<TlsOptions, https.Agent>): void {
  const [files, agent] = secure.entries().next().value!;
  secure.delete(files);
  agent.destroy();
}

export function createOutboundCaller(guard: AddressGuard): OutboundCaller {
  // Separate agents: a connection that another guard allowed must never be reused here.
  const kept = { keepAlive: true, maxSockets: 64, maxFreeSockets: 8, timeout: 10_000 };
  const agents = { http: new http.Agent(kept), https: new https.Agent(kept) };
  const filesOf = createTlsFiles(() => performance.now());
  const secure = new Map<TlsOptions, https.Agent>();

  /** One agent for each set of files. That of replaced files is used no more, and goes when it is the oldest of many. */
  function agentsFor(policy: UpstreamTls | null): typeof agents {
    if (policy === null) return agents;
    const files = filesOf(policy);
    let agent = secure.get(files);
    if (agent === undefined) {
      if (secure.size >= maxSecureAgents) forgetOldest(secure);
      secure.set(files, (agent = new https.Agent({ ...kept, ...files })));
    }
    return { http: agents.http, https: agent };
  }

  function exchange(
    { method, url, headers, body, timeoutMs, maxBytes }: OutboundRequest,
    agent: typeof agents,
  ) {
    return new Promise<OutboundAnswer>((resolve) => {
      const stream = got.stream(url, {
        method,
        headers: { "user-agent": "sticky-proxy", ...grouped(headers) },
        ...(body === null ? {} : { body }),
        agent,
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
      // Destroyed without an error event; a second resolve has no effect.
      stream.on("close", () => resolve({ kind: "failed", reason: "connection", detail: "closed" }));
    });
  }

  return {
    async call(request) {
      const detail = guard.refuses(request.url);
      if (detail !== null) return { kind: "failed", reason: "refused", detail };
      try {
        return await exchange(request, agentsFor(request.tls ?? null));
      } catch (error) {
        if (!(error instanceof TlsFilesUnusable)) throw error;
        return { kind: "failed", reason: "connection", detail: error.message };
      }
    },
    close() {
      agents.http.destroy();
      agents.https.destroy();
      for (const agent of secure.values()) agent.destroy();
    },
  };
}

/** Groups the lines of one name in an array, which Node writes as separate lines. */
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
  // The error of the guard's look-up for a name with a refused address (guard.ts).
  if (code === "ERR_ADDRESS_REFUSED") return { kind: "failed", reason: "refused", detail: code };
  return { kind: "failed", reason: "connection", detail: code };
}

/** The two callers of a node: one may call private addresses, the other public addresses only. */
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

/** Heads of a forwarded request and of its response: core's header rules applied, the caller's lines set. */
import {
  parseAuthority,
  publicPrefix,
  requestHeaders,
  responseHeaders,
  type HeaderLine,
  type HeaderList,
} from "@sticky-proxy/core/http";
import { strippedPrefix, type Route } from "@sticky-proxy/core/registry";
import { isSafe } from "@sticky-proxy/protocol/http";

import type { ForwardRequest } from "./forward-request.ts";

export interface Names {
  /** Pseudonym in Via, the same on every replica. */
  readonly pseudonym: string;
  /** Identifier in CDN-Loop. */
  readonly loopId: string;
}

/** Flat list of names and values, as undici expects. */
export function outgoingHeaders(request: ForwardRequest, names: Names): string[] {
  const { head, client, service, route } = request;
  let lines: HeaderLine[] = requestHeaders(head.headers, {
    httpVersion: client?.httpVersion ?? "1.1",
    pseudonym: names.pseudonym,
    loopId: names.loopId,
    trustedPeer: client?.trusted ?? false,
    passesMethodOverride: !isSafe(head.method),
    peer: client === null ? null : (client.peer ?? client.address),
    hops: client?.hops ?? [],
    ...(client === null ? {} : { client: client.address }),
    protocol: client?.protocol ?? "http",
    host: client?.host ?? "",
  });
  if (service.rewrite === "auto") {
    const said = lines.find(([name]) => name.toLowerCase() === "x-forwarded-prefix");
    const prefix = publicPrefix(said?.[1] ?? null, strippedPrefix(service.match));
    if (prefix !== "") lines = replaced(lines, [["X-Forwarded-Prefix", prefix]]);
  }
  const own = service.fields?.set;
  if (own !== undefined && own.size > 0) lines = replaced(lines, [...own]);
  if (route !== null && route.headers.request.size > 0) lines = replaced(lines, [...route.headers.request]);
  if (request.set.length > 0) lines = replaced(lines, request.set);
  const flat: string[] = [];
  if (service.preserveHost && client !== null && parseAuthority(client.host) !== null)
    flat.push("host", client.host);
  for (const [name, value] of lines) flat.push(name, value);
  const length = request.body instanceof Uint8Array ? request.body.byteLength : request.bodyLength;
  if (request.body !== null && length !== null) flat.push("content-length", String(length));
  return flat;
}

/** `lines` with every line of a name in `set` replaced by those of `set`. */
function replaced(lines: readonly HeaderLine[], set: HeaderList): HeaderLine[] {
  const names = new Set(set.map(([name]) => name.toLowerCase()));
  const kept = lines.filter(([name]) => !names.has(name.toLowerCase()));
  return [...kept, ...set];
}

/** Splits the response's lines into those for the client and the Sticky-* fields for the gateway. */
export function incomingHeaders(
  headers: HeaderList,
  status: number,
  route: Route | null,
  pseudonym: string,
  httpVersion: "1.0" | "1.1" = "1.1",
): { headers: HeaderList; sticky: ReadonlyMap<string, string> } {
  const passed = responseHeaders(headers, status, pseudonym, httpVersion);
  const set = route?.headers.response;
  if (set === undefined || set.size === 0) return passed;
  return { headers: replaced(passed.headers, [...set]), sticky: passed.sticky };
}

/**
 * What becomes of each header field on its way through the gateway, both directions, as one table of names.
 * Fields not named here are end-to-end: order, spelling and repeats stay as they came (RFC 9110 5.3, 7.6.1).
 * `raw` lists are Node's flat [name, value, name, value …].
 */
import { isHopByHop, isSafe, isToken, splitList } from "@sticky-proxy/protocol/http";
import { isAddress } from "./addresses.ts";
import type { HeaderLine, HeaderList, RequestHead } from "./message.ts";

/**
 * A Connection field cannot make these hop-by-hop: they are for whoever answers (RFC 9110 7.6.1), and a client must not
 * strip what later hops decide by. What a service's configuration names besides is `fieldsNamedBy`.
 */
export const keptAgainstConnection: ReadonlySet<string> = new Set([
  "host",
  "accept",
  "accept-charset",
  "accept-encoding",
  "accept-language",
  "age",
  "cache-tag",
  "content-digest",
  "content-encoding",
  "content-language",
  "content-location",
  "content-range",
  "etag",
  "expires",
  "if-match",
  "if-modified-since",
  "if-none-match",
  "if-range",
  "if-unmodified-since",
  "last-modified",
  "location",
  "origin",
  "pragma",
  "prefer",
  "range",
  "referer",
  "retry-after",
  "sec-fetch-site",
  "signature",
  "signature-input",
  "surrogate-key",
  "user-agent",
  "vary",
  "content-length",
  "content-type",
  "authorization",
  "cookie",
  "set-cookie",
  "forwarded",
  "via",
  "cdn-loop",
  "idempotency-key",
  "x-idempotency-key",
  "cache-control",
  "date",
  "x-request-id",
  "traceparent",
  "tracestate",
]);

/** Where a request came from: from an untrusted peer these are its own words, and are dropped. */
export const provenance: ReadonlySet<string> = new Set([
  "forwarded",
  "x-real-ip",
  "x-client-ip",
  "x-cluster-client-ip",
  "true-client-ip",
  "cf-connecting-ip",
  "cf-connecting-ipv6",
  "fastly-client-ip",
  "fly-client-ip",
]);

/** By which a client tunnels another method through POST, where something on its way knows only two. */
export const methodOverrides: ReadonlySet<string> = new Set([
  "x-http-method-override",
  "x-http-method",
  "x-method-override",
]);

/** Fields that make a service act on another method, path or host than the one the gateway decided about. */
export const overrides: ReadonlySet<string> = new Set([
  ...methodOverrides,
  "x-original-url",
  "x-original-host",
  "x-rewrite-url",
  // The CGI variable HTTP_PROXY.
  "proxy",
]);

/** Written anew by the gateway, so never copied. */
export const rewrittenInRequest: ReadonlySet<string> = new Set([
  "host",
  "expect",
  "content-length",
  "x-request-id",
  "traceparent",
  "tracestate",
  // A loop marker of another gateway counts only from peers that the mirror trusts; it sets the field itself.
  "x-dual-write-executed",
]);

/**
 * RFC 9110 5.3: a list makes no sense for these, so two lines are two different requests. If-Modified-Since and
 * If-Unmodified-Since are not among them: with more than one member whoever gets them must ignore them (13.1.3, 13.1.4).
 */
export const singleValued: ReadonlySet<string> = new Set([
  "host",
  "authorization",
  "proxy-authorization",
  "content-type",
  "content-length",
  "content-range",
  "content-location",
  "date",
  "from",
  "if-range",
  "max-forwards",
  "origin",
  "range",
  "referer",
  "user-agent",
  "sec-websocket-key",
  "sec-websocket-version",
]);

const maxRanges = 16;

/** Trailer fields that are passed on: none that frames, routes, authenticates or steers caches (RFC 9110 6.5.1). */
export const passedTrailers: ReadonlySet<string> = new Set([
  "content-digest",
  "repr-digest",
  "digest",
  "content-md5",
  "server-timing",
  "grpc-status",
  "grpc-message",
  "x-checksum",
]);

// field-content of RFC 9110 5.5 as latin1 text.
const fieldValue = /^[\t\x20-\x7e\x80-\xff]*$/;

export interface RequestRules {
  /** HTTP version that the request came with; it goes into Via. */
  readonly httpVersion: "1.0" | "1.1";
  /** Our name in Via (RFC 9110 7.6.3). */
  readonly pseudonym: string;
  /** Our name in CDN-Loop (RFC 8586). */
  readonly loopId: string;
  /** The peer is a proxy of ours: what else it says about the client is kept. */
  readonly trustedPeer: boolean;
  /** Whether a tunnelled method goes on: of an unsafe request, which nobody has decided about by its method. */
  readonly passesMethodOverride?: boolean;
  /** Address of the peer, null: unknown (then nothing is said about it). */
  readonly peer: string | null;
  /** Hops before the peer, as our proxies told them; the client's claims at the left included. */
  readonly hops?: readonly string[];
  /** Which of the hops is the client; default: the first. */
  readonly client?: string;
  readonly protocol: "http" | "https";
  /** The host that the request was for. */
  readonly host: string;
}

/** The request's lines as the next hop gets them. Host, framing, ids and `set` fields are the caller's. */
export function requestHeaders(headers: HeaderList, rules: RequestRules): HeaderLine[] {
  const named = connectionOptions(headers);
  const out: HeaderLine[] = [];
  let loop = "";
  let cookieAt = -1;
  for (const line of headers) {
    const name = line[0].toLowerCase();
    if (isHopByHop(name) || rewrittenInRequest.has(name)) continue;
    if (named !== null && named.has(name)) continue;
    if (isWithheld(name, rules.trustedPeer) && !(rules.passesMethodOverride && methodOverrides.has(name)))
      continue;
    if (name === "cdn-loop") {
      loop = loop === "" ? line[1] : `${loop}, ${line[1]}`;
      continue;
    }
    // A service that reads one Cookie line reads them all (RFC 6265 5.4).
    if (name === "cookie") {
      if (cookieAt !== -1) {
        out[cookieAt] = [out[cookieAt]![0], `${out[cookieAt]![1]}; ${line[1]}`];
        continue;
      }
      cookieAt = out.length;
    }
    // Many small ranges cost a service far more than the client (RFC 9110 14.2 lets a recipient ignore them).
    if (name === "range" && splitList(line[1]).length > maxRanges) continue;
    if (writtenFromFacts.has(name)) continue;
    out.push(line);
  }
  pushFacts(out, rules);
  out.push(["Via", `${rules.httpVersion} ${rules.pseudonym}`]);
  out.push(["CDN-Loop", loop === "" ? rules.loopId : `${loop}, ${rules.loopId}`]);
  return out;
}

/** The response's lines as the client gets them, and what the service told the gateway itself. */
export interface PassedResponse {
  readonly headers: HeaderLine[];
  /** Lower-case names; the last line of a name wins. */
  readonly sticky: ReadonlyMap<string, string>;
}

/** Both families say the same: what was worked out of the request, not what each of them said. */
const writtenFromFacts: ReadonlySet<string> = new Set([
  "forwarded",
  "x-forwarded-for",
  "x-forwarded-proto",
  "x-forwarded-host",
]);

function pushFacts(out: HeaderLine[], { peer, hops = [], client, protocol, host }: RequestRules): void {
  if (host !== "") out.push(["X-Forwarded-Host", host]);
  if (peer === null) return;
  const all = [...hops, peer];
  const at = client === undefined ? 0 : Math.max(0, all.lastIndexOf(client));
  out.push(["X-Forwarded-For", all.join(", ")], ["X-Forwarded-Proto", protocol]);
  // An element stands for one hop; scheme and host are those of the client's (RFC 7239 4).
  const elements = all.map((hop, i) =>
    forwardedElement(hop, i === at ? protocol : null, i === at ? host : ""),
  );
  out.push(["Forwarded", elements.join(", ")]);
}

const noSticky: ReadonlyMap<string, string> = new Map();

/**
 * `status` decides what framing fields may stand (RFC 9110 8.6: none on 1xx and 204), `httpVersion` is the response's
 * own and goes into Via.
 */
export function responseHeaders(
  headers: HeaderList,
  status: number,
  pseudonym: string,
  httpVersion: "1.0" | "1.1" = "1.1",
): PassedResponse {
  const named = connectionOptions(headers);
  const out: HeaderLine[] = [];
  let sticky: Map<string, string> | null = null;
  for (const line of headers) {
    const name = line[0].toLowerCase();
    if (isHopByHop(name)) continue;
    if (named !== null && named.has(name)) continue;
    // A service that keeps keys itself says so, and its client may rely on it.
    if (isOurs(name) && (name !== "idempotent-replayed" || status < 200)) {
      if (name.startsWith("sticky-")) (sticky ??= new Map()).set(name, line[1]);
      continue;
    }
    // Ours is returned: one id per exchange.
    if (name === "x-request-id") continue;
    if (name === "content-length" && (status === 204 || status === 205 || status < 200)) continue;
    out.push(line);
  }
  if (status === 205) out.push(["Content-Length", "0"]);
  out.push(["Via", `${httpVersion} ${pseudonym}`]);
  return { headers: out, sticky: sticky ?? noSticky };
}

/** Trailer lines that go on to a client that said `TE: trailers`. */
export function responseTrailers(trailers: HeaderList): HeaderLine[] {
  return trailers.filter(([name]) => passedTrailers.has(name.toLowerCase()));
}

/** Name of the first field that stands on two lines though it has one value; null: none does. */
export function repeatedSingleField(headers: HeaderList): string | null {
  let seen: Set<string> | null = null;
  for (const [received] of headers) {
    const name = received.toLowerCase();
    if (!singleValued.has(name)) continue;
    seen ??= new Set();
    if (seen.has(name)) return name;
    seen.add(name);
  }
  return null;
}

/** What is wrong with a response's head (RFC 9110 5.1, 5.5, 15); null: nothing. Keeps what we cannot write out of stores too. */
export function responseFault(status: number, headers: HeaderList): string | null {
  if (!Number.isInteger(status) || status < 100 || status > 599)
    return "its status is not between 100 and 599";
  for (const [name, value] of headers) {
    if (!isToken(name)) return "a field name is not a token";
    if (!fieldValue.test(value)) return "a field value holds a control character";
  }
  return null;
}

/**
 * The method that an unsafe request asks its service for instead of its own, as it stands in the field; null: none. Safe
 * requests tunnel nothing: their fields are dropped.
 */
export function tunnelledMethod({ method, headers }: Pick<RequestHead, "method" | "headers">): string | null {
  if (isSafe(method)) return null;
  for (const [name, value] of headers) {
    const asked = value.trim();
    if (methodOverrides.has(name.toLowerCase()) && asked.toUpperCase() !== method) return asked;
  }
  return null;
}

/** How often `loopId` stands in CDN-Loop: how often this request passed us (RFC 8586 2). */
export function loopCount(headers: HeaderList, loopId: string): number {
  let count = 0;
  for (const [name, value] of headers) {
    if (name.length !== 8 || name.toLowerCase() !== "cdn-loop") continue;
    for (const part of splitList(value)) {
      const [id = ""] = splitList(part, ";");
      if (id.toLowerCase() === loopId.toLowerCase()) count += 1;
    }
  }
  return count;
}

/** Whether no service gets this field (lower-case) from a client; `trustedPeer`: the peer is a proxy of ours. */
export function isWithheld(name: string, trustedPeer: boolean): boolean {
  if (overrides.has(name) || isOurs(name) || (!trustedPeer && isProvenance(name))) return true;
  return name.includes("_") && isSpoof(name.replaceAll("_", "-"));
}

/** Where a request came from, in the words of a client or of a proxy before us. */
export function isProvenance(name: string): boolean {
  return provenance.has(name) || name.startsWith("x-forwarded-");
}

/**
 * The request without Connection and what it makes hop-by-hop, so that every later step decides by what the service
 * gets (RFC 9110 7.6.1). `kept`: lower-case names that stay whatever Connection says.
 */
export function withoutNominated(headers: HeaderList, kept: ReadonlySet<string>): HeaderList {
  const named = connectionOptions(headers);
  if (named === null) return headers;
  return headers.filter(([received]) => {
    const name = received.toLowerCase();
    return name !== "connection" && (kept.has(name) || !named.has(name));
  });
}

/** Lower-case names that Connection makes hop-by-hop in this message; null: none (the usual case). */
export function connectionOptions(headers: HeaderList): Set<string> | null {
  let named: Set<string> | null = null;
  for (const [name, value] of headers) {
    if (name.length !== 10 || name.toLowerCase() !== "connection") continue;
    for (const part of splitList(value)) {
      const option = part.toLowerCase();
      if (option === "close" || option === "keep-alive") continue;
      if (keptAgainstConnection.has(option) || option.startsWith("x-forwarded-") || isOurs(option)) continue;
      (named ??= new Set()).add(option);
    }
  }
  return named;
}

function isOurs(name: string): boolean {
  return name.startsWith("sticky-") || name === "idempotent-replayed" || name === "idempotency-expires";
}

/** Services that read headers from CGI-like variables cannot tell X_Forwarded_For from X-Forwarded-For. */
function isSpoof(dashed: string): boolean {
  return (
    isOurs(dashed) ||
    isProvenance(dashed) ||
    isHopByHop(dashed) ||
    overrides.has(dashed) ||
    rewrittenInRequest.has(dashed) ||
    dashed === "idempotency-key" ||
    dashed === "x-idempotency-key" ||
    dashed === "cdn-loop" ||
    dashed === "via"
  );
}

/** RFC 7239 4: an IPv6 address stands in brackets and quotes, a host with a port in quotes. */
function forwardedElement(hop: string, protocol: string | null, host: string): string {
  const node = isAddress(hop) ? (hop.includes(":") ? `"[${hop}]"` : hop) : "unknown";
  const said = host === "" ? "" : `;host=${isToken(host) ? host : `"${host}"`}`;
  return `for=${node}${protocol === null ? "" : `;proto=${protocol}`}${said}`;
}

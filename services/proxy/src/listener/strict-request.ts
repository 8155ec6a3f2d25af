/**
 * Rules that Node's parser does not enforce and a gateway must: for each there is a request that Node accepts.
 * Pure over the received head; runs on the bare server, before Koa. Reads raw lines, never the folded `headers`.
 */
import { holderOfAddress } from "@sticky-proxy/core/budgets";
import type { ClientCertificate } from "@sticky-proxy/core/principal";
import { METHODS } from "node:http";

import {
  clientAddress,
  type ClientFacts,
  headerLines,
  headerList,
  headerValue,
  loopCount,
  parseAuthority,
  parseRequestTarget,
  repeatedSingleField,
  type Authority,
  type HeaderList,
  type ProxiedSource,
  type RequestTarget,
} from "@sticky-proxy/core/http";
import { Problem } from "@sticky-proxy/protocol";
import { splitList } from "@sticky-proxy/protocol/http";

import type { ProxySettings } from "../deps.ts";
import type { Received } from "../state.ts";

/** The checked parts of an incoming message. */
export interface RawRequest {
  readonly method: string;
  readonly url: string;
  readonly httpVersion: string;
  readonly rawHeaders: readonly string[];
  readonly peer: string;
  /** What a PROXY protocol header said before the connection; null: nothing. */
  readonly source: ProxiedSource | null;
  readonly encrypted: boolean;
  /** Shown in the handshake; null: none. */
  readonly certificate: ClientCertificate | null;
}

export interface StrictOptions {
  readonly settings: ProxySettings;
  readonly isTrusted: (address: string) => boolean;
  readonly newRequestId: () => string;
}

/** Requests that the gateway itself responds to: OPTIONS * and an exhausted Max-Forwards. */
export interface AnsweredHere {
  readonly kind: "options";
  readonly requestId: string;
}

export type StrictResult =
  | { readonly kind: "received"; readonly received: Received }
  | AnsweredHere
  | Refused;

export interface Refused {
  readonly kind: "refused";
  readonly problem: Problem;
  readonly requestId: string;
  /** The client's address; the peer's where the fields about it are wrong. */
  readonly client: string;
}

const requestIdShape = /^[A-Za-z0-9._-]{1,128}$/;
/** Methods of RTSP and Icecast, which Node's parser accepts. */
const knownMethods: ReadonlySet<string> = new Set(METHODS.filter((name) => name !== "SOURCE"));
export const allowedMethods = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";

export function strictRequest(raw: RawRequest, options: StrictOptions): StrictResult {
  const headers = headerList(raw.rawHeaders);
  let requestId: string | null = null;
  let client = raw.source?.address ?? raw.peer;
  try {
    const from = clientAddress(raw.peer, headers, options.isTrusted, raw.source);
    if (!from.ok) throw malformed(from.reason);
    client = from.address;
    requestId = idOf(headers, from.trustedPeer) ?? options.newRequestId();
    return check(raw, headers, options, requestId, from);
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    return { kind: "refused", problem: error, requestId: requestId ?? options.newRequestId(), client };
  }
}

function check(
  raw: RawRequest,
  headers: HeaderList,
  { settings }: StrictOptions,
  requestId: string,
  from: ClientFacts,
): StrictResult {
  const { method } = raw;
  const httpVersion = versionOf(raw);
  checkSizes(raw, settings);
  if (method === "TRACE" || method === "CONNECT") {
    throw new Problem("method-not-allowed", {
      headers: { Allow: allowedMethods },
      close: method === "CONNECT",
    });
  }
  if (!knownMethods.has(method)) throw new Problem("not-implemented", { close: true });
  const { hasBody, declaredLength } = framingOf(headers, httpVersion);
  const repeated = repeatedSingleField(headers);
  if (repeated !== null && repeated !== "host") throw malformed(`${repeated} stands on two lines`);
  if (headerLines(headers, "idempotency-key").length > 1) {
    throw new Problem("idempotency-key-invalid", {
      detail: "Idempotency-Key is present more than once.",
      close: true,
    });
  }
  const expectsContinue = expectationOf(headers, httpVersion);
  const host = hostOf(headers, httpVersion);
  const target = targetOf(raw, host);
  // RFC 9110 7.4; a trusted proxy may have terminated TLS.
  if (!raw.encrypted && !from.trustedPeer && from.protocol !== "https" && /^https:/i.test(raw.url)) {
    throw new Problem("misdirected-request", { detail: "An https URI was asked for in clear text." });
  }
  if (loopCount(headers, settings.loopId) > settings.limits.loops) throw new Problem("loop-detected");
  // What the client asked for, by our own proxies' word where they changed it.
  const told = from.host === null ? null : parseAuthority(from.host);
  const authority = told ?? (target.kind === "path" ? target.authority : null) ?? host;
  if (settings.hosts.length > 0 && (authority === null || !settings.hosts.includes(authority.host))) {
    throw new Problem("misdirected-request");
  }
  if (target.kind === "asterisk") return { kind: "options", requestId };
  if (target.kind !== "path") throw malformed("the target is not a path");
  const passed = maxForwards(method, headers);
  if (passed === null) return { kind: "options", requestId };
  return {
    kind: "received",
    received: {
      requestId,
      head: { method, path: target.path, query: target.query, headers: passed },
      receivedPath: target.receivedPath,
      host: authority?.host ?? null,
      client: {
        address: from.address,
        peer: from.peer,
        holder: holderOfAddress(from.address),
        trusted: from.trustedPeer,
        hops: from.hops,
        protocol: from.protocol ?? (raw.encrypted ? "https" : "http"),
        host: authority?.text ?? "",
        httpVersion,
      },
      certificate: raw.certificate,
      declaredLength,
      hasBody,
      expectsContinue,
    },
  };
}

function versionOf({ httpVersion }: RawRequest): "1.0" | "1.1" {
  if (httpVersion === "1.1" || httpVersion === "1.0") return httpVersion;
  // Node parses a request line without a version as HTTP/0.9.
  if (httpVersion === "0.9") throw malformed("HTTP/0.9 is not spoken here");
  throw new Problem("version-not-supported", { close: true });
}

function checkSizes({ url, rawHeaders }: RawRequest, { limits }: ProxySettings): void {
  if (url.length > limits.targetBytes) {
    throw new Problem("uri-too-long", { detail: `The limit is ${limits.targetBytes} bytes.`, close: true });
  }
  if (rawHeaders.length / 2 > limits.headerLines) {
    throw new Problem("headers-too-large", {
      detail: `The limit is ${limits.headerLines} header lines.`,
      close: true,
    });
  }
  // Colon, space and line end count as four for each pair.
  let bytes = rawHeaders.length * 2;
  for (const part of rawHeaders) bytes += part.length;
  if (bytes > limits.headerBytes) {
    throw new Problem("headers-too-large", {
      detail: `The limit is ${limits.headerBytes} bytes.`,
      close: true,
    });
  }
}

/** RFC 9112 6: exactly "chunked" or nothing (6.1: 501 for what comes before it); faulty framing in HTTP/1.0. */
function framingOf(
  headers: HeaderList,
  httpVersion: string,
): { hasBody: boolean; declaredLength: number | null } {
  const codings = headerLines(headers, "transfer-encoding");
  const lengths = headerLines(headers, "content-length");
  if (codings.length > 0) {
    if (httpVersion === "1.0") throw malformed("Transfer-Encoding has no meaning in HTTP/1.0");
    if (lengths.length > 0) throw malformed("Transfer-Encoding and Content-Length exclude each other");
    const named = splitList(codings.join(",").toLowerCase());
    // RFC 9112 6.3: without chunked as the last coding the end of the body is unknown.
    if (named.at(-1) !== "chunked") throw malformed("the last transfer coding is not chunked");
    if (named.length > 1) {
      throw new Problem("not-implemented", { detail: "The only transfer coding is chunked.", close: true });
    }
    return { hasBody: true, declaredLength: null };
  }
  if (lengths.length === 0) return { hasBody: false, declaredLength: null };
  const length = Number(lengths[0]);
  if (lengths.length > 1 || !/^[0-9]+$/.test(lengths[0]!) || !Number.isSafeInteger(length)) {
    throw malformed("Content-Length is not one whole number");
  }
  return { hasBody: length > 0, declaredLength: length };
}

/** RFC 9110 10.1.1: only 100-continue is defined; an HTTP/1.0 client cannot mean it. */
function expectationOf(headers: HeaderList, httpVersion: string): boolean {
  const lines = headerLines(headers, "expect");
  if (lines.length === 0 || httpVersion === "1.0") return false;
  if (lines.length > 1 || lines[0]!.trim().toLowerCase() !== "100-continue") {
    throw new Problem("expectation-failed", { close: true });
  }
  return true;
}

/** RFC 9112 3.2: one valid Host on 1.1, also when the target has an authority of its own. */
function hostOf(headers: HeaderList, httpVersion: string): Authority | null {
  const lines = headerLines(headers, "host");
  if (lines.length > 1) throw malformed("there are two Host lines");
  const line = lines[0];
  if (line === undefined) {
    if (httpVersion === "1.0") return null;
    throw malformed("Host is missing");
  }
  const host = parseAuthority(line);
  if (host === null) throw malformed("Host is not a host with an optional port");
  return host;
}

function targetOf({ method, url }: RawRequest, host: Authority | null): RequestTarget {
  const target = parseRequestTarget(method, url);
  if (target.kind === "invalid") {
    const detail =
      target.slug === "path-invalid"
        ? `The path is refused: ${target.reason}.`
        : `The target is refused: ${target.reason}.`;
    throw new Problem(target.slug, { detail, close: host === null || target.slug === "malformed-request" });
  }
  return target;
}

/** Max-Forwards of OPTIONS (RFC 9110 7.6.2; TRACE is refused before). null: this hop must respond. */
function maxForwards(method: string, headers: HeaderList): HeaderList | null {
  if (method !== "OPTIONS") return headers;
  const value = headerValue(headers, "max-forwards");
  if (value === null) return headers;
  if (!/^[0-9]{1,9}$/.test(value)) throw malformed("Max-Forwards is not a number");
  if (Number(value) === 0) return null;
  return headers.map((line) =>
    line[0].toLowerCase() === "max-forwards" ? [line[0], String(Number(value) - 1)] : line,
  );
}

function idOf(headers: HeaderList, trusted: boolean): string | null {
  if (!trusted) return null;
  const given = headerValue(headers, "x-request-id");
  return given !== null && requestIdShape.test(given) ? given : null;
}

function malformed(reason: string): Problem {
  return new Problem("malformed-request", { detail: `The request is malformed: ${reason}.`, close: true });
}

/** Node's server with the listener's limits, in clear text or over TLS. */
import http from "node:http";
import type { IncomingMessage, Server } from "node:http";
import https from "node:https";

import type { Limits } from "@sticky-proxy/runtime";

import type { TlsMaterial, TlsPolicy } from "./tls-material.ts";

export interface ListenerTls {
  readonly policy: TlsPolicy;
  readonly material: TlsMaterial;
}

type BecomesTunnel = (request: IncomingMessage) => boolean;

/**
 * Limit of the parser; the configured limits are checked on the parsed head. Less than
 * one read of a socket (64 KiB), so that an oversized packet still shows whether the target or the fields are too long.
 */
const parserHeadBytes = 49_152;

/** Period of Node's check of head and request timeouts. */
const timerCheckMs = 1_000;

/** `tls` null: clear text. */
export function createHttpServer(
  limits: Limits,
  becomesTunnel: BecomesTunnel,
  tls: ListenerTls | null,
): Server {
  const options = optionsOf(limits, becomesTunnel);
  const server = tls === null ? http.createServer(options) : secureServer(options, tls, limits);
  // Node drops the lines beyond this number silently; strict-request counts all lines instead.
  server.maxHeadersCount = 0;
  // Not in Node's types. A client that half-closes may still read its response (half-closed.ts).
  (server as { httpAllowHalfOpen?: boolean }).httpAllowHalfOpen = true;
  if (limits.maxConnections > 0) server.maxConnections = limits.maxConnections;
  return server;
}

/**
 * HTTP/1.1 alone is offered (RFC 7301); the certificate is looked up at each handshake. A client that ends its side has
 * left: clients do not half-close TLS, and Node never gives up a half-open TLS connection whose peer is gone.
 */
function secureServer(
  options: http.ServerOptions,
  { policy, material }: ListenerTls,
  limits: Limits,
): https.Server {
  const asks = policy.clientCa !== null;
  const server = https.createServer({
    ...options,
    ALPNProtocols: ["http/1.1"],
    minVersion: policy.minVersion,
    requestCert: asks,
    rejectUnauthorized: asks && policy.clientCertificates === "require",
    handshakeTimeout: limits.headersTimeoutMs,
    SNICallback: (name, done) => done(null, material.contextFor(name)),
  });
  // A client that asks for no name never reaches the callback.
  const useFirst = (): void => server.setSecureContext(material.first);
  useFirst();
  material.onReplaced(useFirst);
  return server;
}

function optionsOf(limits: Limits, becomesTunnel: BecomesTunnel): http.ServerOptions {
  return {
    // Node counts target and header section together, so it would report a long target as a long header (RFC 9112 3: 414).
    maxHeaderSize: Math.max(parserHeadBytes, limits.targetBytes + limits.headerBytes),
    // Checked by strict-request, so that the response is a problem.
    requireHostHeader: false,
    headersTimeout: limits.headersTimeoutMs,
    // A large upload takes as long as it takes: what holds it to account is its rate (upload-rate.ts).
    requestTimeout: limits.bodyTimeoutMs === 0 ? 0 : Math.max(limits.bodyTimeoutMs, limits.headersTimeoutMs),
    keepAliveTimeout: limits.keepAliveMs,
    connectionsCheckingInterval: Math.min(timerCheckMs, limits.headersTimeoutMs),
    shouldUpgradeCallback: becomesTunnel,
  };
}

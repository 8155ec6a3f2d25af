/** Sizes and times of the client side. */
import { bytes, integer, millis } from "../formats.ts";
import { mapping } from "../shapes.ts";

export const limits = mapping({
  headerBytes: bytes("Request head, 431 above.", 16_384, { min: 1024, max: 1024 * 1024 }),
  headerLines: integer("Lines of it, 431 above.", 128, { min: 8, max: 2000 }),
  targetBytes: bytes("Request target, 414 above.", 8192, { min: 64, max: 65_536 }),
  upstreamHeaderBytes: bytes(
    "Response head of a service, 502 above; has room for 16 KiB of cache tags.",
    32_768,
    {
      min: 1024,
      max: 1024 * 1024,
    },
  ),
  headersTimeoutMs: millis("For the whole request head, 408.", 10_000, { min: 100, max: 600_000 }),
  bodyTimeoutMs: millis("For the whole request body, 408; 0: as long as its rate takes.", 0, {
    min: 0,
    max: 86_400_000,
  }),
  bodyMinBytesPerSecond: integer(
    "Least rate of a request body, 408: after 5 s, over each 10 s in which it is read; 0: none.",
    256,
  ),
  loops: integer("How often a request may have passed this gateway before (CDN-Loop), 508 above.", 3, {
    max: 100,
  }),
  writeIdleMs: millis("A client that takes no byte for so long is cut off.", 60_000, {
    min: 100,
    max: 3_600_000,
  }),
  keepAliveMs: millis("Idle client connections: above the balancer's.", 65_000, { max: 3_600_000 }),
  upstreamKeepAliveMs: millis("Idle connections to services: below theirs.", 4000, { max: 3_600_000 }),
  maxRequestsPerSocket: integer("Requests per client connection; 0: no limit.", 100_000),
  listenBacklog: integer(
    "Connections that wait to be accepted; the system's own bound (net.core.somaxconn) holds as well.",
    4096,
    { min: 1, max: 65_535 },
  ),
  maxConnections: integer(
    "Client connections of this node; fewer where the system's limit of open files has no room for two of each.",
    10_000,
    { min: 1 },
  ),
  maxConnectionsPerAddress: integer("Client connections per address; 0: no limit.", 0),
  bodyBytes: bytes(
    "Request bodies in this node's memory at once, 429; one caller gets nine tenths. One that is validated in a thread counts four times meanwhile.",
    512 * 1024 * 1024,
  ),
  copyBytes: bytes(
    "Bodies that copies for a second backend hold in this node's memory at once; beyond it calls are not copied.",
    64 * 1024 * 1024,
  ),
  validationMs: millis("For the validation of a small body, 503; 10 kB more have a millisecond more.", 1000, {
    min: 10,
    max: 60_000,
  }),
  maxWaiters: integer("Clients that wait for a result on this node; one caller gets nine tenths.", 10_000, {
    min: 1,
  }),
  maxEventStreams: integer("Event streams open on this node; one caller gets nine tenths.", 2000, { min: 1 }),
});

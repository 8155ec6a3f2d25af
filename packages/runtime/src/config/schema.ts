/** The whole schema. One for all services; unknown keys are refused by joi's default. */
import Joi from "joi";
import {
  bytes,
  checkCidr,
  checkFieldName,
  checkHost,
  checkHostPort,
  either,
  flag,
  integer,
  list,
  millis,
  oneOf,
  origin,
  path,
  port,
  redisUrl,
  serviceName,
  signingSecret,
  text,
  token,
  url,
} from "./formats.ts";
import { usualIgnoredCookies } from "@sticky-proxy/core/principal";
import { route } from "./schema-route.ts";

const checkInstanceName = (value: string): string | null =>
  /^[A-Za-z0-9][A-Za-z0-9._:[\]-]{0,99}$/.test(value)
    ? null
    : "must be letters, digits, dots, colons and dashes";

const checkCredential = (value: string): string | null =>
  value.startsWith("cookie.") ? checkFieldName(value.slice(7)) : checkFieldName(value);

const checkCookieName = (value: string): string | null => checkFieldName(value.replace(/\*$/, ""));

const instance = either(
  Joi.object({
    url: origin("Origin of the instance.").required(),
    name: text("Name in logs and metrics.", checkInstanceName).meta({ defaultText: "host:port" }),
    weight: Joi.number().min(0.01).max(1000).description("Share of the load.").default(1),
  }),
  origin("Origin of the instance.").required(),
);

const service = Joi.object({
  instances: list("Base URLs of the service.", instance, 100, "dynamic").min(1).required(),
  match: either(
    Joi.object({
      host: text("Lower-case host; null: any.", checkHost).allow(null).default(null),
      path: path("Prefix at segment ends, stripped before routing.").meta({ defaultText: "/<service>" }),
    }),
    Joi.string().valid("none"),
  )
    .description("Which requests reach the service; `none`: none, it is only a secondary.")
    .meta({ defaultText: "path /<service>" }),
  health: Joi.object({
    path: path("Probed with GET; 2xx is healthy.").required(),
    intervalMs: millis("Time between two probes.", 5000, { min: 100, max: 3_600_000 }),
    timeoutMs: millis("A slower answer is a failure.", 2000, { min: 10, max: 60_000 }),
    rise: integer("Successes that bring an instance back.", 2, { min: 1, max: 100 }),
    fall: integer("Failures that take it out.", 3, { min: 1, max: 100 }),
  })
    .allow(null)
    .description("Active health checks; null: none.")
    .default(null),
  callbackAuth: Joi.object({
    mode: oneOf("Which proof a callback needs.", ["token", "signature", "either", "both", "none"]).meta({
      defaultText: "either where secrets are given, else token",
    }),
    secrets: list("Standard Webhooks secrets (whsec_…), newest first.", signingSecret("A secret."), 10),
    sharedToken: token("Shared token of a service with one fixed webhook address.").allow(null).default(null),
    insecure: flag("Needed for mode none.", false),
  })
    .description("How the service proves that a callback is its own.")
    .default(),
  limits: Joi.object({
    maxInFlight: integer("Requests in flight per replica; beyond it they queue.", 1024, {
      min: 1,
      max: 100_000,
    }),
    maxQueue: integer("Requests waiting in the queue.", 4096, { max: 100_000 }),
    queueTimeoutMs: millis("Longest wait in the queue.", 10_000, { max: 600_000 }),
  })
    .description("Protects the service from too much at once.")
    .default(),
  timeouts: Joi.object({
    connectMs: millis("DNS, connect and TLS.", 5000, { max: 600_000 }),
    firstByteMs: millis("Until the head of the response.", 300_000, { max: 86_400_000 }),
    idleMs: millis("Between two parts of the body.", 60_000, { max: 86_400_000 }),
  })
    .description("How long the service may take.")
    .default(),
  credential: Joi.alternatives()
    .conditional(Joi.string(), {
      then: Joi.string().valid("none"),
      otherwise: list(
        "Field names, or cookie.<name>.",
        text("A field name or cookie.<name>.", checkCredential),
      ),
    })
    .description("What tells one client's requests from another's; `none`: nothing.")
    .default(["authorization", "cookie"]),
  ignoredCookies: list(
    "Cookies that tell nothing about who asks (analytics, load balancers), names may end in *: they count in no identity and keep no page out of the cache.",
    text("A cookie's name.", checkCookieName),
    200,
    "dynamic",
  )
    .default([...usualIgnoredCookies])
    .meta({ defaultText: "the usual ones; `check-config` prints them" }),
  access: oneOf(
    "Who may read a process by its id: whoever has the id, or its owner alone. Changing one always takes its owner.",
    ["id", "owner"],
    "id",
  ),
  preserveHost: flag("Forward the client's Host instead of the instance's.", false),
  breaker: Joi.object({
    failures: integer("Consecutive failures that open the circuit.", 5, { min: 1, max: 10_000 }),
    openMs: millis("How long it stays open before a trial.", 10_000, { max: 3_600_000 }),
  })
    .allow(null)
    .description("Circuit breaker; null: none.")
    .default(null),
  honoursKey: flag(
    "The service honours Idempotency-Key or Sticky-Fence, so an unsafe request may be sent again.",
    false,
  ),
  routes: list("Policies by method and path; what no route matches is proxied plainly.", route, 1000),
});

const checkPrefix = (value: string): string | null =>
  /^[A-Za-z0-9_.-]{1,32}:$/.test(value) ? null : 'must be a word and a colon, such as "sp:"';
const checkAddressName = (value: string): string | null =>
  value === "::" || checkCidr(value) === null || checkHost(value) === null
    ? null
    : "must be a host or an address";
const secretWord = (about: string): Joi.StringSchema => Joi.string().min(1).max(1024).description(about);

const redis = Joi.object({
  url: redisUrl("One Redis.").allow(null).meta({ defaultText: "redis://127.0.0.1:6379" }),
  sentinels: Joi.object({
    master: Joi.string().min(1).max(128).description("Name of the master set.").required(),
    nodes: list("Sentinels as host:port.", text("host:port.", checkHostPort), 100, "dynamic")
      .min(1)
      .required(),
    username: secretWord("Redis user.").allow(null).default(null),
    password: secretWord("Redis password.").allow(null).default(null),
    sentinelPassword: secretWord("Password of the sentinels.").allow(null).default(null),
    db: integer("Database number.", 0, { max: 1000 }),
    tls: flag("Speak TLS.", false),
  })
    .allow(null)
    .description("Redis behind Sentinel, instead of url.")
    .default(null),
  cluster: Joi.object({
    nodes: list("Some nodes as host:port.", text("host:port.", checkHostPort), 100, "dynamic")
      .min(1)
      .required(),
    username: secretWord("Redis user.").allow(null).default(null),
    password: secretWord("Redis password.").allow(null).default(null),
    tls: flag("Speak TLS.", false),
  })
    .allow(null)
    .description("Redis Cluster, instead of url.")
    .default(null),
  profile: oneOf(
    "How much may be lost; the Redis settings are checked against it.",
    ["dev", "standard", "ha", "ha+quorum"],
    "standard",
  ),
  enforce: flag(
    "Wrong Redis settings make the node not ready; true when a profile is named, else they are only told.",
    false,
  ),
  strict: flag("Redis settings that cannot be seen count as wrong.", false),
  keyPrefix: text("Begins every key.", checkPrefix).default("sp:"),
  lockNodes: list("Independent lock Redises of ha+quorum: odd, at least 3.", redisUrl("One lock Redis."), 15),
  partitions: integer("Fixed at first start.", 64, { min: 1, max: 1024 }),
});

const limits = Joi.object({
  headerBytes: bytes("Request head, 431 above.", 16_384, { min: 1024, max: 1024 * 1024 }),
  headerLines: integer("Lines of it, 431 above.", 128, { min: 8, max: 2000 }),
  targetBytes: bytes("Request target, 414 above.", 8192, { min: 64, max: 65_536 }),
  upstreamHeaderBytes: bytes("Response head of a service, 502 above.", 16_384, {
    min: 1024,
    max: 1024 * 1024,
  }),
  headersTimeoutMs: millis("For the whole request head, 408.", 10_000, { min: 100, max: 600_000 }),
  bodyTimeoutMs: millis("For the whole request body, 408.", 300_000, { min: 100, max: 86_400_000 }),
  bodyMinBytesPerSecond: integer("Least rate of a request body after 5 s, 408; 0: none.", 256),
  writeIdleMs: millis("A client that takes no byte for so long is cut off.", 60_000, {
    min: 100,
    max: 3_600_000,
  }),
  keepAliveMs: millis("Idle client connections: above the balancer's.", 65_000, { max: 3_600_000 }),
  upstreamKeepAliveMs: millis("Idle connections to services: below theirs.", 4000, { max: 3_600_000 }),
  maxRequestsPerSocket: integer("Requests per client connection; 0: no limit.", 100_000),
  maxConnections: integer("Client connections of this node.", 10_000, { min: 1 }),
  maxConnectionsPerAddress: integer("Client connections per address; 0: no limit.", 0),
  maxWaiters: integer("Clients held for a result on this node; one caller gets nine tenths.", 10_000, {
    min: 1,
  }),
  maxEventStreams: integer("Event streams open on this node; one caller gets nine tenths.", 2000, { min: 1 }),
});

const webhook = Joi.object({
  url: url("Where events go.").required(),
  secrets: list(
    "Standard Webhooks secrets (whsec_…), newest first.",
    signingSecret("A secret."),
    10,
    "dynamic",
  )
    .min(1)
    .required(),
  allowPrivate: flag("The address may be private.", false),
});

export const schema = Joi.object({
  node: text("Name of this node; unique among the replicas.", (value) =>
    /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/.test(value)
      ? null
      : "must be 1 to 63 letters, digits, dots and dashes",
  ).meta({ defaultText: "<host name>-<random>" }),
  log: Joi.object({
    level: oneOf("Least level that is written.", ["error", "warn", "info", "debug"], "info"),
  })
    .description("Logs: JSON lines on stdout.")
    .default(),
  host: text("Address of the data plane; null: every interface.", checkAddressName).allow(null).default(null),
  port: port("Port of the data plane; 0: any free one.", 8080),
  opsHost: text("Address of /livez, /readyz, /metrics; null: every interface.", checkAddressName)
    .allow(null)
    .default("127.0.0.1"),
  opsPort: port("Port of /livez, /readyz, /metrics.", 9180).meta({
    defaultText: "9180; 9181 for serve sweeper",
  }),
  adminHost: text("Reserved for the admin service: its address.", checkAddressName)
    .allow(null)
    .default("127.0.0.1"),
  adminPort: port("Reserved for the admin service: its port.", 8090),
  publicUrl: origin("Base of callback URLs: usually the balancer's address.")
    .allow(null)
    .default(null)
    .meta({ defaultText: "http://127.0.0.1:<port>" }),
  hosts: list(
    "Hosts this gateway answers for, 421 for others; empty: all.",
    text("A host.", checkHost),
    1000,
  ),
  trustedProxies: list("Peers whose forwarding fields are believed.", text("A CIDR block.", checkCidr), 1000),
  trustedPeers: list("Peers whose x-dual-write-executed counts.", text("A CIDR block.", checkCidr), 1000),
  mirror: Joi.object({
    secrets: list(
      "Secrets (whsec_…) that sign loop markers between gateways in a row, newest first.",
      signingSecret("A secret."),
      10,
    ),
  })
    .description("What all mirrored routes share.")
    .default(),
  limits: limits.description("Sizes and times of the client side.").default(),
  redis: redis.description("The state store.").default(),
  cache: Joi.object({
    redis: redisUrl("A Redis of the cache's own; null: the state store.").allow(null).default(null),
    maxBytes: bytes("Eviction starts here.", 256 * 1024 * 1024),
    memoryBytes: bytes("Bodies kept in this node's memory.", 64 * 1024 * 1024, { min: 0 }),
    purgeToken: token("Bearer token that allows PURGE; null: PURGE is off.").allow(null).default(null),
  })
    .description("Where the RFC 9111 cache lives.")
    .default(),
  sweeper: Joi.object({
    tickMs: millis("Time between two looks, ±20 %.", 500, { min: 10, max: 60_000 }),
    batch: integer("Alarms taken per partition and look.", 100, { min: 1, max: 10_000 }),
  })
    .description("The worker that answers alarms.")
    .default(),
  retention: Joi.object({
    deadLetterMs: millis("How long a dead letter is kept to be redriven.", 30 * 86_400_000),
    timelineEntries: integer("Transitions kept per partition.", 1000, { min: 10, max: 1_000_000 }),
  })
    .description("What is kept for people.")
    .default(),
  shutdown: Joi.object({
    drainDelayMs: millis("From not ready to the first refusal; skipped on SIGINT.", 5000, {
      min: 0,
      max: 600_000,
    }),
    hardMs: millis("Exit with 1 when still alive.", 25_000, { min: 100, max: 3_600_000 }),
  })
    .description("SIGTERM and SIGINT.")
    .default(),
  webhooks: Joi.object()
    .pattern(serviceName, webhook)
    .description("Endpoints that Sticky-Callback may name.")
    .default({}),
  services: Joi.object()
    .pattern(serviceName, service)
    .description("The services behind the gateway, by name.")
    .default({}),
});

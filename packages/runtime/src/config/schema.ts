/** The whole schema. One for all services; unknown keys are refused by joi's default. */
import { checkCidr, checkHost, serviceName } from "./checks.ts";
import {
  bytes,
  flag,
  integer,
  list,
  millis,
  oneOf,
  origin,
  port,
  redisUrl,
  signingSecret,
  text,
  token,
  url,
} from "./formats.ts";
import { alerts } from "./schema/alerts.ts";
import { admin } from "./schema/admin.ts";
import { authentication } from "./schema/authentication.ts";
import { budgets } from "./schema/budgets.ts";
import { cors } from "./schema/cors.ts";
import { encryption } from "./schema/encryption.ts";
import { limits } from "./schema/limits.ts";
import { redis } from "./schema/redis.ts";
import { service } from "./schema/service.ts";
import { tls } from "./schema/tls.ts";
import { mapping, record } from "./shapes.ts";

const checkAddressName = (value: string): string | null =>
  value === "::" || checkCidr(value) === null || checkHost(value) === null
    ? null
    : "must be a host or an address";

const webhook = mapping({
  url: url("Where events go.").required(),
  secrets: list("Standard Webhooks secrets (whsec_…), newest first.", signingSecret("A secret."), {
    min: 1,
    max: 10,
  }).required(),
  allowPrivate: flag("The address may be private.", false),
});

const purgeToken = mapping({
  token: token("Bearer token.").required(),
  services: list(
    "Services whose pages it may drop; empty: all, and tags.",
    text("A service.", (name) => (serviceName.test(name) ? null : "must be the name of a service")),
  ),
  peers: list("Client addresses that may use it; empty: all.", text("A CIDR block.", checkCidr)),
});

export const schema = mapping({
  node: text("Name of this node; unique among the replicas.", (value) =>
    /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/.test(value)
      ? null
      : "must be 1 to 63 letters, digits, dots and dashes",
  ).meta({ defaultText: "<host name>-<random>" }),
  log: mapping({
    level: oneOf("Least level that is written.", ["error", "warn", "info", "debug"], "info"),
    format: oneOf(
      "Form of a line: json, console (for people), or auto: console where stdout is a terminal.",
      ["auto", "json", "console"],
      "auto",
    ),
  })
    .description("Logs: a line per event on stdout.")
    .default(),
  host: text("Address of the data plane; null: every interface.", checkAddressName).allow(null).default(null),
  port: port("Port of the data plane; 0: any free one.", 8080),
  opsHost: text("Address of /livez, /readyz, /metrics; null: every interface.", checkAddressName)
    .allow(null)
    .default("127.0.0.1"),
  opsPort: port("Port of /livez, /readyz, /metrics.", 9180).meta({
    defaultText: "9180; 9181 for serve sweeper, 9182 for serve admin",
  }),
  adminHost: text("Address of the admin API and panel; null: every interface.", checkAddressName)
    .allow(null)
    .default("127.0.0.1"),
  adminPort: port("Port of the admin API and panel.", 8090),
  admin,
  publicUrl: origin("Base of callback URLs: usually the balancer's address.")
    .as(
      (base) => base.replace(/\/$/, ""),
      (base) => base,
    )
    .allow(null)
    .default(null)
    .meta({ defaultText: "http://127.0.0.1:<port>" }),
  hosts: list("Hosts this gateway answers for, 421 for others; empty: all.", text("A host.", checkHost), {
    max: 1000,
  }),
  trustedProxies: list("Peers whose forwarding fields are believed.", text("A CIDR block.", checkCidr), {
    max: 1000,
  }),
  proxyProtocol: list(
    "Peers whose connections begin with a PROXY protocol header (v1 or v2), before TLS too; nobody else's may.",
    text("A CIDR block.", checkCidr),
    { max: 1000 },
  ),
  trustedPeers: list("Peers whose x-dual-write-executed counts.", text("A CIDR block.", checkCidr), {
    max: 1000,
  }),
  tls: tls
    .allow(null)
    .description("TLS of the data plane; null: clear text. Changed files are taken over without a restart.")
    .default(null),
  authentication,
  tokens: mapping({
    secrets: list(
      "Secrets of execution and owner tokens, newest first: the first makes them, all hold; empty: one that lies in the store.",
      token("A secret of 32 characters or more."),
      { max: 10 },
    ),
    acceptStored: flag(
      "Tokens of the store's own secret hold as well: while processes of before are under way.",
      false,
    ),
  })
    .description("What makes the tokens by which services report and owners keep control.")
    .default(),
  cors: cors
    .allow(null)
    .description(
      "What pages of other origins may do with the gateway's own resources below /_sticky; null: nothing.",
    )
    .default(null),
  mirror: mapping({
    secrets: list(
      "Secrets (whsec_…) that sign loop markers between gateways in a row, newest first.",
      signingSecret("A secret."),
      { max: 10 },
    ),
    alerts,
  })
    .description("What all mirrored routes share.")
    .default(),
  limits: limits.description("Sizes and times of the client side.").default(),
  budgets: budgets
    .description("What one caller may use: its proved principal, else its address (an IPv6 /64 is one).")
    .default(),
  encryption: encryption
    .description(
      "What clients and services sent, at rest in the state store (AES-256-GCM); without keys it stands there in clear.",
    )
    .default(),
  redis: redis.description("The state store.").default(),
  cache: mapping({
    redis: redisUrl("A Redis of the cache's own; null: the state store.").allow(null).default(null),
    maxBytes: bytes(
      "Bound of what the cache takes of the state store's memory, for all nodes together; from four fifths of it on the least recently used goes. A Redis of the cache's own keeps its own.",
      256 * 1024 * 1024,
    ),
    memoryBytes: bytes("Bodies kept in this node's memory.", 64 * 1024 * 1024, { min: 0 }),
    purgeToken: token("Bearer token that allows PURGE of everything, to everybody who has it; null: none.")
      .allow(null)
      .default(null),
    purgeTokens: list("Tokens that allow PURGE within bounds; without any token PURGE is off.", purgeToken),
    purgesPerSecond: integer("PURGE of one client address; twice as many at once.", 50, {
      min: 1,
      max: 100_000,
    }),
  })
    .description("Where the RFC 9111 cache lives.")
    .default(),
  sweeper: mapping({
    tickMs: millis("Time between two looks, ±20 %.", 500, { min: 10, max: 60_000 }),
    batch: integer("Alarms taken per partition and look.", 100, { min: 1, max: 10_000 }),
  })
    .description("The worker that answers alarms.")
    .default(),
  retention: mapping({
    deadLetterMs: millis("How long a dead letter is kept to be redriven.", 30 * 86_400_000),
    timelineEntries: integer("Lines kept of one process's timeline; the oldest go first.", 100, {
      min: 10,
      max: 10_000,
    }),
  })
    .description("What is kept for people.")
    .default(),
  shutdown: mapping({
    drainDelayMs: millis("From not ready to the first refusal; skipped on SIGINT.", 5000, {
      min: 0,
      max: 600_000,
    }),
    hardMs: millis("Exit with 1 when still alive.", 25_000, { min: 100, max: 3_600_000 }),
  })
    .description("SIGTERM and SIGINT.")
    .default(),
  webhooks: record(serviceName, webhook).description("Endpoints that Sticky-Callback may name.").default({}),
  services: record(serviceName, service).description("The services behind the gateway, by name.").default({}),
});

/** What the schema has accepted, its own defaults applied: {@link resolveConfig} makes the configuration of it. */
export type ValidConfig = (typeof schema)["value"];
/** What sticky.yaml may hold. */
export type WrittenConfig = (typeof schema)["written"];
/** What is left of a configuration when refused entries are taken out; a list keeps a hole where an item was. */
export type SoundConfig = (typeof schema)["sound"];

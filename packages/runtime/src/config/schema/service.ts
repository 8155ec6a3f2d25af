/** A service: its instances, how its callbacks are proved, its limits, its routes. */
import { usualIgnoredCookies } from "@sticky-proxy/core/principal";
import { usualEnvelope, type ErrorEnvelope } from "@sticky-proxy/protocol";
import { checkFieldName, checkHost } from "../checks.ts";
import {
  decimal,
  flag,
  fraction,
  integer,
  list,
  millis,
  oneOf,
  origin,
  path,
  prefix,
  signingSecret,
  text,
  token,
  word,
} from "../formats.ts";
import { anyMapping, either, exactlyOne, mapping, record, wordOr } from "../shapes.ts";
import { authenticationMode } from "./authentication.ts";
import { cors } from "./cors.ts";
import { conditions, hostPatterns } from "./match.ts";
import { route, setFields } from "./route.ts";
import { upstreamTls } from "./tls.ts";

const hostName = /^[a-z0-9_][a-z0-9_.-]{0,252}$/;

const checkInstanceName = (value: string): string | null =>
  /^[A-Za-z0-9][A-Za-z0-9._:[\]-]{0,99}$/.test(value)
    ? null
    : "must be letters, digits, dots, colons and dashes";

const checkCredential = (value: string): string | null =>
  value.startsWith("cookie.") ? checkFieldName(value.slice(7)) : checkFieldName(value);

const checkCookieName = (value: string): string | null => checkFieldName(value.replace(/\*$/, ""));

/** Cookie names keep their case (RFC 6265), field names have none. */
const credentialName = text("A field name or cookie.<name>.", checkCredential).as(
  (name) => (name.startsWith("cookie.") ? name : name.toLowerCase()),
  (name) => name,
);

const instance = either(
  mapping({
    url: origin("Origin of the instance.").required(),
    name: text("Name in logs and metrics.", checkInstanceName).meta({ defaultText: "host:port" }),
    weight: decimal("Share of the load.", 1, { min: 0.01, max: 1000 }),
  }),
  origin("Origin of the instance.").as(
    (url): { readonly url: string; readonly name?: string; readonly weight: number } => ({ url, weight: 1 }),
    ({ url }) => url,
  ),
);

export const service = mapping({
  instances: list("Base URLs of the service.", instance, { min: 1 }).required(),
  match: either(
    mapping({
      host: hostPatterns
        .allow(null)
        .description("One host or several, lower-case; `*.example.com` takes every name below it; null: any.")
        .default(null),
      path: prefix("Prefix at segment ends, stripped before routing.").meta({ defaultText: "/<service>" }),
      strip: flag("false: the service knows the prefix, so its routes and itself see whole paths.", true),
      ...conditions,
    }),
    oneOf("Reached by no request.", ["none"]),
  )
    .description("Which requests reach the service; `none`: none, it is only a secondary.")
    .meta({ defaultText: "path /<service>" }),
  health: mapping({
    path: path("Probed with GET; 2xx is healthy.").required(),
    intervalMs: millis("Time between two probes.", 5000, { min: 100, max: 3_600_000 }),
    timeoutMs: millis("A slower answer is a failure.", 2000, { min: 10, max: 60_000 }),
    rise: integer("Successes that bring an instance back.", 2, { min: 1, max: 100 }),
    fall: integer("Failures that take it out.", 3, { min: 1, max: 100 }),
  })
    .allow(null)
    .description("Active health checks; null: none.")
    .default(null),
  callbackAuth: mapping({
    mode: oneOf(
      "Which proof a callback needs; signature and both: the token and a signature, at a fixed address a signature.",
      ["token", "signature", "either", "both", "none"],
    ).meta({
      defaultText: "either where secrets are given, else token",
    }),
    secrets: list("Standard Webhooks secrets (whsec_…), newest first.", signingSecret("A secret."), {
      max: 10,
    }),
    sharedToken: token("Shared token of a service with one fixed webhook address.").allow(null).default(null),
    insecure: flag("Needed for mode none.", false),
  })
    .description("How the service proves that a callback is its own.")
    .default(),
  limits: mapping({
    maxInFlight: integer("Requests in flight per replica; beyond it they queue.", 1024, {
      min: 1,
      max: 100_000,
    }),
    maxQueue: integer("Requests waiting in the queue.", 4096, { max: 100_000 }),
    queueTimeoutMs: millis("Longest wait in the queue.", 10_000, { max: 600_000 }),
  })
    .description("Protects the service from too much at once.")
    .default(),
  timeouts: mapping({
    connectMs: millis("DNS, connect and TLS.", 5000, { max: 600_000 }),
    firstByteMs: millis("Until the head of the response.", 300_000, { max: 86_400_000 }),
    idleMs: millis("Between two parts of the body.", 60_000, { max: 86_400_000 }),
  })
    .description("How long the service may take.")
    .default(),
  tls: upstreamTls
    .allow(null)
    .description("TLS with `https` instances; null: the system's authorities, no client certificate.")
    .default(null),
  fields: setFields(
    "Fields that its instances get with every request, copies too, in place of the client's: the gateway's own credential there. They go with the backend when it is switched.",
  ),
  credential: wordOr(["none"], list("Field names, or cookie.<name>.", credentialName))
    .as(
      (names) => (names === "none" ? [] : names),
      (names) => (names.length === 0 ? "none" : names),
    )
    .description("What tells one client's requests from another's; `none`: nothing.")
    .default(["authorization", "cookie"]),
  ignoredCookies: list(
    "Cookies that tell nothing about who asks (analytics, load balancers), names may end in *: they count in no identity and keep no page out of the cache.",
    text("A cookie's name.", checkCookieName),
    { max: 200 },
  )
    .default(usualIgnoredCookies)
    .meta({ defaultText: "the usual ones; `check-config` prints them" }),
  access: oneOf(
    "Who may read a process by its id: whoever has the id, or its owner alone. Changing one always takes its owner.",
    ["id", "owner"],
    "id",
  ),
  authentication: authenticationMode,
  errorEnvelope: anyMapping()
    .as(
      (template) => template as ErrorEnvelope,
      (template) => template,
    )
    .description(
      "Members that problems of the gateway also carry, as a template: {type}, {code}, {message}, {title}, {status}, {requestId}, {processId}.",
    )
    .default(usualEnvelope)
    .meta({ defaultText: "error: { type, code, message }" }),
  hostAliases: record(hostName, text("The host as which it counts.", checkHost), 1000)
    .as(
      (written): ReadonlyMap<string, string> => new Map(Object.entries(written)),
      (aliases) => Object.fromEntries(aliases),
    )
    .description(
      "Hosts that count as another one (www, an internal name): in `match`, in identities, in the cache.",
    )
    .meta({ defaultText: "{}" })
    .default(new Map()),
  preserveHost: flag(
    "Forward the client's Host instead of the instance's; the host is then part of every identity.",
    false,
  ),
  rewrite: oneOf(
    "auto: its own paths and addresses in Location, Content-Location, Link, Refresh and cookie paths are mapped below its prefix, a client's Destination back; off: they stay.",
    ["auto", "off"],
    "auto",
  ),
  affinity: wordOr(
    ["address"],
    exactlyOne({
      cookie: text("A cookie of the request.", checkFieldName),
      field: text("A field of the request.", checkFieldName),
    }),
  )
    .allow(null)
    .description(
      "What keeps a client at one instance while that is usable: its `address`, or a value that it sends from its first request on; null: load alone decides.",
    )
    .default(null),
  breaker: mapping({
    failures: integer(
      "As many failures in a row of one caller open the circuit for it; as many callers whose last request failed, within a minute and without a success of anybody between, open it for all.",
      5,
      { min: 1, max: 10_000 },
    ),
    openMs: millis("How long it stays open before a trial.", 10_000, { max: 3_600_000 }),
  })
    .allow(null)
    .description("Circuit breaker; null: none.")
    .default(null),
  honoursKey: flag(
    "The service honours Idempotency-Key or Sticky-Fence, so an unsafe request may be sent again.",
    false,
  ),
  paceBy: oneOf(
    "Whom a 429 with Retry-After pauses: its principal (anonymous: the address), while a 503 pauses the instance that said it; or both the whole service.",
    ["principal", "service"],
    "principal",
  ),
  cors: cors
    .allow(null)
    .description("What pages of other origins may do; null: the service's own answers say.")
    .default(null),
  migration: mapping({
    to: word("The service of the other backend, with `match: none`.", 63).required(),
    maxDifferenceRate: fraction("Largest share of compared pairs that may differ at a switch.", 0),
    minCompared: integer("Pairs that must have been compared before a switch.", 1),
    barrierMs: millis("How long writes wait at most while the last copies are made.", 10_000, {
      min: 3000,
      max: 60_000,
    }),
  })
    .allow(null)
    .description(
      "`mirror phase` and `mirror switch` may move its clients to another backend: its writes then need a fresh look at Redis, and are 503 where a node cannot have one; null: its file alone says where they go.",
    )
    .default(null),
  routes: list("Policies by method and path; what no route matches is proxied plainly.", route, {
    max: 1000,
  }),
});

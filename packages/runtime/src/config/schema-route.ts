/** A route's part of the schema: process, cache, mirror. Pure description; relations are in relations.ts. */
import Joi from "joi";
import {
  byIdentity,
  bytes,
  checkFieldName,
  checkFieldValue,
  checkMethod,
  field,
  flag,
  fraction,
  integer,
  list,
  millis,
  oneOf,
  path,
  pointer,
  text,
} from "./formats.ts";
import { defaults, process, retries } from "./schema-process.ts";

const names = (about: string): Joi.ArraySchema => list(about, Joi.string().min(1).max(128));

const cache = Joi.object({
  profile: oneOf(
    "safe stores no Set-Cookie and is strict about stale; conformance is RFC 9111 to the letter.",
    ["safe", "conformance"],
    "safe",
  ),
  defaultTtlMs: millis("Lifetime where the response says nothing; null: heuristics.", null, { min: 0 }).allow(
    null,
  ),
  maxTtlMs: millis("Caps every lifetime; null: no cap.", null, { min: 0 }).allow(null),
  negativeTtlMs: Joi.object()
    .pattern(
      /^[45]\d\d$/,
      millis("Lifetime of that status.", "dynamic", { min: 0, max: 3_600_000 }).required(),
    )
    .description("Lifetime by error status where the response says nothing, e.g. {404: 5000}.")
    .default({}),
  staleWhileRevalidateMs: millis(
    "Serve stale and refresh behind it, where the response says nothing.",
    null,
    { min: 0 },
  ).allow(null),
  staleIfErrorMs: millis("Serve stale on error, where the response says nothing.", null, { min: 0 }).allow(
    null,
  ),
  maxObjectBytes: bytes("Larger responses are not stored.", 8 * 1024 * 1024),
  maxVariants: integer("Variants per key.", 16, { min: 1, max: 256 }),
  query: Joi.object({
    sort: flag("Order of parameters does not matter.", false),
    allow: names('Parameters that count; "*" may end a name; null: all.').allow(null).default(null),
    deny: names("Parameters that do not count, e.g. utm_*."),
  })
    .description("How the query enters the key.")
    .default(),
  keyHeaders: list("Request fields that enter the key.", field("A field name.")),
  keyCookies: names("Cookies that enter the key."),
  tags: Joi.valid(true, false, "header", "none")
    .description("Read Surrogate-Key and Cache-Tag: `header` or `none`.")
    .default("header"),
  bypass: Joi.object({
    authorization: flag("Requests with Authorization are not looked up.", false),
    cookies: names("Requests with one of these cookies are not looked up."),
  })
    .description("Requests that pass by the cache.")
    .default(),
  ttlJitter: fraction("Lifetimes we chose are shortened by up to this share.", 0, 0.1),
  collapseCredentials: flag("Collapse requests with Authorization or Cookie too.", false),
  cacheStatusKey: flag("Show the key in Cache-Status.", false),
});

const at = pointer('Where: a JSON Pointer; "*" is one token, "**" any number.').required();
const rule = Joi.object({
  at,
  kind: oneOf("The mask.", ["type", "format", "tolerance", "timeTolerance", "set", "keyed"]).required(),
  format: oneOf("kind format: what both sides must look like.", ["uuid", "timestamp", "hash"]).when("kind", {
    is: "format",
    then: Joi.required(),
    otherwise: Joi.forbidden(),
  }),
  amount: Joi.number().min(0).description("kind tolerance: largest difference.").when("kind", {
    is: "tolerance",
    then: Joi.required(),
    otherwise: Joi.forbidden(),
  }),
  ms: Joi.number().min(0).description("kind timeTolerance: largest difference.").when("kind", {
    is: "timeTolerance",
    then: Joi.required(),
    otherwise: Joi.forbidden(),
  }),
  by: pointer("kind keyed: the member that names an item.").when("kind", {
    is: "keyed",
    then: Joi.required(),
    otherwise: Joi.forbidden(),
  }),
});

const mirror = Joi.object({
  to: Joi.string().max(63).description("Name of the secondary service.").required(),
  mode: oneOf("shadow may shed; dual-write is durable and ordered; dual-read compares GET and HEAD.", [
    "off",
    "shadow",
    "dual-write",
    "dual-read",
  ]).required(),
  rate: byIdentity(fraction("Share of order keys that are mirrored; not with dual-write.", "dynamic"), "1"),
  outbox: oneOf("required: no intent written, no call made.", ["best-effort", "required"], "best-effort"),
  orderKey: Joi.object({
    header: field("A request field."),
    json: pointer("A pointer into the body."),
    path: text('A template such as "/users/{id}".', (value) =>
      /^\/[\x21-\x7e]*$/.test(value) ? null : "must be a path template",
    ),
  })
    .length(1)
    .allow(null)
    .description(
      "Requests with one key reach the secondary in order; null: proved principal and path, behind earlier ones of the paths above.",
    )
    .default(null),
  mirror4xx: flag("dual-write sends requests that the primary answered 4xx too.", false),
  credentials: oneOf(
    "Authorization, Cookie and API keys toward the secondary; forward not with dual-write.",
    ["drop", "forward"],
    "drop",
  ),
  onDeadKey: oneOf("After giving up on an entry.", ["stop-key", "continue"], "stop-key"),
  maxAgeMs: millis("How long the secondary is tried.", 86_400_000),
  maxLag: Joi.object({
    entries: integer("Entries waiting.", 100_000, { min: 1 }),
    bytes: bytes("Bytes waiting.", 1024 ** 3),
  })
    .description("Beyond it shadow sheds and an alert is due.")
    .default(),
  compare: Joi.object({
    sampleRate: fraction("Share of pairs that are compared.", 1),
    status: oneOf("Equal code, or equal class.", ["exact", "class"], "exact"),
    headers: list("Response fields that are compared.", field("A field name.")).default([
      "content-type",
      "location",
    ]),
    exactErrors: flag("Compare the bodies of error answers too.", false),
    ignore: list(
      'Pointers that do not count; "*" is one token, "**" any number.',
      pointer("A pointer."),
      1000,
    ),
    rules: list("Masks that are weaker than equality.", rule, 1000),
    ttlMs: millis("How long a difference record is kept.", 7 * 86_400_000),
    maxDifferences: integer("Differences listed per comparison.", 200, { min: 1, max: 10_000 }),
  })
    .description("How the two answers are compared.")
    .default(),
});

const setFields = (about: string): Joi.Schema =>
  Joi.object({
    set: Joi.object()
      .pattern(
        Joi.string().custom((name: string, helpers) => {
          const wrong = checkFieldName(name);
          return wrong === null ? name : helpers.message({ custom: wrong });
        }),
        text("The value.", checkFieldValue, 4096).allow(""),
      )
      .max(32)
      .description(about)
      .default({}),
  }).default();

export const route = Joi.object({
  name: text("Name in metrics and records.", (value) =>
    /^[\x21-\x7e](?:[\x20-\x7e]{0,98}[\x21-\x7e])?$/.test(value)
      ? null
      : "must be 1 to 100 printable characters",
  ).meta({ defaultText: "METHODS path" }),
  match: Joi.object({
    methods: list("Methods; empty: any.", text("A method.", checkMethod)),
    path: path("Prefix at segment ends, after the service's own prefix is stripped.").default("/"),
  })
    .description("Which requests; the first matching route wins.")
    .default(),
  process: process
    .allow(null)
    .description("Makes matching requests processes. Never together with cache.")
    .default(null),
  cache: cache.allow(null).description("RFC 9111 cache for GET and HEAD.").default(null),
  mirror: mirror
    .allow(null)
    .description("Sends the same request to a second service and compares.")
    .default(null),
  maxBodyBytes: byIdentity(
    bytes("Largest request body, 413 above.", "dynamic", { min: 0 }),
    `${defaults.processBodyBytes} with a process, else ${defaults.plainBodyBytes}`,
  ),
  headers: Joi.object({
    request: setFields("Fields set on the way to the service."),
    response: setFields("Fields set on the way back."),
  })
    .description("Header fields that the gateway sets.")
    .default(),
  bodySchema: Joi.object()
    .unknown(true)
    .allow(null)
    .description("JSON Schema that a JSON body must match; 422 before anything is sent.")
    .default(null),
  retries: retries.description("How often a request that did not run is sent again.").meta({
    defaultText: "attempts 1",
  }),
  allowUpgrade: flag("Let WebSocket upgrades through.", false),
});

/** A route's part of the schema: process, cache, mirror. Pure description; relations are in relations.ts. */
import Joi from "joi";
import {
  bytes,
  checkFieldName,
  checkFieldValue,
  checkMethod,
  either,
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
  url,
} from "./formats.ts";

export const defaults = {
  processBodyBytes: 1024 * 1024,
  plainBodyBytes: 100 * 1024 * 1024,
  resultTtlMs: 86_400_000,
  heldWaitMs: 60_000,
  callbackDeadlineMs: 3_600_000,
} as const;

const unknownWords = ["release", "fail", "retry", "probe"] as const;
const duplicateWords = ["join", "reject", "replace"] as const;

/** A default that depends on other entries: resolved later, described here in words. */
function byIdentity<S extends Joi.Schema>(schema: S, words: string): S {
  return schema.meta({ defaultText: words }) as S;
}

const pair = (about: string): Joi.Schema =>
  Joi.object({
    response: pointer("Pointer into the service's answer.").required(),
    callback: pointer("Pointer into the callback.").required(),
  })
    .allow(null)
    .description(about)
    .default(null);

const callback = Joi.object({
  inject: Joi.object({
    query: text("Query parameter that gets the callback URL.", (name) =>
      /^[A-Za-z0-9_.~-]{1,64}$/.test(name) ? null : "must be a query parameter name",
    )
      .allow(null)
      .default(null),
    json: pointer(
      "JSON Pointer of the body member that gets the callback URL; a body that cannot hold it is refused.",
    )
      .invalid("")
      .allow(null)
      .default(null),
    header: field("Header field that gets the callback URL, besides Sticky-Callback-Url.")
      .allow(null)
      .default(null),
  })
    .description("Where a service expects the callback address.")
    .default(),
  accept: Joi.object({
    status: pointer("Where the outcome word stands.").required(),
    completed: list("Words that mean completed.", Joi.string().min(1).max(128)).default(["completed"]),
    failed: list(
      "Words that mean failed; any other word is a heartbeat.",
      Joi.string().min(1).max(128),
    ).default(["failed"]),
    result: pointer("Where the result stands; null: the whole payload.").allow(null).default(null),
    error: pointer("Where the error stands.").allow(null).default(null),
    jobId: pair("The job id in the callback must equal the one in the service's answer."),
  })
    .allow(null)
    .description("How to read the outcome from the service's own payload; null: the gateway's form.")
    .default(null),
  correlate: pair("For a service with one fixed webhook address: where the job id stands."),
});

export const retries = Joi.object({
  attempts: integer("Dispatches in all, the first included.", 1, { min: 1, max: 100 }),
  minMs: millis("Least backoff.", 200),
  maxMs: millis("Longest backoff.", 10_000),
});

const process = Joi.object({
  identity: oneOf("What makes two requests the same.", ["request", "key", "none"]).required(),
  key: byIdentity(
    oneOf("Identity `key`: what a request without Idempotency-Key means.", [
      "required",
      "optional",
      "ignored",
    ]),
    "required",
  ),
  waitMs: byIdentity(
    millis("How long a client is held for the result; 0: 202 at once.", "dynamic", {
      min: 0,
      max: 86_400_000,
    }),
    "0 for identity request, else 60000",
  ),
  onWaitEnd: byIdentity(
    oneOf("When the hold ends first: 202, or 504 for clients that take any 2xx for success.", [
      "accepted",
      "timeout",
    ]),
    "accepted for identity request (and none with completion callback), else timeout",
  ),
  completion: oneOf(
    "What ends an execution: the service's response, or its later callback.",
    ["response", "callback"],
    "response",
  ),
  onDuplicate: oneOf("A second identical request in flight.", duplicateWords, "join"),
  allowOnDuplicate: byIdentity(
    list(
      "What Sticky-On-Duplicate may ask for, besides onDuplicate.",
      Joi.string().valid(...duplicateWords),
      3,
      "dynamic",
    ),
    "[join, reject]",
  ),
  force: byIdentity(
    Joi.boolean().description("Sticky-Force is allowed."),
    "true for identity request, else false",
  ),
  leaseMs: millis("How long a silent node keeps a process; renewed every third.", 30_000, {
    min: 500,
    max: 3_600_000,
  }),
  deadlineMs: byIdentity(
    millis("From the first dispatch to the end of the process; null: none.", "dynamic").allow(null),
    "3600000 for completion callback, else null",
  ),
  heartbeatTimeoutMs: millis(
    "Awaiting a callback: the longest silence; null: only the deadline counts.",
    null,
  ).allow(null),
  resultTtlMs: millis("How long a result is replayed.", defaults.resultTtlMs, { min: 1 }),
  tombstoneMs: millis("How long an expired process answers 410.", 86_400_000, { min: 0 }),
  maxResultBytes: bytes("Larger results stream through and are not replayed.", 1024 * 1024, {
    max: 64 * 1024 * 1024,
  }),
  onUnknown: byIdentity(
    either(
      Joi.object({
        cut: oneOf("The connection was cut.", unknownWords),
        timeout: oneOf("The service did not answer in time.", unknownWords),
        lost: oneOf("The node that ran it is gone.", unknownWords),
      }),
      oneOf("One word for all three.", unknownWords),
    ).description("When nobody knows whether the service ran it."),
    "release; for identity key {cut: release, timeout: fail, lost: fail}",
  ),
  restartCancelled: byIdentity(
    Joi.boolean().description("After a cancel the same identity may start anew."),
    "false for identity key, else true",
  ),
  keepServerErrors: byIdentity(
    Joi.boolean().description("A 5xx of the service is kept and replayed; false: the identity is released."),
    "true for identity key, else false",
  ),
  notExecutedStatuses: list(
    "Statuses that say the service did not execute (503 only with Retry-After).",
    Joi.number().integer().min(400).max(599),
  ).default([425, 429, 503]),
  fingerprintHeaders: list("Request fields that enter the fingerprint.", field("A field name.")),
  storedHeaders: list(
    "Response fields kept in the result; empty: all end-to-end ones.",
    field("A field name."),
  ),
  callback: callback.description("How callbacks find their way and are read.").default(),
  pollLocation: either(
    Joi.object({
      minMs: millis("Least time between two polls.", 1000, { min: 10 }),
      maxMs: millis("Longest time between two polls.", 30_000, { min: 10 }),
    }),
    Joi.boolean(),
  )
    .description("Poll Location when the service answers 202; true: with the defaults.")
    .default(false),
  cancelHook: url("URL told about a cancel; null: none.").allow(null).default(null),
  probe: Joi.object({
    path: text('Path on the service; "{id}" and "{key}" are replaced.', (value) =>
      /^\/[\x21-\x7e]*$/.test(value) ? null : "must be a path",
    ).required(),
    intervalMs: millis("Time between two probes.", 5000, { min: 100 }),
  })
    .allow(null)
    .description("Asks the service what became of an unknown execution.")
    .default(null),
  keepRequest: byIdentity(
    Joi.boolean().description(
      "Keep the request, credentials included, after the process's end, so that it can be run again; until then, and as a dead letter, it is kept where it may be sent again anyway.",
    ),
    "true where force, retries or onUnknown may send it again",
  ),
  retries: retries
    .description("The same as the route's retries; give one of the two.")
    .meta({ defaultText: "the route's" }),
});

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
      "Requests with one key reach the secondary in order; null: tenant and path, behind earlier ones of the paths above.",
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

/** A route: what it matches, its policies, its header fields. */
import { checkFieldValue, checkMethod, checkRoutePath, fieldName } from "../checks.ts";
import { bytes, flag, list, oneOf, text } from "../formats.ts";
import { anyMapping, mapping, record } from "../shapes.ts";
import { cache } from "./cache.ts";
import { conditions, hostPatterns } from "./match.ts";
import { mirror } from "./mirror.ts";
import { defaults, process, retries } from "./process.ts";

export const setFields = (about: string) =>
  mapping({
    set: record(fieldName, text("The value.", checkFieldValue, { min: 0, max: 4096 }), 32)
      .as(
        (written): ReadonlyMap<string, string> =>
          new Map(Object.entries(written).map(([name, value]) => [name.toLowerCase(), value])),
        (fields) => Object.fromEntries(fields),
      )
      .description(about)
      .meta({ defaultText: "{}" })
      .default(new Map()),
  }).default();

export const route = mapping({
  name: text("Name in metrics and records.", (value) =>
    /^[\x21-\x7e](?:[\x20-\x7e]{0,98}[\x21-\x7e])?$/.test(value)
      ? null
      : "must be 1 to 100 printable characters",
  ).meta({ defaultText: "METHODS path" }),
  match: mapping({
    methods: list("Methods; empty: any.", text("A method.", checkMethod)),
    path: text(
      "Prefix at segment ends, after the service's own prefix is stripped; with `*`, `/:name` or `{}` a URLPattern, which must match the whole of it.",
      checkRoutePath,
    ).default("/"),
    host: hostPatterns
      .description("Hosts of the request; `*.example.com` takes every name below example.com.")
      .meta({ defaultText: "any" }),
    ...conditions,
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
  maxBodyBytes: bytes("Largest request body, 413 above.", "dynamic", { min: 0 }).meta({
    defaultText: `${defaults.processBodyBytes} with a process, else ${defaults.plainBodyBytes}`,
  }),
  headers: mapping({
    request: setFields("Fields set on the way to the service."),
    response: setFields("Fields set on the way back."),
  })
    .description("Header fields that the gateway sets.")
    .default(),
  bodySchema: anyMapping()
    .allow(null)
    .description("JSON Schema that a JSON body must match; 422 before anything is sent.")
    .default(null),
  retries: retries.description("How often a request that did not run is sent again.").meta({
    defaultText: "attempts 1",
  }),
  cookies: oneOf(
    "`ignore`: the request counts, and goes on, as if its client had no cookies but those of cache.keyCookies.",
    ["use", "ignore"],
    "use",
  ),
  signatures: oneOf(
    "What of a signature (SigV4, HMAC, RFC 9421, OAuth 1, Digest) tells who asks. `key-id` proves nothing: any caller that knows the id counts as its owner.",
    ["whole", "key-id"],
    "whole",
  ),
  forwardCredential: flag("Send the credential that the gateway has checked on to the service.", false),
  allowUpgrade: flag("Let WebSocket upgrades through.", false),
  encodedSlash: flag("Send paths with `%2F` (data inside a segment) on instead of refusing them.", false),
  emptySegments: flag("Send paths with empty segments (`//`) on instead of refusing them.", false),
});

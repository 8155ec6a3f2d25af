/** A route's cache policy. */
import { bytes, field, flag, fraction, integer, list, millis, oneOf, word } from "../formats.ts";
import { failedWhen } from "./failed-when.ts";
import { mapping, record, wordOr } from "../shapes.ts";

const names = (about: string) => list(about, word("A name.", 128));

export const cache = mapping({
  profile: oneOf(
    "safe stores no Set-Cookie and is strict about stale; conformance is RFC 9111 to the letter.",
    ["safe", "conformance"],
    "safe",
  ),
  defaultTtlMs: millis("Lifetime where the response says nothing; null: heuristics.", null, { min: 0 }).allow(
    null,
  ),
  maxTtlMs: millis("Caps every lifetime; null: no cap.", null, { min: 0 }).allow(null),
  negativeTtlMs: record(
    /^[45]\d\d$/,
    millis("Lifetime of that status.", "dynamic", { min: 0, max: 3_600_000 }),
  )
    .as(
      (written): ReadonlyMap<number, number> =>
        new Map(Object.entries(written).map(([status, ms]) => [Number(status), ms])),
      (lifetimes) => Object.fromEntries(lifetimes),
    )
    .description("Lifetime by error status where the response says nothing, e.g. {404: 5000}.")
    .meta({ defaultText: "{}" })
    .default(new Map()),
  staleWhileRevalidateMs: millis(
    "Serve stale and refresh behind it, where the response says nothing.",
    null,
    { min: 0 },
  ).allow(null),
  staleIfErrorMs: millis("Serve stale on error, where the response says nothing.", null, { min: 0 }).allow(
    null,
  ),
  maxObjectBytes: bytes("Larger responses are not stored.", 8 * 1024 * 1024),
  maxVariants: integer("Variants per key; the newest are kept.", 64, { min: 1, max: 256 }),
  query: mapping({
    sort: flag("Order of parameters does not matter.", false),
    allow: names('Parameters that count; "*" may end a name; null: all.').allow(null).default(null),
    deny: names("Parameters that do not count, e.g. utm_*."),
  })
    .description("How the query enters the key; what does not enter it is not sent.")
    .default(),
  keyHeaders: list("Request fields that enter the key.", field("A field name.")),
  keyCookies: names("Cookies that enter the key."),
  forwardHeaders: oneOf(
    "end-to-end: all but those known to shape pages behind the key; keyed-only: none but keyHeaders, keyCookies, what bypass names, and the cache's own fields.",
    ["end-to-end", "keyed-only"],
    "end-to-end",
  ),
  tags: wordOr(["header", "none"], flag("Whether to read them.", "dynamic"))
    .as(
      // What is left out comes here too, as undefined, where joi asks alternatives first: it means the default.
      (written) => written !== false && written !== "none",
      (isRead) => (isRead ? "header" : "none"),
    )
    .description("Read Surrogate-Key and Cache-Tag: `header` or `none`.")
    .meta({ defaultText: '"header"' })
    .default(true),
  bypass: mapping({
    authorization: flag("Requests with Authorization are not looked up.", false),
    cookies: names("Requests with one of these cookies are not looked up."),
  })
    .description("Requests that pass by the cache.")
    .default(),
  ttlJitter: fraction("Lifetimes we chose are shortened by up to this share.", 0, 0.1),
  clientReload: oneOf(
    "ignore: a client's no-cache, max-age and min-fresh count as absent, so that a reload makes no call and is collapsed.",
    ["obey", "ignore"],
    "obey",
  ),
  failedWhen: failedWhen(
    "A JSON answer of 2xx that says so (GraphQL's errors, say) is passed on and not stored; null: the status decides.",
  ),
  collapseCredentials: flag("Collapse requests with Authorization or Cookie too.", false),
  cacheStatusKey: flag("Show the key in Cache-Status.", false),
});

/** A route's mirror policy. */
import {
  bytes,
  decimal,
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
  word,
} from "../formats.ts";
import { formatPointer, isPointer, parsePointer, type Pointer } from "@sticky-proxy/protocol/json";
import { exactlyOne, mapping, variants } from "../shapes.ts";

const masks = ["uuid", "timestamp", "hash"] as const;
const rule = variants(
  "kind",
  "The mask.",
  { at: pointer('Where: a JSON Pointer; "*" is one token, "**" any number.').required() },
  {
    type: {},
    format: { format: oneOf("kind format: what both sides must look like.", masks).required() },
    tolerance: { amount: decimal("kind tolerance: largest difference.", "dynamic").required() },
    timeTolerance: { ms: decimal("kind timeTolerance: largest difference.", "dynamic").required() },
    set: {},
    keyed: { by: pointer("kind keyed: the member that names an item.").required() },
  },
);

type IdPlace = { readonly parameter: string } | { readonly pointer: Pointer };

const idPlace = text('"path.NAME" or "body:/POINTER".', (value) =>
  /^path\.[A-Za-z_]\w{0,63}$/.test(value) || (/^body:\/./.test(value) && isPointer(value.slice(5)))
    ? null
    : 'must be "path.NAME" or "body:/POINTER"',
).as(
  (value): IdPlace =>
    value.startsWith("path.") ? { parameter: value.slice(5) } : { pointer: parsePointer(value.slice(5)) },
  (place) => ("parameter" in place ? `path.${place.parameter}` : `body:${formatPointer(place.pointer)}`),
);

const idMap = mapping({
  from: pointer("Where the answer to a POST tells the new id; else the end of its Location.").default(["id"]),
  collection: path("Path of the POSTs whose ids stand in bodies; null: the route's.")
    .allow(null)
    .default(null),
  into: list("Places of a copy that must not carry an id without a pair: its key is parked.", idPlace, {
    min: 1,
    max: 20,
  }),
})
  .allow(null)
  .description(
    "The secondary makes ids of its own: pairs are learnt from both answers, and copies carry the secondary's. null: differing ids are a difference, and a write to one is parked.",
  )
  .default(null);

export const mirror = mapping({
  to: word("Name of the secondary service.", 63).required(),
  mode: oneOf("shadow may shed; dual-write is durable and ordered; dual-read compares GET and HEAD.", [
    "off",
    "shadow",
    "dual-write",
    "dual-read",
  ]).required(),
  rate: fraction("Share of order keys that are mirrored; not with dual-write.", "dynamic").meta({
    defaultText: "1",
  }),
  outbox: oneOf("required: no intent written, no call made.", ["best-effort", "required"], "best-effort"),
  orderKey: exactlyOne({
    header: field("A request field."),
    json: pointer("A pointer into the body."),
    path: text('A template such as "/users/{id}".', (value) =>
      /^\/[\x21-\x7e]*$/.test(value) ? null : "must be a path template",
    ),
  })
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
  maxLag: mapping({
    entries: integer("Entries waiting.", 100_000, { min: 1 }),
    bytes: bytes(
      "Bytes of bodies waiting; null: a fifth of Redis' maxmemory, 1 GiB without one.",
      null,
    ).allow(null),
    ageMs: millis("Age of the oldest copy that waits.", 7 * 86_400_000),
  })
    .description("Beyond it new calls are not copied: dual-write records a gap, shadow sheds.")
    .default(),
  idMap,
  compare: mapping({
    sampleRate: fraction("Share of pairs that are compared.", 1),
    status: oneOf("Equal code, or equal class.", ["exact", "class"], "exact"),
    headers: list("Response fields that are compared.", field("A field name.")).default([
      "content-type",
      "location",
    ]),
    exactErrors: flag("Compare the bodies of error answers too.", false),
    ignore: list('Pointers that do not count; "*" is one token, "**" any number.', pointer("A pointer."), {
      max: 1000,
    }),
    rules: list("Masks that are weaker than equality.", rule, { max: 1000 }),
    ttlMs: millis("How long a difference record is kept.", 7 * 86_400_000),
    maxDifferences: integer("Differences listed per comparison.", 200, { min: 1, max: 10_000 }),
  })
    .description("How the two answers are compared.")
    .default(),
});

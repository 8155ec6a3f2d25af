/** What pages of other origins may do: of a service, and of the gateway's own resources. */
import { checkMethod, checkOrigin } from "../checks.ts";
import { field, flag, list, millis, text } from "../formats.ts";
import { mapping } from "../shapes.ts";

const checkCorsOrigin = (value: string): string | null =>
  value === "*" || checkOrigin(value.replace("://*.", "://any.")) === null
    ? null
    : 'must be "*" or an origin such as "https://app.example.com" or "https://*.example.com"';

const usualHeaders = [
  "accept",
  "authorization",
  "content-type",
  "idempotency-key",
  "x-idempotency-key",
  "if-match",
  "if-none-match",
  "last-event-id",
  "prefer",
  "range",
  "sticky-callback",
  "sticky-deadline",
  "sticky-force",
  "sticky-on-duplicate",
  "sticky-owner",
  "traceparent",
  "tracestate",
  "x-request-id",
];

export const cors = mapping({
  origins: list(
    "Origins whose pages may ask; `*`: every one.",
    text("An origin.", checkCorsOrigin).as(
      (origin) => origin.toLowerCase().replace(/\/$/, ""),
      (origin) => origin,
    ),
    { min: 1, max: 100 },
  ).required(),
  methods: list("Methods that they may use.", text("A method.", checkMethod)).default([
    "GET",
    "HEAD",
    "POST",
    "PUT",
    "PATCH",
    "DELETE",
  ]),
  headers: list("Request fields that they may send; `*`: every one.", field("A field name."))
    .default(usualHeaders)
    .meta({ defaultText: "what clients of the gateway send" }),
  exposeHeaders: list(
    "Response fields that they may read besides the gateway's own.",
    field("A field name."),
  ),
  credentials: flag("Cookies go along; not with origins `*`.", false),
  maxAgeMs: millis("How long a browser keeps the answer to a preflight.", 600_000, {
    min: 0,
    max: 86_400_000,
  }),
});

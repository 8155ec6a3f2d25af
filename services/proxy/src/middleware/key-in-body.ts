import { readContentType, readMultipart } from "@sticky-proxy/core/idempotency";
import { headerValue, type HeaderList } from "@sticky-proxy/core/http";
import { unkeyedPolicy } from "@sticky-proxy/core/process";
import { readReport } from "@sticky-proxy/engine";
import { Problem, readKeyAt } from "@sticky-proxy/protocol";
import { scalarOf } from "@sticky-proxy/protocol/json";

import {
  isInBody,
  keyMissing,
  placeName,
  plainSubmissionOptions,
  refuseWithoutProcess,
  type BodyPlace,
} from "../submit/submission-options.ts";
import { isMirrored } from "../submit/submission.ts";
import type { Middleware } from "../state.ts";

/**
 * Reads the client's key where the route says that it stands in the body. Reads state.options, state.body; writes
 * state.options: with the key, or null where it is optional and the body has none.
 * @throws Problem idempotency-key-missing, idempotency-key-invalid
 */
export function keyInBody(): Middleware {
  return function keyInBody({ state }, next) {
    const { options, route, head, body } = state;
    const place = options === null || options.isPlain ? null : options.rules.policy.keyFrom;
    if (options === null || !isInBody(place)) return next();
    const key = body instanceof Uint8Array ? keyAt(place, head.headers, body) : null;
    if (key !== null) state.options = { ...options, key };
    else if (options.rules.policy.key === "required") throw keyMissing(place);
    else {
      refuseWithoutProcess(head.headers);
      state.options = isMirrored(route!)
        ? plainSubmissionOptions(head.headers, { ...options.rules, policy: unkeyedPolicy })
        : null;
    }
    return next();
  };
}

/** null: the body has none there. */
function keyAt(place: BodyPlace, headers: HeaderList, body: Uint8Array): string | null {
  const name = placeName(place);
  const type = readContentType(headerValue(headers, "content-type"));
  if ("form" in place && type?.essence.startsWith("multipart/") === true) {
    const parts = readMultipart(body, type.parameters.get("boundary") ?? "");
    const values = (parts ?? []).filter((part) => part.name === place.form).map((part) => part.body);
    return readKeyAt(
      values.map((value) => Buffer.from(value).toString("utf8")),
      name,
    );
  }
  const source = readReport(headers, body)?.at("json" in place ? place.json : [place.form]);
  if (source === undefined || source === "null") return null;
  // A whole number keeps its digits, however many.
  const value = /^-?\d+$/.test(source) ? source : scalarOf(source);
  if (typeof value === "string") return readKeyAt([value], name);
  throw new Problem("idempotency-key-invalid", { detail: `Send text as the key in ${name}.` });
}

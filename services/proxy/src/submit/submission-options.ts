/** What a client asks of its submission: key, preferences, force, deadline. Pure; whatever is not allowed is an error. */
import { headerLines, type HeaderList } from "@sticky-proxy/core/http";
import { formatPointer } from "@sticky-proxy/protocol/json";
import type { KeyPlace, OnDuplicate, ProcessPolicy } from "@sticky-proxy/core/registry";
import type { Rules } from "@sticky-proxy/core/process";
import {
  lowerFields,
  Problem,
  readDeadline,
  readForce,
  readIdempotencyKey,
  readKeyAt,
  readOnDuplicate,
  readPrefer,
} from "@sticky-proxy/protocol";

export interface SubmissionOptions {
  /** The client's key, when it decides the identity. */
  readonly key: string | null;
  /** The route's rules under the identity that this request has. */
  readonly rules: Rules;
  readonly force: boolean;
  readonly onDuplicate: OnDuplicate;
  readonly deadlineMs: number | null;
  /** How long the client waits for the result; ms, 0: not at all. */
  readonly waitMs: number;
  /** At the end of the wait: 202, or 504 for clients that take any 2xx for success. */
  readonly onWaitEnd: "accepted" | "timeout";
  /** What Preference-Applied says; null: the client had no preference that applies. */
  readonly applied: { readonly respondAsync: boolean; readonly waitMs: number | null } | null;
  /** Name of the client's registered webhook endpoint; null: none. */
  readonly notify: string | null;
  /** The process exists only for its durable copy: the client gets, and waits as long as, with plain proxying. */
  readonly isPlain: boolean;
}

/**
 * null: the request has no identity on this route (the key is optional and absent); proxy it plainly.
 * @throws Problem idempotency-key-missing, idempotency-key-invalid, forbidden, malformed-request
 */
export function readSubmissionOptions(
  headers: HeaderList,
  rules: Rules,
  endpoints: ReadonlySet<string>,
): SubmissionOptions | null {
  const { policy } = rules;
  const given = keyInHead(headers, policy.keyFrom);
  const key = policy.key === "ignored" || policy.identity === "none" ? null : given;
  if (key === null && policy.identity === "key" && !isInBody(policy.keyFrom)) {
    if (policy.key === "required") throw keyMissing(policy.keyFrom);
    if (policy.key === "optional") {
      refuseWithoutProcess(headers);
      return null;
    }
  }
  // A key given where the request itself is the identity narrows it: same key, same process.
  const identity =
    key !== null || isInBody(policy.keyFrom)
      ? "key"
      : policy.identity === "key"
        ? "request"
        : policy.identity;
  const effective: ProcessPolicy = identity === policy.identity ? policy : { ...policy, identity };

  const force = readForce(headerLines(headers, lowerFields.stickyForce));
  if (force && !policy.force)
    throw new Problem("forbidden", { detail: "This route does not allow Sticky-Force." });
  const asked = readOnDuplicate(headerLines(headers, lowerFields.stickyOnDuplicate));
  if (asked !== null && asked !== policy.onDuplicate && !policy.allowOnDuplicate.includes(asked)) {
    throw new Problem("forbidden", { detail: `This route does not allow Sticky-On-Duplicate: ${asked}.` });
  }
  const notify = readNotify(headers, endpoints);
  const prefer = readPrefer(headerLines(headers, lowerFields.prefer));
  // RFC 7240 4.3: beside respond-async, wait says how long the client would rather have the answer itself.
  const waitMs =
    prefer.respondAsync && prefer.waitMs === null
      ? 0
      : Math.min(prefer.waitMs ?? policy.waitMs, policy.waitMs);
  const preferred = prefer.respondAsync || prefer.waitMs !== null;
  return {
    key,
    rules: { ...rules, policy: effective },
    force,
    onDuplicate: asked ?? policy.onDuplicate,
    deadlineMs: readDeadline(headerLines(headers, lowerFields.stickyDeadline)),
    waitMs,
    onWaitEnd: preferred ? "accepted" : policy.onWaitEnd,
    applied: preferred
      ? { respondAsync: prefer.respondAsync, waitMs: prefer.waitMs === null ? null : waitMs }
      : null,
    notify,
    isPlain: false,
  };
}

/** null: the head has none. @throws Problem idempotency-key-invalid */
function keyInHead(headers: HeaderList, place: KeyPlace | null): string | null {
  if (place === null)
    return readIdempotencyKey(
      headerLines(headers, lowerFields.idempotencyKey),
      headerLines(headers, lowerFields.xIdempotencyKey),
    );
  return "header" in place ? readKeyAt(headerLines(headers, place.header), place.header) : null;
}

export type BodyPlace = Exclude<KeyPlace, { readonly header: string }>;

/** Its key is known once the body has been read. */
export function isInBody(place: KeyPlace | null): place is BodyPlace {
  return place !== null && !("header" in place);
}

export function keyMissing(place: KeyPlace | null): Problem {
  if (place === null) return new Problem("idempotency-key-missing");
  return new Problem("idempotency-key-missing", {
    detail: `This route reads its key from ${placeName(place)}.`,
  });
}

/** For people. */
export function placeName(place: KeyPlace): string {
  if ("header" in place) return `the field ${place.header}`;
  if ("json" in place) return `the member ${formatPointer(place.json)} of the body`;
  return `the form field ${place.form}`;
}

/**
 * The options of a request without an identity that is copied durably: its key and preferences are left to the service.
 * @throws Problem malformed-request
 */
export function plainSubmissionOptions(headers: HeaderList, rules: Rules): SubmissionOptions {
  refuseWithoutProcess(headers);
  const { waitMs, onDuplicate, onWaitEnd } = rules.policy;
  return {
    key: null,
    rules,
    force: false,
    onDuplicate,
    deadlineMs: null,
    waitMs,
    onWaitEnd,
    applied: null,
    notify: null,
    isPlain: true,
  };
}

/** Fields that only make sense with a process are refused where there is none: nothing is silently ignored. */
export function refuseWithoutProcess(headers: HeaderList): void {
  for (const name of [
    lowerFields.stickyForce,
    lowerFields.stickyOnDuplicate,
    lowerFields.stickyDeadline,
    lowerFields.stickyCallback,
  ]) {
    if (headerLines(headers, name).length > 0) {
      throw new Problem("malformed-request", {
        detail: `${name} has no meaning here: the request makes no process.`,
      });
    }
  }
}

function readNotify(headers: HeaderList, endpoints: ReadonlySet<string>): string | null {
  const lines = headerLines(headers, lowerFields.stickyCallback);
  const [name] = lines;
  if (name === undefined) return null;
  if (lines.length > 1 || !endpoints.has(name)) {
    throw new Problem("malformed-request", { detail: "Sticky-Callback names no registered endpoint." });
  }
  return name;
}

/** What a client asks of a process: key, preferences, force, deadline. Pure; everything not allowed is an error. */
import { headerLines, type HeaderList } from "@sticky-proxy/core/http";
import type { OnDuplicate, ProcessPolicy } from "@sticky-proxy/core/registry";
import type { Rules } from "@sticky-proxy/core/process";
import {
  lowerFields,
  Problem,
  readDeadline,
  readForce,
  readIdempotencyKey,
  readOnDuplicate,
  readPrefer,
} from "@sticky-proxy/protocol";

export interface Wishes {
  /** The client's key, when it decides the identity. */
  readonly key: string | null;
  /** The route's rules under the identity that this request has. */
  readonly rules: Rules;
  readonly force: boolean;
  readonly onDuplicate: OnDuplicate;
  readonly deadlineMs: number | null;
  /** How long the client is held. */
  readonly holdMs: number;
  /** After the hold: 202, or 504 for clients that take any 2xx for success. */
  readonly onWaitEnd: "accepted" | "timeout";
  /** What Preference-Applied says; null: the client had no preference that applies. */
  readonly applied: { readonly respondAsync: boolean; readonly waitMs: number | null } | null;
  /** Name of the client's registered webhook endpoint; null: none. */
  readonly notify: string | null;
  /** The process exists for its copy only: the client has, and waits for, what plain proxying would give it. */
  readonly isPlain: boolean;
}

/**
 * null: the request has no identity on this route (the key is optional and absent); proxy it plainly.
 * @throws Problem idempotency-key-missing, idempotency-key-invalid, forbidden, malformed-request
 */
export function readWishes(headers: HeaderList, rules: Rules, endpoints: ReadonlySet<string>): Wishes | null {
  const { policy } = rules;
  const given = readIdempotencyKey(
    headerLines(headers, lowerFields.idempotencyKey),
    headerLines(headers, lowerFields.xIdempotencyKey),
  );
  const key = policy.key === "ignored" || policy.identity === "none" ? null : given;
  if (key === null && policy.identity === "key") {
    if (policy.key === "required") throw new Problem("idempotency-key-missing");
    if (policy.key === "optional") {
      refuseWithoutProcess(headers);
      return null;
    }
  }
  // A key given where the request itself is the identity narrows it: same key, same process.
  const identity = key !== null ? "key" : policy.identity === "key" ? "request" : policy.identity;
  const effective: ProcessPolicy = identity === policy.identity ? policy : { ...policy, identity };

  const force = readForce(headerLines(headers, lowerFields.stickyForce));
  if (force && !policy.force)
    throw new Problem("forbidden", { detail: "This route does not allow Sticky-Force." });
  const wish = readOnDuplicate(headerLines(headers, lowerFields.stickyOnDuplicate));
  if (wish !== null && wish !== policy.onDuplicate && !policy.allowOnDuplicate.includes(wish)) {
    throw new Problem("forbidden", { detail: `This route does not allow Sticky-On-Duplicate: ${wish}.` });
  }
  const notify = readNotify(headers, endpoints);
  const prefer = readPrefer(headerLines(headers, lowerFields.prefer));
  // RFC 7240 4.3: beside respond-async, wait says how long the client would rather have the answer itself.
  const holdMs =
    prefer.respondAsync && prefer.waitMs === null
      ? 0
      : Math.min(prefer.waitMs ?? policy.waitMs, policy.waitMs);
  const preferred = prefer.respondAsync || prefer.waitMs !== null;
  return {
    key,
    rules: { ...rules, policy: effective },
    force,
    onDuplicate: wish ?? policy.onDuplicate,
    deadlineMs: readDeadline(headerLines(headers, lowerFields.stickyDeadline)),
    holdMs,
    onWaitEnd: preferred ? "accepted" : policy.onWaitEnd,
    applied: preferred
      ? { respondAsync: prefer.respondAsync, waitMs: prefer.waitMs === null ? null : holdMs }
      : null,
    notify,
    isPlain: false,
  };
}

/**
 * Of a request without an identity that is copied durably. Its key and its preferences are the service's to read.
 * @throws Problem malformed-request
 */
export function plainWishes(headers: HeaderList, rules: Rules): Wishes {
  refuseWithoutProcess(headers);
  const { waitMs, onDuplicate, onWaitEnd } = rules.policy;
  return {
    key: null,
    rules,
    force: false,
    onDuplicate,
    deadlineMs: null,
    holdMs: waitMs,
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

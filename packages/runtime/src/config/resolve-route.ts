/** One route's policies with the defaults that depend on its identity. */
import type { CredentialRules } from "@sticky-proxy/core/principal";
import {
  conditionText,
  hasConditions,
  type MatchConditions,
  type ProcessPolicy,
  type RetryPolicy,
  type Route,
  type RouteMatch,
} from "@sticky-proxy/core/registry";
import type { ValidConfig } from "./schema.ts";
import { defaults } from "./schema/process.ts";

type ValidRoute = ValidConfig["services"][string]["routes"][number];
type ValidProcess = NonNullable<ValidRoute["process"]>;

/** @param service whose route it is */
export function resolveRoute(valid: ValidRoute, { credential, ignoredCookies }: CredentialRules): Route {
  const retries = valid.retries ?? valid.process?.retries ?? { attempts: 1, minMs: 200, maxMs: 10_000 };
  const mirror = valid.mirror && { ...valid.mirror, rate: valid.mirror.rate ?? 1 };
  const process = valid.process && resolveProcess(valid.process, retries);
  // A required copy rests on a kept request, with or without a process of the route's own.
  const isKept = process !== null || (mirror?.mode === "dual-write" && mirror.outbox === "required");
  const { host: hosts, ...asked } = valid.match;
  const match = { ...asked, ...(hosts === undefined ? {} : { hosts }) };
  const name = valid.name ?? derivedName(match);
  const isUsualBound = valid.maxBodyBytes === undefined && isKept;
  const apart = hasConditions(match) ? { apart: name } : {};
  return {
    ...valid,
    name,
    match,
    process,
    cache: valid.cache && { ...valid.cache, ...apart, credential, ignoredCookies },
    mirror,
    maxBodyBytes: valid.maxBodyBytes ?? (isKept ? defaults.processBodyBytes : defaults.plainBodyBytes),
    ...(isUsualBound ? { boundsKeptOnly: true as const } : {}),
    headers: { request: valid.headers.request.set, response: valid.headers.response.set },
    retries,
  };
}

/** "POST /charges", with its conditions where the route has any. */
export function derivedName(match: Pick<RouteMatch, "methods" | "path"> & MatchConditions): string {
  const named = `${match.methods.join(",") || "*"} ${match.path} ${conditionText(match)}`;
  return named
    .trimEnd()
    .replaceAll(/[^\x20-\x7e]/g, "?")
    .slice(0, 200);
}

function resolveProcess(valid: ValidProcess, retries: RetryPolicy): ProcessPolicy {
  const { retries: _moved, ...rest } = valid;
  const byRequest = valid.identity === "request";
  const byKey = valid.identity === "key";
  const acceptsAtEnd = byRequest || (valid.identity === "none" && valid.completion === "callback");
  const force = valid.force ?? byRequest;
  const onUnknown = resolveOnUnknown(valid.onUnknown, byKey);
  const mayRepeat =
    force ||
    retries.attempts > 1 ||
    Object.values(onUnknown).some((word) => word === "retry" || word === "probe");
  const { onDuplicate, allowOnDuplicate: allowed } = valid;
  return {
    ...rest,
    key: valid.key ?? "required",
    waitMs: valid.waitMs ?? (byRequest ? 0 : defaults.waitMs),
    onWaitEnd: valid.onWaitEnd ?? (acceptsAtEnd ? "accepted" : "timeout"),
    allowOnDuplicate: allowed.includes(onDuplicate) ? allowed : [onDuplicate, ...allowed],
    force,
    deadlineMs:
      valid.deadlineMs === undefined
        ? valid.completion === "callback"
          ? defaults.callbackDeadlineMs
          : null
        : valid.deadlineMs,
    ...resolveResultTtl(valid.resultTtlMs, byRequest),
    onUnknown,
    restartCancelled: valid.restartCancelled ?? !byKey,
    keepServerErrors: valid.keepServerErrors ?? byKey,
    keepRequest: valid.keepRequest ?? mayRepeat,
  };
}

function resolveOnUnknown(written: ValidProcess["onUnknown"], byKey: boolean): ProcessPolicy["onUnknown"] {
  if (typeof written === "string")
    return { cut: written, timeout: written, lost: written, answered: written };
  const kept = byKey ? "fail" : "release";
  return { cut: "release", timeout: kept, lost: kept, answered: "fail", ...written };
}

/** An error under identity `request` is kept for those who ask at the same time, not for a day. */
function resolveResultTtl(
  written: ValidProcess["resultTtlMs"],
  byRequest: boolean,
): Pick<ProcessPolicy, "resultTtlMs" | "resultTtlByClass"> {
  if (typeof written === "number") return { resultTtlMs: written, resultTtlByClass: {} };
  const errors = byRequest ? { "4xx": defaults.errorTtlMs, "5xx": defaults.errorTtlMs } : {};
  const { "2xx": resultTtlMs = defaults.resultTtlMs, ...others } = written ?? {};
  return { resultTtlMs, resultTtlByClass: { ...errors, ...others } };
}

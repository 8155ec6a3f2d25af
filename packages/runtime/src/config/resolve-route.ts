/** One route's policies with the defaults that depend on its identity. */
import { type Pointer, parsePointer } from "@sticky-proxy/protocol/json";
import type { CredentialRules } from "@sticky-proxy/core/principal";
import type {
  CachePolicy,
  CallbackPolicy,
  FailedWhen,
  MaskRule,
  MirrorPolicy,
  OnUnknown,
  ProcessPolicy,
  RetryPolicy,
  Route,
} from "@sticky-proxy/core/registry";
import { defaults } from "./schema-process.ts";

export interface ValidRoute extends Omit<
  Route,
  "name" | "process" | "cache" | "mirror" | "maxBodyBytes" | "headers" | "retries"
> {
  readonly name?: string;
  readonly process: ValidProcess | null;
  readonly cache: ValidCache | null;
  readonly mirror: ValidMirror | null;
  readonly maxBodyBytes?: number;
  readonly headers: { readonly request: { set: Fields }; readonly response: { set: Fields } };
  readonly retries?: RetryPolicy;
}

type Fields = Readonly<Record<string, string>>;
type PointerPair = { readonly response: string; readonly callback: string };

interface ValidProcess extends Omit<
  ProcessPolicy,
  | "key"
  | "waitMs"
  | "onWaitEnd"
  | "allowOnDuplicate"
  | "force"
  | "deadlineMs"
  | "resultTtlMs"
  | "resultTtlByClass"
  | "failedWhen"
  | "onUnknown"
  | "restartCancelled"
  | "keepServerErrors"
  | "callback"
  | "pollLocation"
  | "keepRequest"
> {
  readonly key?: ProcessPolicy["key"];
  readonly waitMs?: number;
  readonly onWaitEnd?: ProcessPolicy["onWaitEnd"];
  readonly allowOnDuplicate?: ProcessPolicy["allowOnDuplicate"];
  readonly force?: boolean;
  readonly deadlineMs?: number | null;
  readonly resultTtlMs?: number | ProcessPolicy["resultTtlByClass"];
  readonly failedWhen: { readonly pointer: string; readonly equals: FailedWhen["equals"] } | null;
  readonly onUnknown?: OnUnknown | Partial<ProcessPolicy["onUnknown"]>;
  readonly restartCancelled?: boolean;
  readonly keepServerErrors?: boolean;
  readonly callback: {
    readonly inject: { query: string | null; json: string | null; header: string | null };
    readonly accept: {
      status: string;
      completed: string[];
      failed: string[];
      result: string | null;
      error: string | null;
      jobId: PointerPair | null;
    } | null;
    readonly correlate: PointerPair | null;
  };
  readonly pollLocation: boolean | { minMs: number; maxMs: number };
  readonly keepRequest?: boolean;
  readonly retries?: RetryPolicy;
}

interface ValidCache extends Omit<CachePolicy, "negativeTtlMs" | "tags" | keyof CredentialRules> {
  readonly negativeTtlMs: Readonly<Record<string, number>>;
  readonly tags: boolean | "header" | "none";
}

interface ValidMirror extends Omit<MirrorPolicy, "rate" | "orderKey" | "compare"> {
  readonly rate?: number;
  readonly orderKey: { header?: string; json?: string; path?: string } | null;
  readonly compare: Omit<MirrorPolicy["compare"], "ignore" | "rules"> & {
    readonly ignore: readonly string[];
    readonly rules: readonly (Readonly<Record<string, unknown>> & { at: string; by?: string })[];
  };
}

/** @param whose the service's */
export function resolveRoute(valid: ValidRoute, whose: CredentialRules): Route {
  const { process: written, ...rest } = valid;
  const retries = valid.retries ?? written?.retries ?? { attempts: 1, minMs: 200, maxMs: 10_000 };
  const mirror = valid.mirror && resolveMirror(valid.mirror);
  const process = written && resolveProcess(written, retries);
  // A durable copy rests on a kept request, with or without a process of the route's own.
  const isKept = process !== null || mirror?.mode === "dual-write";
  return {
    ...rest,
    name: valid.name ?? `${valid.match.methods.join(",") || "*"} ${valid.match.path}`,
    process,
    cache: valid.cache && resolveCache(valid.cache, whose),
    mirror,
    maxBodyBytes: valid.maxBodyBytes ?? (isKept ? defaults.processBodyBytes : defaults.plainBodyBytes),
    headers: {
      request: lowerFields(valid.headers.request.set),
      response: lowerFields(valid.headers.response.set),
    },
    retries,
  };
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
  const onDuplicate = valid.onDuplicate;
  const allowed = valid.allowOnDuplicate ?? ["join", "reject"];
  return {
    ...rest,
    key: valid.key ?? "required",
    waitMs: valid.waitMs ?? (byRequest ? 0 : defaults.heldWaitMs),
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
    failedWhen: valid.failedWhen && { ...valid.failedWhen, pointer: parsePointer(valid.failedWhen.pointer) },
    onUnknown,
    restartCancelled: valid.restartCancelled ?? !byKey,
    keepServerErrors: valid.keepServerErrors ?? byKey,
    fingerprintHeaders: valid.fingerprintHeaders.map(lower),
    storedHeaders: valid.storedHeaders.map(lower),
    callback: resolveCallback(valid.callback),
    pollLocation:
      typeof valid.pollLocation === "object"
        ? valid.pollLocation
        : valid.pollLocation
          ? { minMs: 1000, maxMs: 30_000 }
          : null,
    keepRequest: valid.keepRequest ?? mayRepeat,
  };
}

function resolveOnUnknown(
  written: OnUnknown | Partial<ProcessPolicy["onUnknown"]> | undefined,
  byKey: boolean,
): ProcessPolicy["onUnknown"] {
  if (typeof written === "string")
    return { cut: written, timeout: written, lost: written, answered: written };
  const kept: OnUnknown = byKey ? "fail" : "release";
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

function resolveCallback(valid: ValidProcess["callback"]): CallbackPolicy {
  const { inject, accept, correlate } = valid;
  return {
    inject: { ...inject, json: pointerOrNull(inject.json), header: inject.header?.toLowerCase() ?? null },
    accept: accept && {
      ...accept,
      status: parsePointer(accept.status),
      result: pointerOrNull(accept.result),
      error: pointerOrNull(accept.error),
      jobId: pointerPair(accept.jobId),
    },
    correlate: pointerPair(correlate),
  };
}

function resolveCache(valid: ValidCache, { credential, ignoredCookies }: CredentialRules): CachePolicy {
  return {
    ...valid,
    credential,
    ignoredCookies,
    negativeTtlMs: new Map(Object.entries(valid.negativeTtlMs).map(([status, ms]) => [Number(status), ms])),
    keyHeaders: valid.keyHeaders.map(lower),
    tags: valid.tags === true || valid.tags === "header",
  };
}

function resolveMirror(valid: ValidMirror): MirrorPolicy {
  const { orderKey, compare } = valid;
  return {
    ...valid,
    rate: valid.rate ?? 1,
    orderKey:
      orderKey === null
        ? null
        : orderKey.json !== undefined
          ? { json: parsePointer(orderKey.json) }
          : orderKey.header !== undefined
            ? { header: orderKey.header.toLowerCase() }
            : { path: orderKey.path ?? "" },
    compare: {
      ...compare,
      headers: compare.headers.map(lower),
      ignore: compare.ignore.map(parsePointer),
      rules: compare.rules.map(
        (rule) =>
          // The schema has checked that each kind has exactly its own members.
          ({
            ...rule,
            at: parsePointer(rule.at),
            ...(rule.by === undefined ? {} : { by: parsePointer(rule.by) }),
          }) as unknown as MaskRule,
      ),
    },
  };
}

function lowerFields(set: Fields): ReadonlyMap<string, string> {
  return new Map(Object.entries(set).map(([name, value]) => [name.toLowerCase(), value]));
}

function lower(name: string): string {
  return name.toLowerCase();
}

function pointerOrNull(text: string | null): Pointer | null {
  return text === null ? null : parsePointer(text);
}

function pointerPair(pair: PointerPair | null): { response: Pointer; callback: Pointer } | null {
  return pair && { response: parsePointer(pair.response), callback: parsePointer(pair.callback) };
}

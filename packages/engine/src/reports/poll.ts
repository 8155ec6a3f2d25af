/**
 * Asks a service how far an accepted execution is: at the Location of its 202, or at the route's probe path. What an
 * answer means stands in core/process/polled.ts.
 *
 * An address on an instance of the service is asked with the fields that the request itself carried as its
 * credential; any other address goes through the address guard and gets none of them.
 */
import { withoutCodings } from "./read-report.ts";
import { headerLines, responseHeaders, type HeaderLine, type StoredResponse } from "@sticky-proxy/core/http";
import {
  processId,
  readPolled,
  resultId,
  storedHeaders,
  usualPollWords,
  type ProcessRecord,
  type StoredRequest,
} from "@sticky-proxy/core/process";
import type { PollPolicy, ProcessPolicy, Route, Service } from "@sticky-proxy/core/registry";
import {
  formatIdempotencyKey,
  parseRetryAfter,
  Problem,
  problemBody,
  type Clock,
} from "@sticky-proxy/protocol";

import type { OutboundAnswer, OutboundCallers } from "@sticky-proxy/upstream";

/** What asking a service at its poll address brought. */
export type PollAnswer =
  | { readonly kind: "running"; readonly retryInMs: number; readonly percent: number | null }
  | { readonly kind: "result"; readonly id: string; readonly response: StoredResponse }
  /** The service does not know the work, or cannot be asked: what became of it stays unknown, the route's policy decides. */
  | { readonly kind: "unknown-work"; readonly reason: string }
  /** No usable answer: ask again later. */
  | { readonly kind: "no-answer"; readonly retryInMs: number };

/** Asks once. Never rejects for what the service does. @throws StoreUnavailable when the request cannot be read */
export type Poller = (record: ProcessRecord, service: Service, route: Route) => Promise<PollAnswer>;

export interface PollerDeps {
  /** Instances may be private; an address that a service named and that is none of them must be public. */
  readonly callers: OutboundCallers;
  readonly readRequest: (record: ProcessRecord) => Promise<StoredRequest | null>;
  /** The store's time. */
  readonly clock: Pick<Clock, "now">;
  /** In [0, 1). */
  readonly random: () => number;
  /** Our name in Via. */
  readonly pseudonym: string;
  /** Told why there was no usable answer: a status, an error code, or what is wrong with the address. */
  readonly onNoAnswer?: (record: ProcessRecord, reason: string) => void;
  /** For one exchange; default 10 s. */
  readonly timeoutMs?: number;
}

const defaultBounds: Bounds = { minMs: 1000, maxMs: 30_000 };
/** Probes have one interval; the service may ask for more, up to this. */
const maxProbeMs = 60_000;

type Bounds = Pick<PollPolicy, "minMs" | "maxMs">;

export function createPoller(deps: PollerDeps): Poller {
  const { random } = deps;
  const { now } = deps.clock;

  async function ask(
    target: Target,
    lines: readonly HeaderLine[],
    policy: ProcessPolicy,
    { tls }: Pick<Service, "tls">,
  ): Promise<OutboundAnswer> {
    return (target.isOwn ? deps.callers.allowingPrivate : deps.callers.guarded).call({
      method: "GET",
      url: target.url,
      headers: [...(target.isOwn ? lines : [["Accept", "*/*"] as const]), ["Accept-Encoding", "identity"]],
      body: null,
      tls: target.isOwn ? tls : null,
      timeoutMs: deps.timeoutMs ?? 10_000,
      maxBytes: policy.maxResultBytes,
    });
  }

  return async function poll(record, service, route) {
    const policy = route.process;
    const isProbe = policy?.probe != null && record.pollUrl === policy.probe.path;
    const bounds = isProbe
      ? { minMs: policy.probe.intervalMs, maxMs: Math.max(policy.probe.intervalMs, maxProbeMs) }
      : (policy?.pollLocation ?? defaultBounds);
    const later = (reason: string, retryAfterMs: number | null = null): PollAnswer => {
      deps.onNoAnswer?.(record, reason);
      return { kind: "no-answer", retryInMs: nextPoll(bounds, record, retryAfterMs, now(), random()) };
    };
    const ended = (reason: string): PollAnswer => {
      deps.onNoAnswer?.(record, reason);
      return { kind: "unknown-work", reason };
    };
    if (policy === null || record.pollUrl === null) return later("no-address");

    const request = await deps.readRequest(record);
    let target = targetOf(record, record.pollUrl, service, request, random());
    if (target === null) return ended("bad-address");
    const lines = ownLines(record, service, request);
    let answer = await ask(target, lines, policy, service);
    const isElsewhere = answer.kind === "failed" && !target.isOwn && cannotBeAsked(answer);
    if (isElsewhere) {
      // A name for clients, or for the service's own host: the work is known to the instances behind it.
      target = onInstance(target.url, service, random());
      answer = await ask(target, lines, policy, service);
    }
    if (answer.kind === "failed") return later(answer.detail);
    if (isElsewhere && refusals.has(answer.status)) return ended("address-unusable");
    const read = {
      accept: policy.callback.accept,
      jobId: record.jobId,
      isProbe,
      words: policy.pollLocation ?? usualPollWords,
    };
    let polled = readPolled(withoutCodings(withoutHops(answer, deps.pseudonym)), read);
    // What is too large to be read is too large to be a state on the way.
    if (answer.tooLarge && answer.status === 200)
      polled = { kind: "result", response: withoutHops(answer, deps.pseudonym) };
    if (polled.kind === "elsewhere") {
      const next = resolve(polled.location, target.url, service);
      if (next === null) return later("bad-location");
      if (next.isOwn) {
        answer = await ask(next, lines, policy, service);
        if (answer.kind === "failed") return later(answer.detail);
      }
      // A redirect to somebody else (a signed address of a storage, say) is itself the result: for the client to follow.
      const response = withoutCodings(withoutHops(answer, deps.pseudonym));
      const isFinal = !next.isOwn || answer.status === 200;
      polled = isFinal
        ? { kind: "result", response }
        : readPolled(response, { ...read, accept: null, jobId: null, isProbe: false });
    }
    const retryAfter = headerLines(answer.headers, "retry-after")[0];
    const retryAfterMs = retryAfter === undefined ? null : parseRetryAfter(retryAfter, now());
    switch (polled.kind) {
      case "running":
        return {
          kind: "running",
          retryInMs: nextPoll(bounds, record, retryAfterMs, now(), random()),
          percent: polled.percent,
        };
      case "result": {
        const response = answer.tooLarge ? tooLarge(record) : kept(polled.response, route, policy);
        return { kind: "result", id: resultId(response), response };
      }
      case "unknown-work":
        return { ...polled, reason: `status ${answer.status}` };
      case "no-answer":
      case "elsewhere":
        return later(`status ${answer.status}`, retryAfterMs);
    }
  };
}

/** ms until the first poll: what the 202 asks for (null: nothing), within the route's bounds. */
export function firstPoll({ minMs, maxMs }: Bounds, retryAfterMs: number | null): number {
  return Math.min(maxMs, Math.max(minMs, retryAfterMs ?? minMs));
}

/**
 * ms until a later poll: what the service asks for, else a tenth of the time that the work takes already; jittered
 * upwards so that polls that began together drift apart, and within the route's bounds.
 */
export function nextPoll(
  { minMs, maxMs }: Bounds,
  record: Pick<ProcessRecord, "startedAt" | "createdAt">,
  retryAfterMs: number | null,
  now: number,
  random: number,
): number {
  const age = Math.max(0, now - (record.startedAt ?? record.createdAt));
  const wanted = Math.max(minMs, retryAfterMs ?? age / 10);
  return Math.round(Math.min(maxMs, wanted * (1 + random / 10)));
}

interface Target {
  readonly url: URL;
  /** On an instance of the service. */
  readonly isOwn: boolean;
}

/** null: no http address, or a probe by a key that nobody knows any more. */
function targetOf(
  record: ProcessRecord,
  pollUrl: string,
  service: Service,
  request: StoredRequest | null,
  random: number,
): Target | null {
  let reference = pollUrl;
  if (reference.includes("{key}")) {
    if (request === null || request.key === null) return null;
    reference = reference.replaceAll("{key}", encodeURIComponent(request.key));
  }
  reference = reference.replaceAll("{id}", encodeURIComponent(processId(record)));
  const instance = service.instances[Math.floor(random * service.instances.length)];
  if (instance === undefined) return null;
  return resolve(reference, new URL(`${instance.origin}${request?.head.path ?? "/"}`), service);
}

/** Codes of a name that nobody knows, an address that is never called, and a host that nothing listens on. */
const unusable: ReadonlySet<string> = new Set([
  "ERR_ADDRESS_REFUSED",
  "ENOTFOUND",
  "EAI_AGAIN",
  "EAI_FAIL",
  "ECONNREFUSED",
]);

/** What an instance says to an address that is not its own. */
const refusals: ReadonlySet<number> = new Set([401, 403, 404, 405, 410, 421]);

function cannotBeAsked({ reason, detail }: Extract<OutboundAnswer, { kind: "failed" }>): boolean {
  return reason === "refused" || unusable.has(detail);
}

function onInstance(url: URL, service: Service, random: number): Target {
  const { origin } = service.instances[Math.floor(random * service.instances.length)]!;
  return { url: new URL(`${url.pathname}${url.search}`, origin), isOwn: true };
}

/** The reference comes from the service, not from a client; whatever it resolves to is judged by its origin. */
function resolve(reference: string, base: URL, service: Service): Target | null {
  if (!URL.canParse(reference, base.href)) return null;
  const url = new URL(reference, base);
  url.hash = "";
  if (url.protocol !== "http:" && url.protocol !== "https:") return null;
  const isOwn = service.instances.some(({ origin }) => new URL(origin).origin === url.origin);
  return { url, isOwn };
}

/** The service answered the request with these credentials; its status page wants the same. */
function ownLines(record: ProcessRecord, service: Service, request: StoredRequest | null): HeaderLine[] {
  const id = processId(record);
  const lines: HeaderLine[] = [["Sticky-Process-Id", id], keyOf(request, id)];
  const names = new Set(service.credential.map((name) => (name.startsWith("cookie.") ? "cookie" : name)));
  for (const name of [...names, "accept"]) {
    for (const value of headerLines(request?.head.headers ?? [], name)) lines.push([name, value]);
  }
  return lines;
}

/** The key in the form in which the service got it with the request. */
function keyOf(request: StoredRequest | null, id: string): HeaderLine {
  const headers = request?.head.headers ?? [];
  const given = headerLines(headers, "idempotency-key")[0] ?? headerLines(headers, "x-idempotency-key")[0];
  return ["Idempotency-Key", given ?? formatIdempotencyKey(request?.key ?? id)];
}

type Answered = Extract<OutboundAnswer, { kind: "answered" }>;

function withoutHops({ status, headers, body }: Answered, pseudonym: string): StoredResponse {
  return { status, headers: responseHeaders(headers, status, pseudonym).headers, body };
}

function kept(response: StoredResponse, route: Route, policy: ProcessPolicy): StoredResponse {
  const set = route.headers.response;
  const headers = response.headers.filter(
    ([name]) => !set.has(name.toLowerCase()) && name.toLowerCase() !== "retry-after",
  );
  return { ...response, headers: storedHeaders([...headers, ...set], policy.storedHeaders) };
}

/** The work ran; what it brought is larger than the route keeps, so its end is this problem. */
function tooLarge(record: ProcessRecord): StoredResponse {
  const problem = new Problem("result-too-large", { processId: processId(record), service: record.service });
  return {
    status: problem.status,
    headers: [["Content-Type", "application/problem+json"]],
    body: Buffer.from(JSON.stringify(problemBody(problem, null))),
  };
}

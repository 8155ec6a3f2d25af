/** The rules that apply to a process: its route's, found by the names in its record. Pure. */
import type { ProcessPolicy, RetryPolicy, Route, Service } from "../registry/service.ts";
import type { ProcessRecord } from "./record.ts";

/** The rules that apply to a process: its route's, or defaults when the route is gone. */
export interface Rules {
  readonly policy: ProcessPolicy;
  readonly retries: RetryPolicy;
  readonly honoursKey: boolean;
}

export interface FoundRoute {
  readonly service: Service;
  readonly route: Route;
  readonly rules: Rules;
}

export interface RuleBook {
  /** null: the service or route is not configured any more. */
  find(record: Pick<ProcessRecord, "service" | "route" | "identity">): FoundRoute | null;
  /** Never null: a process whose route is not known ends by careful defaults (kept for a day, not sent again). */
  rulesOf(record: Pick<ProcessRecord, "service" | "route" | "identity">): Rules;
  /** The rules of a route for a new process; a mirrored route without a process policy gets {@link unkeyedPolicy}. */
  rulesFor(service: Service, route: Route): Rules | null;
}

/** @param services the current snapshot of the registry, asked each time */
export function createRuleBook(services: () => readonly Service[]): RuleBook {
  function rulesFor(service: Service, route: Route): Rules | null {
    const policy = route.process ?? (route.mirror?.mode === "dual-write" ? unkeyedPolicy : null);
    return policy === null ? null : { policy, retries: route.retries, honoursKey: service.honoursKey };
  }
  function find(record: Pick<ProcessRecord, "service" | "route" | "identity">): FoundRoute | null {
    const service = services().find(({ name }) => name === record.service);
    const route = service?.routes.find(({ name }) => name === record.route);
    if (service === undefined || route === undefined) return null;
    const rules = rulesFor(service, route);
    if (rules === null) return null;
    // The record's own identity counts: a keyed request on a route without keys follows the rules of keys.
    const isSame = rules.policy.identity === record.identity;
    return {
      service,
      route,
      rules: isSame ? rules : { ...rules, policy: { ...rules.policy, identity: record.identity } },
    };
  }
  return {
    find,
    rulesFor,
    rulesOf: (record) =>
      find(record)?.rules ?? {
        policy: { ...unconfiguredPolicy, identity: record.identity },
        retries: { attempts: 1, minMs: 1000, maxMs: 1000 },
        honoursKey: false,
      },
  };
}

/**
 * Identity `none`, never replayed: a process that exists only so that its execution is recorded for its copy. Its
 * client is held like a plain proxy's, until the service's own timeouts end the exchange.
 */
export const unkeyedPolicy: ProcessPolicy = {
  identity: "none",
  key: "ignored",
  waitMs: 2 ** 31 - 1,
  onWaitEnd: "timeout",
  completion: "response",
  onDuplicate: "join",
  allowOnDuplicate: [],
  force: false,
  leaseMs: 30_000,
  deadlineMs: null,
  heartbeatTimeoutMs: null,
  resultTtlMs: 60_000,
  resultTtlByClass: {},
  tombstoneMs: 60_000,
  maxResultBytes: 1_048_576,
  onUnknown: { cut: "release", timeout: "release", lost: "release", answered: "release" },
  restartCancelled: true,
  keepServerErrors: false,
  notExecutedStatuses: [425, 429, 503],
  refusedStatuses: [401, 407, 409, 421, 423, 425, 431, 503],
  failedWhen: null,
  fingerprintHeaders: [],
  fingerprintIgnore: { members: [], query: [] },
  keyFrom: null,
  storedHeaders: [],
  callback: { inject: { query: null, json: null, header: null }, accept: null, correlate: null },
  pollLocation: null,
  cancelHook: null,
  probe: null,
  keepRequest: false,
};

const dayMs = 24 * 3_600_000;

/**
 * The route is gone, or unknown to the caller (a command line without the configuration): nothing expires early and
 * nothing is sent again.
 */
const unconfiguredPolicy: ProcessPolicy = {
  ...unkeyedPolicy,
  resultTtlMs: dayMs,
  tombstoneMs: dayMs,
  onUnknown: { cut: "fail", timeout: "fail", lost: "fail", answered: "fail" },
  restartCancelled: false,
  keepServerErrors: true,
  keepRequest: true,
};

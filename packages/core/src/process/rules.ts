/**
 * The rules that apply to a process: those it began with, named by the digest in its record, with addresses and secrets
 * from today's file. A record without a digest follows its route by name. Pure: what is not in today's file has to be
 * learnt before (`lacks`).
 */
import { matchRoute } from "../registry/match.ts";
import type { ProcessPolicy, RetryPolicy, Route, Service } from "../registry/service.ts";
import { pinOf, type Pin, type PinnedRules } from "./pinned.ts";
import type { ProcessRecord } from "./record.ts";

/** The rules that apply to a process: its route's, or defaults when the route is gone. */
export interface Rules {
  readonly policy: ProcessPolicy;
  readonly retries: RetryPolicy;
  readonly honoursKey: boolean;
  /** Digest of the description that a new process is pinned to; absent: to none. */
  readonly digest?: string;
}

export interface FoundRoute {
  readonly service: Service;
  readonly route: Route;
  readonly rules: Rules;
}

/** What of a record names its rules. */
export type RulesRef = Pick<ProcessRecord, "service" | "route" | "identity" | "rules" | "operation">;

/**
 * What this node has for a process: `here` all of it, `no-service` its rules but no address to send to, `no-rules`
 * nothing that it may decide by.
 */
export type Standing = "here" | "no-service" | "no-rules";

export interface RuleBook {
  /** What is needed to send: the rules, and the service of today's file. null: {@link standing} says what is missing. */
  find(record: RulesRef): FoundRoute | null;
  /** Never null: a process whose rules are not known ends by careful defaults (kept for a day, not sent again). */
  rulesOf(record: RulesRef): Rules;
  /** The rules of today's route by that name for a process that is run anew, else those of the old one. */
  rulesAnew(record: RulesRef): Rules;
  /** The rules of a route for a new process; a mirrored route without a process policy gets {@link unkeyedPolicy}. */
  rulesFor(service: Service, route: Route): Rules | null;
  /** The description that the record is pinned to; null: none, or not known here. */
  pinned(record: Pick<ProcessRecord, "rules">): PinnedRules | null;
  /** The digest that has to be learnt before anything is decided about the record; null: nothing is missing. */
  lacks(record: Pick<ProcessRecord, "rules">): string | null;
  standing(record: RulesRef): Standing;
  /** Descriptions of today's routes, by digest. */
  pins(): ReadonlyMap<string, Pin>;
}

/** Where descriptions that are not in today's file come from. */
export interface LearntPins {
  get(digest: string): PinnedRules | null;
}

interface Today {
  readonly pins: ReadonlyMap<string, Pin>;
  readonly routes: ReadonlyMap<string, { readonly service: Service; readonly route: Route }>;
  readonly rules: ReadonlyMap<Route, Rules>;
}

const noPins: LearntPins = { get: () => null };

/**
 * @param services the current snapshot of the registry, asked each time
 * @param keyId as in {@link pinOf}
 */
export function createRuleBook(
  services: () => readonly Service[],
  learnt: LearntPins = noPins,
  keyId: (secret: string) => string = () => "",
): RuleBook {
  let snapshot: readonly Service[] | null = null;
  let known: Today = todayOf([], keyId);
  function today(): Today {
    const current = services();
    if (current !== snapshot) {
      snapshot = current;
      known = todayOf(current, keyId);
    }
    return known;
  }

  function rulesFor(service: Service, route: Route): Rules | null {
    return today().rules.get(route) ?? rulesOfRoute(route, service.honoursKey);
  }
  function pinned({ rules }: Pick<ProcessRecord, "rules">): PinnedRules | null {
    return rules === null ? null : learnt.get(rules);
  }
  function byName(record: RulesRef): { service: Service; route: Route | null } | null {
    const service = services().find(({ name }) => name === record.service);
    if (service === undefined) return null;
    return { service, route: service.routes.find(({ name }) => name === record.route) ?? null };
  }

  function find(record: RulesRef): FoundRoute | null {
    const own = record.rules === null ? undefined : today().routes.get(record.rules);
    if (own !== undefined) {
      const rules = rulesFor(own.service, own.route);
      return rules === null ? null : { ...own, rules: asBegun(rules, record) };
    }
    const named = byName(record);
    if (named === null) return null;
    const pin = pinned(record);
    // Begun before rules were pinned, or its description is lost: the name has to do.
    const route =
      pin === null ? named.route : pinnedRoute(pin, named.route ?? routeOf(named.service, record));
    if (route === null) return null;
    const rules = rulesOfRoute(route, pin?.honoursKey ?? named.service.honoursKey);
    return rules === null ? null : { service: named.service, route, rules: asBegun(rules, record) };
  }

  /** Without an address: enough to decide what becomes of it. */
  function rulesHere(record: RulesRef): Rules | null {
    const found = find(record);
    if (found !== null) return found.rules;
    const pin = pinned(record);
    const rules = pin === null ? null : rulesOfRoute(pinnedRoute(pin, null), pin.honoursKey);
    return rules === null ? null : asBegun(rules, record);
  }

  return {
    find,
    rulesFor,
    pinned: (record) => {
      const own = record.rules === null ? undefined : today().pins.get(record.rules);
      return own?.rules ?? pinned(record);
    },
    lacks: ({ rules }) =>
      rules === null || today().routes.has(rules) || learnt.get(rules) !== null ? null : rules,
    standing(record) {
      if (find(record) !== null) return "here";
      return rulesHere(record) === null ? "no-rules" : "no-service";
    },
    pins: () => today().pins,
    rulesOf: (record) => rulesHere(record) ?? carefulRules(record),
    rulesAnew(record) {
      const named = byName(record);
      const rules = named?.route == null ? null : rulesFor(named.service, named.route);
      return rules === null ? (rulesHere(record) ?? carefulRules(record)) : asBegun(rules, record);
    },
  };
}

function todayOf(services: readonly Service[], keyId: (secret: string) => string): Today {
  const pins = new Map<string, Pin>();
  const routes = new Map<string, { service: Service; route: Route }>();
  const rules = new Map<Route, Rules>();
  for (const service of services) {
    for (const route of service.routes) {
      const own = rulesOfRoute(route, service.honoursKey);
      if (own === null) continue;
      const pin = pinOf(service, route, keyId);
      pins.set(pin.digest, pin);
      routes.set(pin.digest, { service, route });
      rules.set(route, { ...own, digest: pin.digest });
    }
  }
  return { pins, routes, rules };
}

function rulesOfRoute(route: Route, honoursKey: boolean): Rules | null {
  const policy = route.process ?? (route.mirror?.mode === "dual-write" ? unkeyedPolicy : null);
  return policy === null ? null : { policy, retries: route.retries, honoursKey };
}

/** The record's own identity counts: a keyed request on a route without keys follows the rules of keys. */
function asBegun(rules: Rules, { identity }: Pick<ProcessRecord, "identity">): Rules {
  return rules.policy.identity === identity ? rules : { ...rules, policy: { ...rules.policy, identity } };
}

/** The route that takes the same request today: an edit that renames a route keeps its header fields and its hook. */
function routeOf(service: Service, { operation }: Pick<ProcessRecord, "operation">): Route | null {
  const [method = "", path = ""] = operation.split(" ");
  return path === "" ? null : matchRoute(service, method, path);
}

/** The pinned rules on what today's file says of that route besides: header fields, and the address of its hook. */
function pinnedRoute(pin: PinnedRules, today: Route | null): Route {
  const cancelHook = today?.process?.cancelHook ?? null;
  return {
    ...(today ?? bareRoute),
    name: pin.route,
    process: pin.process === null ? null : { ...pin.process, cancelHook },
    mirror: pin.mirror,
    retries: pin.retries,
    forwardCredential: pin.forwardCredential,
  };
}

const bareRoute: Omit<Route, "name" | "process" | "mirror" | "retries" | "forwardCredential"> = {
  match: { methods: [], path: "/" },
  cache: null,
  maxBodyBytes: Infinity,
  headers: { request: new Map(), response: new Map() },
  bodySchema: null,
  cookies: "use",
  signatures: "whole",
  allowUpgrade: false,
};

function carefulRules({ identity }: Pick<ProcessRecord, "identity">): Rules {
  return {
    policy: { ...unconfiguredPolicy, identity },
    retries: { attempts: 1, minMs: 1000, maxMs: 1000 },
    honoursKey: false,
  };
}

/**
 * Identity `none`, never replayed: a process that exists only so that its execution is recorded for its copy. Its
 * client waits as for plain proxying, until the service's timeouts end the exchange.
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

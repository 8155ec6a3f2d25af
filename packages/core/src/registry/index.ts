// What a service, a route and their policies are.
export type {
  BreakerPolicy,
  CachePolicy,
  CallbackAuth,
  CallbackPolicy,
  ComparePolicy,
  HealthPolicy,
  KeyPlace,
  MatchConditions,
  Instance,
  FailedWhen,
  IdMapPolicy,
  MaxLag,
  MirrorPolicy,
  OnDuplicate,
  PollPolicy,
  ProcessPolicy,
  RetryPolicy,
  Route,
  RouteMatch,
  Service,
  ServiceLimits,
  ServiceMatch,
  UpstreamTimeouts,
  UpstreamTls,
} from "./service.ts";
// Which host it counts as.
export { identityHost } from "./host.ts";
// Which service and route a request matches.
export {
  inMatchOrder,
  matchRoute,
  matchService,
  routesOfPath,
  strippedPrefix,
  type ServiceEntry,
} from "./match.ts";
export { conditionText, hasConditions } from "./conditions.ts";
export { isPathPattern, pathPatternFault } from "./path-pattern.ts";
export { explainMatch, type Explanation, type MatchLine } from "./explain.ts";
// By which request fields it decides.
export { fieldsNamedBy } from "./named-fields.ts";
// Which instance serves it.
export { affinityValue, instanceFor } from "./affinity.ts";
export { chooseInstance, fadedLatency, smoothLatency } from "./balance.ts";
export {
  observed,
  probed,
  slowStart,
  unprobed,
  unseen,
  usableInstances,
  type PassiveHealth,
  type ProbeHealth,
  type ProbeState,
} from "./health.ts";

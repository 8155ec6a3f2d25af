import type { ProcessRecord, RuleBook } from "@sticky-proxy/core/process";
import type { MirrorPolicy, Route, Service } from "@sticky-proxy/core/registry";

/** Route and secondary of an intent. */
export interface MirrorRoute {
  readonly service: Service;
  readonly route: Route;
  readonly policy: MirrorPolicy;
  readonly secondary: Service;
}

/** Whether any route is mirrored. */
export function isAnyMirrored(services: readonly Service[]): boolean {
  return services.some(({ routes }) => routes.some(({ mirror }) => mirror !== null && mirror.mode !== "off"));
}

/** Finds a mirrored route by the names in an intent. */
export function mirrorRoutes(
  services: () => readonly Service[],
): (service: string, route: string) => MirrorRoute | null {
  return (serviceName, routeName) => {
    const service = services().find(({ name }) => name === serviceName);
    const route = service?.routes.find(({ name }) => name === routeName);
    const policy = route?.mirror ?? null;
    const secondary = services().find(({ name }) => name === policy?.to);
    if (service === undefined || route === undefined || policy === null || secondary === undefined)
      return null;
    return policy.mode === "off" ? null : { service, route, policy, secondary };
  };
}

/**
 * Where a copy goes by the rules that its process began with: to a service of today's file. null: today's file has no
 * such service, or has the route without a mirror, which pauses its copies.
 */
export function pinnedMirrorRoutes(
  services: () => readonly Service[],
  rules: Pick<RuleBook, "find" | "pinned">,
): (record: ProcessRecord) => MirrorRoute | null {
  return (record) => {
    const policy = rules.pinned(record)?.mirror ?? null;
    const found = rules.find(record);
    const secondary = services().find(({ name }) => name === policy?.to);
    if (policy === null || found === null || secondary === undefined) return null;
    const isPaused = found.service.routes.some(({ name }) => name === record.route);
    return isPaused ? null : { service: found.service, route: found.route, policy, secondary };
  };
}

import type { MirrorPolicy, Route, Service } from "@sticky-proxy/core/registry";

/** Where an intent's route leads. */
export interface MirrorRoute {
  readonly service: Service;
  readonly route: Route;
  readonly policy: MirrorPolicy;
  readonly secondary: Service;
}

/** Whether any route copies to a second backend. */
export function isAnyMirrored(services: readonly Service[]): boolean {
  return services.some(({ routes }) => routes.some(({ mirror }) => mirror !== null && mirror.mode !== "off"));
}

/** Looks a mirrored route up by the names in an intent. */
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
    return { service, route, policy, secondary };
  };
}

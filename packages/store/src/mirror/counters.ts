/** Names of the hourly counters and of the groups of differences. */
import { groupPaths, type NewDifference } from "@sticky-proxy/core/mirror";

/** Between the parts of a counter's name; cannot stand in names from a configuration or a path. */
export const separator = "\u001f";

export function counterName(service: string, route: string, name: string): string {
  return [service, route, name].map((part) => part.replaceAll(separator, " ")).join(separator);
}

/** A difference counts once in each of its groups; null: in none. */
export function groupNames(service: string, route: string, difference: NewDifference | null): string[] {
  if (difference === null) return [];
  const counter = counterName(service, route, difference.class);
  return groupPaths(difference).map((path) => [counter, path].join(separator));
}

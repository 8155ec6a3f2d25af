/** Which host a request counts as: aliases that a service declares are one host. */
import type { Service } from "./service.ts";

/** @param authority host of the request, with its port where it has one; lower-case, without a default port */
export function canonicalHost({ hostAliases }: Pick<Service, "hostAliases">, authority: string): string {
  const host = authority
    .toLowerCase()
    .replace(/:(?:80|443)?$/, "")
    .replace(/\.(?=:\d+$|$)/, "");
  return hostAliases.get(nameOf(host)) ?? host;
}

/** Without port and without the dot at the end of a full name. */
function nameOf(host: string): string {
  return host.replace(/:\d+$/, "").replace(/\.$/, "");
}

/** Names of this machine to itself: replicas side by side are reached under any of them. */
const loopback: ReadonlySet<string> = new Set(["localhost", "127.0.0.1", "[::1]"]);

/**
 * What enters the identity of requests: services that are told the client's host may answer each host in its own way. A
 * service that is matched by one host, or is not told it, has one answer, and "" stands here. The port does not count: no
 * tenant is told apart by it, and a key that comes again at another replica's port must not run twice.
 */
export function identityHost(
  service: Pick<Service, "hostAliases" | "match" | "preserveHost">,
  authority: string,
): string {
  if (!service.preserveHost || service.match.host !== null) return "";
  const name = canonicalHost(service, authority).replace(/:\d+$/, "");
  return loopback.has(name) ? "localhost" : name;
}

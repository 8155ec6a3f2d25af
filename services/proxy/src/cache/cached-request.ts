/** One GET or HEAD on a cached route, as the cache sees it: nothing in it can poison what others get. */
import { keyOf, shownHost, withoutUnkeyed, type EntryPoint } from "@sticky-proxy/core/cache";
import type { CachePolicy, Route, Service } from "@sticky-proxy/core/registry";
import type { HeaderList, RequestHead } from "@sticky-proxy/core/http";
import type { ForwardClient } from "@sticky-proxy/upstream";
import type { ProxyState } from "../state.ts";

export interface CachedRequest {
  readonly service: Service;
  readonly route: Route;
  readonly policy: CachePolicy;
  readonly key: string;
  /** For look-up by people. */
  readonly url: string;
  readonly head: RequestHead;
  /** Told to the service: the configured host, never the client's word for it. */
  readonly client: ForwardClient;
  readonly trace: HeaderList;
}

export function entryPointOf({ client }: Pick<ProxyState, "client">): EntryPoint {
  return { tenant: "", scheme: client.protocol, host: client.host.toLowerCase() };
}

export function cachedRequest(
  state: ProxyState,
  service: Service,
  route: Route,
  policy: CachePolicy,
): CachedRequest {
  const { serviceHead, client, trace, head } = state;
  const at = entryPointOf(state);
  const query = head.query === null ? "" : `?${head.query}`;
  return {
    service,
    route,
    policy,
    key: keyOf(service, policy, serviceHead, at),
    url: `${client.protocol}://${client.host}${head.path}${query}`,
    head: { ...serviceHead, headers: withoutUnkeyed(serviceHead.headers, policy) },
    client: { ...client, host: shownHost(service, client.host) },
    trace,
  };
}

/** The request as a GET: a HEAD freshens what a GET stored, and what is refreshed behind it is the whole. */
export function asGet(head: RequestHead): RequestHead {
  return head.method === "GET" ? head : { ...head, method: "GET" };
}

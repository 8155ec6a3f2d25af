/** One GET or HEAD on a cached route, without what could poison the response for other clients. */
import { keyedHead, keyOf, shownHost, type EntryPoint } from "@sticky-proxy/core/cache";
import { provedDigest } from "@sticky-proxy/core/principal";
import type { CachePolicy, Route, Service } from "@sticky-proxy/core/registry";
import type { HeaderList, RequestHead } from "@sticky-proxy/core/http";
import type { ForwardClient, UpstreamSeen } from "@sticky-proxy/upstream";
import type { ProxyState } from "../state.ts";

export interface CachedRequest {
  readonly service: Service;
  readonly route: Route;
  readonly policy: CachePolicy;
  readonly key: string;
  /** Shown to operators; not part of the key. */
  readonly url: string;
  /** As the service gets it; variants are chosen by it. */
  readonly head: RequestHead;
  /** Forwarded to the service with the configured host, unless the service preserves the client's Host. */
  readonly client: ForwardClient;
  readonly trace: HeaderList;
  /** Of the request that leads a fetch; null: the fetch is nobody's. */
  readonly seen: UpstreamSeen | null;
}

export function entryPointOf({ client, principal }: Pick<ProxyState, "client" | "principal">): EntryPoint {
  return { principal: provedDigest(principal), scheme: client.protocol, host: client.host.toLowerCase() };
}

export function cachedRequest(
  state: ProxyState,
  service: Service,
  route: Route,
  policy: CachePolicy,
): CachedRequest {
  const { serviceHead, client, trace } = state;
  const head = keyedHead(serviceHead, policy, client.trusted);
  const query = head.query === null ? "" : `?${head.query}`;
  return {
    service,
    route,
    policy,
    key: keyOf(service, policy, serviceHead, entryPointOf(state)),
    url: `${client.protocol}://${client.host}${state.head.path}${query}`,
    head,
    client: { ...client, host: shownHost(service, client.host) },
    trace,
    seen: state.seen,
  };
}

/** The request as a GET: a HEAD updates the stored GET response, and its background revalidation is a GET. */
export function asGet(head: RequestHead): RequestHead {
  return head.method === "GET" ? head : { ...head, method: "GET" };
}

/**
 * What is true of the client: address, scheme and host. Said by the connection itself, or by our own proxies in
 * Forwarded (RFC 7239) or X-Forwarded-*; from everybody else these are claims. Worked out once for each request: routing,
 * cache key, budgets, logs and both families of fields towards services follow from it.
 */
import { splitList, unquote } from "@sticky-proxy/protocol/http";
import { isAddress, withoutMapping } from "./addresses.ts";
import { headerJoined, headerLines, type HeaderList } from "./message.ts";
import { parseAuthority } from "./host.ts";
import type { ProxiedSource } from "./proxy-protocol.ts";

export interface ClientFacts {
  /** The right-most hop that is no trusted proxy. Hops to its left are the client's own claim. */
  readonly address: string;
  /** The socket's address, IPv4 spelled as IPv4; by a PROXY protocol header, its source. */
  readonly peer: string;
  /** Whether what the request says in forwarding fields is a proxy of ours speaking. */
  readonly trustedPeer: boolean;
  /** What trusted proxies said of the hops before the peer, left to right, addresses without port and brackets. */
  readonly hops: readonly string[];
  /** null: our proxies do not say, so the connection's own counts. */
  readonly protocol: "http" | "https" | null;
  /** Authority as the client wrote it; null: our proxies do not say, so the request's own counts. */
  readonly host: string | null;
}

export type ClientAddress =
  | ({ readonly ok: true } & ClientFacts)
  | { readonly ok: false; readonly reason: string };

const maxHops = 20;

/**
 * `peer` is the socket's address, `isTrusted` says which addresses are our own proxies, `source` what a PROXY protocol
 * header said (null: there was none, or it named nobody): the hop before the peer, which no field outweighs.
 * The walk stops at the first entry that is not an address: what stands left of it proves nothing.
 */
export function clientAddress(
  peer: string,
  headers: HeaderList,
  isTrusted: (address: string) => boolean,
  source: ProxiedSource | null = null,
): ClientAddress {
  const near = source?.address ?? withoutMapping(peer);
  const told = source === null || source.encrypted === null ? null : source.encrypted ? "https" : "http";
  const trustedPeer = isTrusted(near) || (source !== null && isTrusted(withoutMapping(peer)));
  const bare = { ok: true, address: near, peer: near, trustedPeer, hops: [] } as const;
  if (!trustedPeer) return { ...bare, protocol: told, host: null };
  const elements = forwardedElements(headers);
  const joined = splitList(headerJoined(headers, "x-forwarded-for") ?? "").filter((hop) => hop !== "");
  const hops = (joined.length > 0 ? joined : elements.map((element) => element.get("for") ?? "")).map(
    nodeAddress,
  );
  if (hops.length > maxHops) return { ok: false, reason: "the request names more than 20 hops" };
  let address = near;
  let at = hops.length;
  for (let i = hops.length - 1; i >= 0 && isAddress(hops[i]!); i -= 1) {
    address = hops[i]!;
    at = i;
    if (!isTrusted(address)) break;
  }
  // The source is the client itself: addresses in fields are its own claim. Scheme and host are what our proxy wrote.
  if (!isTrusted(near)) {
    const { protocol, host } = sayings(headers, elements.at(-1));
    return { ...bare, protocol: told ?? protocol, host };
  }
  const own = (elements.length === hops.length ? elements[at] : null) ?? elements.at(-1);
  const { protocol, host } = sayings(headers, own);
  return {
    ...bare,
    address,
    hops: hops.filter((hop) => hop !== ""),
    protocol: protocol ?? told,
    host,
  };
}

/** Scheme and host, by X-Forwarded-* or else by the element of Forwarded. */
function sayings(
  headers: HeaderList,
  element: ReadonlyMap<string, string> | undefined,
): Pick<ClientFacts, "protocol" | "host"> {
  return {
    protocol: protocolOf(first(headers, "x-forwarded-proto") ?? element?.get("proto")),
    host: hostOf(first(headers, "x-forwarded-host") ?? element?.get("host")),
  };
}

/** Of a list the left-most member is the client's side. */
function first(headers: HeaderList, name: string): string | undefined {
  return splitList(headerLines(headers, name).join(",")).find((member) => member !== "");
}

function protocolOf(said: string | undefined): ClientFacts["protocol"] {
  const word = said?.toLowerCase();
  return word === "http" || word === "https" ? word : null;
}

function hostOf(said: string | undefined): string | null {
  return said !== undefined && parseAuthority(said) !== null ? said : null;
}

/** Parameters of each element, names lower-case. */
function forwardedElements(headers: HeaderList): ReadonlyMap<string, string>[] {
  return splitList(headerLines(headers, "forwarded").join(","))
    .filter((element) => element !== "")
    .map((element) => {
      const found = new Map<string, string>();
      for (const pair of splitList(element, ";")) {
        const at = pair.indexOf("=");
        if (at > 0) found.set(pair.slice(0, at).trim().toLowerCase(), unquote(pair.slice(at + 1).trim()));
      }
      return found;
    });
}

/** A node without its port and brackets (RFC 7239 6; some balancers write a port into X-Forwarded-For). */
function nodeAddress(node: string): string {
  const text = unquote(node.trim());
  const bracketed = /^\[([^\]]*)\](?::\d{1,5})?$/.exec(text);
  if (bracketed !== null) return withoutMapping(bracketed[1]!);
  const ported = /^([0-9.]+):\d{1,5}$/.exec(text);
  return withoutMapping(ported === null ? text : ported[1]!);
}

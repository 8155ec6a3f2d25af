/**
 * The client's address: the right-most hop of Forwarded (RFC 7239) that is no trusted proxy. Hops to its left are the
 * client's own claim.
 */
import { splitList } from "@sticky-proxy/protocol/http";
import { isAddress, withoutMapping } from "./addresses.ts";
import { headerJoined, type HeaderList } from "./message.ts";

export type ClientAddress =
  | {
      readonly ok: true;
      readonly address: string;
      /** The socket's address, IPv4 spelled as IPv4. */
      readonly peer: string;
      readonly trustedPeer: boolean;
    }
  | { readonly ok: false; readonly reason: string };

const maxHops = 20;

/**
 * `peer` is the socket's address, `isTrusted` says which addresses are our own proxies.
 * The walk stops at the first entry that is not an address: what stands left of it proves nothing.
 */
export function clientAddress(
  peer: string,
  headers: HeaderList,
  isTrusted: (address: string) => boolean,
): ClientAddress {
  const near = withoutMapping(peer);
  if (!isTrusted(near)) return { ok: true, address: near, peer: near, trustedPeer: false };
  const joined = headerJoined(headers, "x-forwarded-for");
  if (joined === null) return { ok: true, address: near, peer: near, trustedPeer: true };
  const hops = splitList(joined);
  if (hops.length > maxHops) return { ok: false, reason: "X-Forwarded-For names more than 20 hops" };
  let address = near;
  for (let i = hops.length - 1; i >= 0; i -= 1) {
    const hop = withoutMapping(hops[i]!);
    if (!isAddress(hop)) break;
    address = hop;
    if (!isTrusted(hop)) break;
  }
  return { ok: true, address, peer: near, trustedPeer: true };
}

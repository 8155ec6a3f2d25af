/** Whose budget a request uses up. */
import ipaddr from "ipaddr.js";

/**
 * The holder of an address's budget: "address:198.51.100.9". An IPv6 subscriber has a whole /64, so all of it is one
 * holder; an IPv4 address that a dual-stack socket shows as ::ffff:a.b.c.d is that IPv4 address.
 */
export function holderOfAddress(address: string): string {
  if (/^(?:(?:0|[1-9]\d{0,2})(?:\.|$)){4}$/.test(address)) return `address:${address}`; // almost every one; not parsed
  const [text = ""] = address.split("%"); // a zone names an interface of this machine
  if (!ipaddr.isValid(text)) return "address:unknown";
  const parsed = ipaddr.process(text);
  if (parsed.kind() === "ipv4") return `address:${parsed.toString()}`;
  const network = ipaddr.IPv6.networkAddressFromCIDR(`${parsed.toString()}/64`);
  return `address:${network.toString()}/64`;
}

const principalPrefix = "principal:";

/** The holder of a proved principal's budget: "principal:alice". */
export function holderOfPrincipal(subject: string): string {
  return principalPrefix + subject;
}

export function isPrincipal(holder: string): boolean {
  return holder.startsWith(principalPrefix);
}

/**
 * Which addresses the gateway calls when somebody else chose them: webhooks, cancel hooks, polled Locations.
 * Literals are judged before connecting (no look-up ever happens for them), names while connecting, on the very address
 * that is then connected to, so that a name cannot change its meaning in between.
 */
import { CodedError } from "@sticky-proxy/protocol";
import { lookup as systemLookup, type LookupAddress } from "node:dns";
import type { LookupFunction } from "node:net";

import ipaddr from "ipaddr.js";

import type { AddressGuard } from "./outbound-call.ts";

type Resolve = (
  name: string,
  callback: (error: NodeJS.ErrnoException | null, addresses: LookupAddress[]) => void,
) => void;

export interface GuardOptions {
  /** Private and loopback addresses may be called; link-local and metadata addresses never. */
  readonly allowPrivate: boolean;
  /** All addresses of a name; default: the system's resolver. */
  readonly resolve?: Resolve;
}

/** What `allowPrivate` opens. */
const privateRanges: ReadonlySet<string> = new Set(["private", "uniqueLocal", "loopback", "carrierGradeNat"]);

/** Metadata services of clouds outside the link-local range. */
const metadata: ReadonlySet<string> = new Set(["fd00:ec2::254", "100.100.100.200"]);

/** Why this address may not be called; null: it may. */
export function addressFault(address: string, allowPrivate: boolean): string | null {
  // Zone ids name an interface of this machine.
  if (address.includes("%") || !ipaddr.isValid(address)) return "it is not an address";
  const meant = embedded(ipaddr.parse(address));
  if (metadata.has(meant.toString())) return "it is a metadata service";
  const range = meant.range();
  if (range === "unicast" || (allowPrivate && privateRanges.has(range))) return null;
  return `it is ${range}`;
}

/** The IPv4 address inside ::ffff:0:0/96, 64:ff9b::/96 (RFC 6052) and 2002::/16 (RFC 3056): where packets really go. */
function embedded(address: ipaddr.IPv4 | ipaddr.IPv6): ipaddr.IPv4 | ipaddr.IPv6 {
  if (address.kind() === "ipv4") return address;
  const v6 = address as ipaddr.IPv6;
  if (v6.isIPv4MappedAddress()) return v6.toIPv4Address();
  const bytes = v6.toByteArray();
  if (v6.match(ipaddr.IPv6.parse("64:ff9b::"), 96)) return new ipaddr.IPv4(bytes.slice(12, 16));
  if (v6.match(ipaddr.IPv6.parse("2002::"), 16)) return new ipaddr.IPv4(bytes.slice(2, 6));
  return v6;
}

export class AddressRefused extends CodedError {
  override readonly name = "AddressRefused";
  override readonly code = "ERR_ADDRESS_REFUSED";
}

export function createAddressGuard({ allowPrivate, resolve = resolveAll }: GuardOptions): AddressGuard {
  const lookup: LookupFunction = (name, options, callback) => {
    resolve(name, (error, found) => {
      if (error !== null) {
        callback(error, "", 0);
        return;
      }
      const wanted = found.filter(({ family }) => !options.family || options.family === family);
      const first = wanted[0];
      // One bad address among good ones is how a name is made to point inside: none of them is used.
      const fault = wanted
        .map(({ address }) => addressFault(address, allowPrivate))
        .find((text) => text !== null);
      if (first === undefined) callback(new AddressRefused(`${name} has no address`), "", 0);
      else if (fault !== undefined)
        callback(new AddressRefused(`${name} may not be called: ${fault}`), "", 0);
      else if (options.all === true) callback(null, wanted);
      else callback(null, first.address, first.family);
    });
  };
  return {
    refuses(url) {
      if (url.protocol !== "http:" && url.protocol !== "https:") return "it is not http";
      if (url.username !== "" || url.password !== "") return "it holds a user name";
      const host = url.hostname.startsWith("[") ? url.hostname.slice(1, -1) : url.hostname;
      return ipaddr.isValid(host) ? addressFault(host, allowPrivate) : null;
    },
    lookup,
  };
}

const resolveAll: Resolve = (name, callback) =>
  systemLookup(name, { all: true, order: "verbatim" }, callback);

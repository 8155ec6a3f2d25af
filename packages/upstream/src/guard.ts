/**
 * Address guard of URLs that somebody else chose: webhooks, cancel hooks, polled Locations.
 * An address literal is checked before connecting (it needs no look-up), a host name while connecting, on the address
 * that is then used, so that the name cannot resolve to another address in between (DNS rebinding).
 */
import { addressFault, addressOfHost, portFault } from "@sticky-proxy/core/http";
import { CodedError } from "@sticky-proxy/protocol";
import { lookup as systemLookup, type LookupAddress } from "node:dns";
import type { LookupFunction } from "node:net";

type Resolve = (
  name: string,
  callback: (error: NodeJS.ErrnoException | null, addresses: LookupAddress[]) => void,
) => void;

/** Decides which addresses may be called. */
export interface AddressGuard {
  /** null: allowed; else the reason why the host of this URL may not be called. */
  refuses(url: URL): string | null;
  readonly lookup: LookupFunction;
}

export interface GuardOptions {
  /** Private and loopback addresses may be called; link-local and metadata addresses never. */
  readonly allowPrivate: boolean;
  /** All addresses of a name; default: the system's resolver. */
  readonly resolve?: Resolve;
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
      // An attacker's name may mix public and private addresses: one refused address refuses the name.
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
      const address = addressOfHost(url.hostname);
      const fault = address === null ? null : addressFault(address, allowPrivate);
      // Where private addresses may be called, the operator has written the address, and its port.
      return fault ?? (allowPrivate ? null : portFault(url));
    },
    lookup,
  };
}

const resolveAll: Resolve = (name, callback) =>
  systemLookup(name, { all: true, order: "verbatim" }, callback);

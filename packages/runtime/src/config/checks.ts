/** What an entry's text must be: null when it is, else what to write instead. */
import { addressOfHost, isMachineAddress, normalisePath } from "@sticky-proxy/core/http";
import { isPathPattern, pathPatternFault } from "@sticky-proxy/core/registry";
import { readSigningKey } from "@sticky-proxy/protocol";
import { isFieldValue } from "@sticky-proxy/protocol/http";
import { isPointer } from "@sticky-proxy/protocol/json";
import { isIP, isIPv6 } from "node:net";

export const serviceName = /^[a-z0-9][a-z0-9-]{0,62}$/;
const methodName = /^[A-Z][A-Z-]{0,31}$/;
const hostName =
  /^(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?)(?:\.[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?)*$/;

export const notReserved = "must not lie under /_sticky, which the gateway answers itself";

/** A path without query in its normal form, as those of requests are: nothing else would ever be matched. */
export function checkPath(value: string): string | null {
  return value.includes("%2F")
    ? 'must be a path such as "/charges", without encoded slashes'
    : checkAnyPath(value);
}

function checkAnyPath(value: string): string | null {
  if (value.split("/").some((segment) => segment === "." || segment === ".."))
    return "must not hold dot segments";
  const normal = normalisePath(value);
  if (!normal.ok || normal.path.includes("//") || (value !== "/" && value.endsWith("/")))
    return 'must be a path such as "/charges": no empty segment, no slash at the end, no query';
  return normal.path === value ? null : `must be written "${normal.path}", as requests have it`;
}

/** The path of a service or of a probe: what reads as a pattern would match nothing there. */
export function checkPrefix(value: string): string | null {
  return isPathPattern(value)
    ? "must be a plain prefix: patterns stand in routes[].match.path"
    : checkPath(value);
}

/** A prefix, or a pattern in URLPattern syntax. */
export function checkRoutePath(value: string): string | null {
  return isPathPattern(value) ? pathPatternFault(value) : checkAnyPath(value);
}

/** A host, or "*.example.test" for all names below it. */
export function checkHostPattern(value: string): string | null {
  const name = value.startsWith("*.") ? value.slice(2) : value;
  return checkHost(name) === null
    ? null
    : 'must be a lower-case host name without a port, or "*." and a host name';
}

export function checkHost(value: string): string | null {
  if (value.startsWith("[") && value.endsWith("]") && isIPv6(value.slice(1, -1))) return null;
  return value.length <= 253 && hostName.test(value) ? null : "must be a lower-case host name without a port";
}

/** RFC 9110 section 5.6.2. */
export const fieldName = /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}$/;

export function checkFieldName(value: string): string | null {
  return fieldName.test(value) ? null : "must be a header field name";
}

export function checkMethod(value: string): string | null {
  if (value === "CONNECT" || value === "TRACE") return `${value} is never forwarded`;
  return methodName.test(value) ? null : "must be an HTTP method in capitals";
}

/** `http(s)://host[:port]` and nothing else: no userinfo, path, query or fragment. */
export function checkOrigin(value: string): string | null {
  if (!/^https?:\/\/[^/?#@\\\s]+\/?$/i.test(value) || !URL.canParse(value))
    return 'must be an origin such as "http://127.0.0.1:4001": no user, path, query or fragment';
  return checkAddress(new URL(value));
}

/** An absolute http(s) URL that the gateway itself will call. */
export function checkUrl(value: string): string | null {
  if (!/^https?:\/\/[^\\\s]+$/i.test(value) || !URL.canParse(value)) return "must be an absolute http(s) URL";
  const url = new URL(value);
  if (url.username !== "" || url.password !== "") return "must not hold a user or password";
  if (url.hash !== "") return "must not hold a fragment";
  return checkAddress(url);
}

/** Link-local addresses serve machine metadata: nothing configured may lead there, however it is spelled. */
function checkAddress(url: URL): string | null {
  if (url.port === "0") return "must not use port 0";
  const address = addressOfHost(url.hostname);
  return address !== null && isMachineAddress(address)
    ? "must not be a link-local or metadata address"
    : null;
}

export function checkRedisUrl(value: string): string | null {
  if (!/^(?:rediss?:\/\/|unix:\/\/?|\/)/.test(value)) return "must begin with redis://, rediss:// or unix://";
  return value.startsWith("/") || URL.canParse(value) ? null : "must be a URL";
}

/** An address or a CIDR block. */
export function checkCidr(value: string): string | null {
  const [address = "", prefix, ...rest] = value.split("/");
  const family = isIP(address);
  const wrong = 'must be an address or a block such as "10.0.0.0/8"';
  if (family === 0 || rest.length > 0) return wrong;
  if (prefix === undefined) return null;
  return /^\d{1,3}$/.test(prefix) && Number(prefix) <= (family === 4 ? 32 : 128) ? null : wrong;
}

export function checkHostPort(value: string): string | null {
  const match = /^(.+):(\d{1,5})$/.exec(value);
  const port = Number(match?.[2]);
  const isGood = match !== null && checkHost(match[1]!.toLowerCase()) === null && port > 0 && port < 65536;
  return isGood ? null : 'must be "host:port"';
}

/** RFC 6901; "" is the whole document. */
export function checkPointer(value: string): string | null {
  return isPointer(value) ? null : 'must be a JSON Pointer such as "/user/id" (RFC 6901)';
}

/** A Standard Webhooks secret: "whsec_" and the base64 of 24 to 64 bytes. */
export function checkSigningSecret(value: string): string | null {
  return readSigningKey(value) === null ? 'must be "whsec_" and the base64 of 24 to 64 random bytes' : null;
}

/** The base64 of an AES-256 key. */
export function checkSealingKey(value: string): string | null {
  const isKey = /^[A-Za-z0-9+/]{43}=$/.test(value);
  return isKey ? null : "must be the base64 of 32 random bytes";
}

/** A shared token: long enough not to be guessed, fit for a header field. */
export function checkToken(value: string): string | null {
  return /^[\x21-\x7e]{24,256}$/.test(value) ? null : "must be 24 to 256 printable characters without spaces";
}

export function checkFieldValue(value: string): string | null {
  return isFieldValue(value)
    ? null
    : "must be a header field value: no control characters, no space at either end";
}
